#include "actors/backend/agents/attempts.h"

#include <algorithm>
#include <utility>

#include "actors/backend/recovery/database_check.h"

namespace stampede::actors {

Micros Backoff::next() {
  return std::exchange(wait_, std::min(wait_ * 2, kMax));
}

Attempt Attempts::failed(const storage::Error& error) {
  Attempt attempt{.kind = Attempt::Kind::again, .error = error};
  attempt.exit_code = exit_code_of(error.code);
  if (attempt.exit_code != 0) {
    attempt.kind = Attempt::Kind::final;
    return attempt;
  }
  attempt.news = error.message != last_error_;
  last_error_ = error.message;
  attempt.wait = backoff_.next();
  return attempt;
}

void Attempts::succeeded() {
  backoff_.reset();
  last_error_.clear();
}

}  // namespace stampede::actors
