#pragma once

// Claims all lane rows for the epoch as soon as the database can be reached, checking `meta` and
// the witness first, as at start. attempt() blocks on the database; one thread.

#include <cstdint>
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
  ClaimStart start_;
  Attempts attempts_;
};

}  // namespace stampede::actors
