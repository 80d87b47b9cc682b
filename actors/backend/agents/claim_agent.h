#pragma once

// Claims all lane rows for the epoch as soon as the database can be reached, checking `meta` and
// the witness first, as at start. What is missing in a table that stands still for kLooks attempts
// (12 s at least) is lost. attempt() blocks on the database; one thread.

#include <cstdint>
#include <string>
#include <utility>

#include "actors/backend/agents/attempts.h"
#include "actors/backend/recovery/database_check.h"

namespace stampede::actors {

class ClaimAgent {
 public:
  explicit ClaimAgent(ClaimStart start) : start_(std::move(start)) {}

  // done: the database is ours, lanes may write. `wall_us`: since 1970, for people.
  [[nodiscard]] Attempt attempt(std::int64_t wall_us);
  [[nodiscard]] std::uint64_t epoch() const { return start_.epoch; }

 private:
  static constexpr int kLooks = 30;

  [[nodiscard]] bool lost(const storage::Error& missing);

  ClaimStart start_;
  Attempts attempts_;
  std::string missing_;  // as it was said last
  int looked_ = 0;       // how often it was said since
};

}  // namespace stampede::actors
