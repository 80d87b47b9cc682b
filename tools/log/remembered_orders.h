#pragma once

// The orders whose segments are gone, what became of them and the units that came back: a snapshot
// knows of them, but not their texts, so they can only be looked for in the database.

#include <cstdint>
#include <string>
#include <vector>

#include "storage/mysql/database.h"
#include "tools/log/log_beginning.h"
#include "tools/log/remembered_holds.h"

namespace stampede::tools {

struct RememberedOrders {
  LogBeginning beginning;
  SnapshotContents contents;  // of its snapshot; empty when the log has its start
  // After look_for_remembered():
  std::uint64_t count = 0;
  std::uint64_t missing = 0;    // of those, without a row
  std::uint64_t differing = 0;  // of those, with a row of other content
  storage::Lsn first_missing = 0;
  storage::Lsn last_missing = 0;
  std::uint64_t other_payments = 0;  // of those with a row, what became of them is another
  std::string first_other_payment;
  std::uint64_t other_stock = 0;  // whose StockChanges do not add up
  std::string first_other_stock;

  // What is wrong, in words; empty: nothing.
  [[nodiscard]] std::vector<std::string> violations() const;
};

storage::Result<RememberedOrders> read_remembered(storage::Disk& disk, const std::string& dir);

// Walks the remembered orders beside the database's rows. Blocks; errors of the database.
storage::Status look_for_remembered(storage::Database& database, RememberedOrders& orders);

}  // namespace stampede::tools
