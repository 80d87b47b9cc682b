#include "actors/backend/database_opening.h"

#include <memory>
#include <string>

namespace stampede::actors {

using storage::Database;
using storage::Errc;
using storage::Error;
using storage::Result;

DatabaseOpening::DatabaseOpening(NodeRuntime& node, const storage::DbOptions& options)
    : began_(std::chrono::steady_clock::now()) {
  const auto answer = std::make_shared<std::promise<Result<Database>>>();
  session_ = answer->get_future();
  node.spawn_work("opening", [options, answer] { answer->set_value(Database::open(options)); });
}

Result<Database> DatabaseOpening::wait_until(std::chrono::steady_clock::time_point until) {
  if (session_.wait_until(until) == std::future_status::ready) return session_.get();
  const auto waited = std::chrono::duration_cast<std::chrono::milliseconds>(
      std::chrono::steady_clock::now() - began_);
  return Error{Errc::unavailable,
               "the database has not answered for " + std::to_string(waited.count()) + " ms"};
}

}  // namespace stampede::actors
