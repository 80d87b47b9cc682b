#pragma once

// Whether a database that names no log is this log's: it may have lost its `meta` row in a restore,
// or have been another one's all along.

#include <string>

#include "storage/disk/disk.h"
#include "storage/mysql/database.h"
#include "tools/log/remembered_orders.h"

namespace stampede::tools {

// Whether some order of the log has its row there, as the log has it, or there are no rows at all.
// Reads the log until one is found. Blocks; errors of the log and of the database.
storage::Result<bool> knows_orders(storage::Disk& disk, const std::string& dir,
                                   RememberedOrders& before, storage::Database& database);

}  // namespace stampede::tools
