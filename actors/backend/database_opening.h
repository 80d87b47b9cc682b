#pragma once

// A database session that is opened beside other work, so that a database which hangs does not hold
// a start up.

#include <chrono>
#include <future>

#include "actors/node/node.h"
#include "storage/mysql/database.h"

namespace stampede::actors {

class DatabaseOpening {
 public:
  // Begins at once, in an actor of its own, which lives until the database has answered or
  // `options.connect_timeout` is over. Nothing waits for that: a session that comes too late is
  // closed.
  DatabaseOpening(NodeRuntime& node, const storage::DbOptions& options);

  // Once. Blocks until the session is there or `until`; then: unavailable.
  storage::Result<storage::Database> wait_until(std::chrono::steady_clock::time_point until);

 private:
  std::chrono::steady_clock::time_point began_;
  std::future<storage::Result<storage::Database>> session_;
};

}  // namespace stampede::actors
