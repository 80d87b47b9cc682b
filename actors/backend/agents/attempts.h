#pragma once

// How the agents that ask the database ask again: lanes and the claim. Pure; one thread.

#include <cstdint>
#include <string>

#include "actors/backend/agents/micros.h"
#include "storage/result.h"

namespace stampede::actors {

// What an attempt at the database came to, of a lane or of the claim.
struct Attempt {
  enum class Kind : std::uint8_t {
    done,
    again,  // after `wait`; the database is away or said something transient
    final,  // trying again cannot help: the process ends with `exit_code`
  };
  Kind kind = Kind::done;
  storage::Error error{};  // again, final
  bool news = false;       // again: another error than the last time
  int exit_code = 0;       // final
  Micros wait = 0;
};

// Pauses between attempts: twice as long each time, from 5 ms to 500 ms.
class Backoff {
 public:
  [[nodiscard]] Micros next();
  void reset() { wait_ = kFirst; }

 private:
  static constexpr Micros kFirst = 5 * kMillis;
  static constexpr Micros kMax = 500 * kMillis;
  Micros wait_ = kFirst;
};

// After a failed attempt at the database: again or final, and whether that is news.
class Attempts {
 public:
  [[nodiscard]] Attempt failed(const storage::Error& error);
  void succeeded();

 private:
  Backoff backoff_;
  std::string last_error_;
};

}  // namespace stampede::actors
