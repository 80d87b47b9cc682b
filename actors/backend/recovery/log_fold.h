#pragma once

// What a log means: the sale in memory and what is owed to the database. Folded record by record,
// or taken from a snapshot and then folded on; both give the same. The same code serves recovery,
// the making of snapshots and their verification.
//
// One thread; no I/O of its own.

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "actors/sale/order_book.h"
#include "storage/log/log_reader.h"
#include "storage/replay/replay.h"
#include "storage/snapshot/snapshot_format.h"

namespace stampede::actors {

class LogFold final : public storage::LogVisitor {
 public:
  LogFold(const LogUuid& key, OrderBookLimits limits) : book_(key, limits) {}

  // Errc::corrupt naming segment, offset and lsn when the log contradicts itself; Errc::version
  // when a record needs a higher feature level than this program acts on.
  storage::Status on_record(const storage::BatchInfo& batch,
                            const storage::RecordView& record) override;

  // Passes over a decision that on_record cannot stand: in memory only its request id is taken, and
  // its item is closed; what it owes to the database stays owed. Returns the item. Errc::corrupt
  // when the record cannot be read.
  storage::Result<std::uint64_t> park(const storage::BatchInfo& batch,
                                      const storage::RecordView& record);

  // Everything, as the sections of a snapshot.
  void save(storage::SnapshotSink& sink) const;
  // The next block of a snapshot, into a new fold; after the last one, loaded(). Errc::corrupt
  // when the blocks make no sense; the fold is useless then.
  storage::Status load(const storage::SnapshotBlock& block);
  [[nodiscard]] storage::Status loaded() const;

  [[nodiscard]] const OrderBook& book() const { return book_; }
  OrderBook&& take_book() { return std::move(book_); }
  [[nodiscard]] const storage::ReplayFold& replay() const { return replay_; }
  storage::ReplayFold take_replay() { return std::move(replay_); }
  // The highest lsn that the log calls executed, 0 for none.
  [[nodiscard]] Lsn max_executed() const { return max_executed_; }
  // The same of each lane, from 0, in what was read behind a snapshot.
  [[nodiscard]] const std::map<std::uint32_t, Lsn>& executed_by_lane() const {
    return executed_by_lane_;
  }

 private:
  storage::Status emit(const storage::BatchInfo& batch, const storage::RecordView& record);
  storage::Status reject(const storage::BatchInfo& batch, const storage::RecordView& record);
  storage::Status revoke(const storage::BatchInfo& batch, const storage::RecordView& record);
  void note_executed(const storage::RecordView& record);
  [[nodiscard]] storage::SnapshotSummary summary() const;
  bool load_summary(storage::EntryReader& in);

  OrderBook book_;
  storage::ReplayFold replay_;
  Lsn max_executed_ = 0;
  std::map<std::uint32_t, Lsn> executed_by_lane_;
  std::optional<storage::SnapshotSummary> promised_;  // by the snapshot
  storage::CommandDecoder decoder_;
  std::vector<storage::Command> set_;  // kept for their memory
  storage::Outcome outcome_;
};

}  // namespace stampede::actors
