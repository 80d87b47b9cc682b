#pragma once

// The snapshot actor: makes a snapshot when enough closed segments lie behind the newest one, and
// removes segments that nobody needs any more. Detached; works on a thread that runs when nothing
// else does: it reads files and asks the database on a session of its own, and never touches the
// core.
// What goes wrong is logged and tried again later; it never stops the sale. Only a program error
// ends the node (70).
//
// Memory: while one is being made, a second OrderBook (snapshot_builder.h); given back afterwards.

#include <caf/all.hpp>
#include <cstdint>
#include <memory>
#include <string>

#include "actors/backend/backend_status.h"
#include "actors/node/node.h"
#include "actors/sale/order_book.h"
#include "storage/disk/disk.h"
#include "storage/mysql/db_options.h"

namespace stampede::actors {

struct SnapshotKeeperStart {
  std::shared_ptr<storage::Disk> disk;
  storage::DbOptions database;
  OrderBookLimits limits;
};

caf::actor spawn_snapshot_keeper(NodeRuntime& node, BackendStatus& status,
                                 SnapshotKeeperStart start);

}  // namespace stampede::actors
