#include "actors/backend/database_opening.h"

#include <exception>
#include <string>
#include <utility>

namespace stampede::actors {

using storage::Database;
using storage::Errc;
using storage::Error;
using storage::Result;

DatabaseOpening::DatabaseOpening(const storage::DbOptions& options)
    : began_(std::chrono::steady_clock::now()) {
  std::promise<Result<Database>> answer;
  session_ = answer.get_future();
  thread_ = std::jthread([options, answer = std::move(answer)]() mutable {
    try {
      answer.set_value(Database::open(options));
    } catch (...) {
      answer.set_exception(std::current_exception());
    }
  });
}

Result<Database> DatabaseOpening::wait_until(std::chrono::steady_clock::time_point until) {
  if (session_.wait_until(until) == std::future_status::ready) return session_.get();
  const auto waited = std::chrono::duration_cast<std::chrono::milliseconds>(
      std::chrono::steady_clock::now() - began_);
  return Error{Errc::unavailable,
               "the database has not answered for " + std::to_string(waited.count()) + " ms"};
}

}  // namespace stampede::actors
