#pragma once

// Removes closed segments that nobody needs any more; storage/snapshot_format.md says
// when. Every doubt keeps a segment, and with it all newer ones. No clock, thread or database of
// its own.

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "storage/commands/batch_rows.h"
#include "storage/log/log_reader.h"
#include "storage/mysql/database.h"

namespace stampede::actors {

// What the database is asked before a segment goes. All errors mean: keep.
class StoredRows {
 public:
  virtual ~StoredRows() = default;
  virtual storage::Result<std::optional<storage::LogUuid>> log_uuid() = 0;
  virtual storage::Result<std::vector<storage::ItemRow>> items() = 0;
  virtual storage::Result<std::vector<storage::PromoRow>> promos() = 0;
  // What is wrong with each of these orders, updates and StockChanges that has no row, or one of
  // other content; of an update, a row that knows of a newer one is right.
  virtual storage::Result<std::vector<std::string>> differing(const storage::LaneBatch& rows) = 0;
};

struct RetentionRules {
  std::int64_t retain_s = 86400;                      // negative: keep all for ever
  std::int64_t now_ns = 0;                            // wall clock
  std::size_t rows_max = 1000;                        // asked for at once
  std::function<bool()> stop = [] { return false; };  // asked before each batch
};

struct RetentionReport {
  std::uint64_t removed = 0;    // segments
  storage::LogPosition oldest;  // where the log begins now; seg_no 1: nothing was ever removed
  std::string kept;             // why the next one stays; empty: no candidate is left
  std::vector<std::string> differing;  // rows that are not as the log says: an alarm
};

// Each removal is durable before the next. Hold lock_snapshots (snapshot_builder.h). Failpoint
// in_retain, passed before and after each step. Errors: Errc::io, Errc::unavailable (the database,
// or stopped); segments removed until then stay removed. Blocks.
storage::Result<RetentionReport> remove_old_segments(storage::Disk& disk, const std::string& dir,
                                                     const RetentionRules& rules, StoredRows& rows);

}  // namespace stampede::actors
