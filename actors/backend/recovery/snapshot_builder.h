#pragma once

// Makes snapshots, and loads what they and the log say. A snapshot is a function of files alone: an
// older one (or nothing) and the closed segments behind it. It is made by reading, never by asking
// the core that is at work, so the sale is not stopped, and the same code serves recovery, the
// tools and a simulator: no clock, thread or randomness in here.
//
// All of it blocks on the disk; one thread. Memory: a second OrderBook (at most 64 bytes for each
// confirmed order, and more for the rest: order_book.h), what is owed, and one segment.

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "actors/backend/recovery/log_fold.h"
#include "actors/backend/recovery/replay_guard.h"
#include "storage/snapshot/snapshot_file.h"

namespace stampede::actors {

inline constexpr std::string_view kSnapshotLock = "SNAPSHOT-LOCK";

// The state of a log at some position.
struct LoadedLog {
  std::unique_ptr<LogFold> fold;  // null: at the start of the log, whose uuid is not known yet
  storage::LogPosition position;  // reading goes on from here
  std::string snapshot;           // the file it was taken from; empty: none
  std::uint64_t snapshot_bytes = 0;
  std::vector<std::string> unusable;  // snapshots that were passed over, and why
};

// The newest snapshot that is whole, or the start of the log when there is none. Damaged ones are
// passed over. `on_block` is called as the loading goes on. Errors: Errc::io, Errc::version.
storage::Result<LoadedLog> load_newest(
    storage::Disk& disk, const std::string& dir, const OrderBookLimits& limits,
    const std::function<void()>& on_block = [] {});
storage::Result<LoadedLog> load_snapshot(
    storage::Disk& disk, const std::string& dir, const std::string& name,
    const OrderBookLimits& limits, const std::function<void()>& on_block = [] {});

// Folds a log into `log.fold`, which is made when the log's uuid is known.
class FoldingReader final : public storage::LogVisitor {
 public:
  using OnBatch = std::function<storage::Status(const storage::BatchInfo&)>;
  // `guard` stands around every decision; null: none does.
  FoldingReader(LoadedLog& log, const OrderBookLimits& limits, OnBatch on_batch,
                ReplayGuard* guard = nullptr)
      : log_(log), limits_(limits), on_batch_(std::move(on_batch)), guard_(guard) {}

  storage::Status on_log(const storage::LogIdentity& log) override;
  storage::Status on_batch(const storage::BatchInfo& batch) override { return on_batch_(batch); }
  storage::Status on_record(const storage::BatchInfo& batch,
                            const storage::RecordView& record) override {
    if (guard_ == nullptr || !storage::is_decision(record.type))
      return log_.fold->on_record(batch, record);
    return guard_->apply(*log_.fold, batch, record);
  }

 private:
  LoadedLog& log_;
  OrderBookLimits limits_;
  OnBatch on_batch_;
  ReplayGuard* guard_;
};

// One maker of snapshots and remover of segments at a time, whichever process it is in.
// Errc::locked when there is another.
storage::Result<std::unique_ptr<storage::HeldLock>> lock_snapshots(storage::Disk& disk,
                                                                   const std::string& dir);

// Bytes of the closed segments that lie behind the newest snapshot. Looks at names and sizes only.
storage::Result<std::uint64_t> bytes_behind_snapshot(storage::Disk& disk, const std::string& dir);

struct SnapshotMade {
  std::string name;
  storage::SnapshotHeader header;
  storage::SnapshotHash hash{};
  std::uint64_t bytes = 0;  // of the file
  std::string base;         // the snapshot it was made from; empty: from the start of the log
};

struct SnapshotOrder {
  OrderBookLimits limits;       // of the backend; orders_max is not looked at
  std::int64_t created_ns = 0;  // wall clock
  std::function<bool()> stop = [] {
    return false;
  };  // asked before each batch; then Errc::unavailable
};

// A snapshot at the end of the last closed segment; nothing when no batch lies between it and the
// newest one.
// Durable on return; then all but it and the one it was made from are removed. Hold
// lock_snapshots. Errors: Errc::io; Errc::corrupt when the log is damaged, Errc::invalid while a
// record is parked (the snapshot then is not made); what was there before is still there after any
// of them.
storage::Result<std::optional<SnapshotMade>> make_snapshot(storage::Disk& disk,
                                                           const std::string& dir,
                                                           const SnapshotOrder& order);

// Replays the older snapshot (or the log from its start) up to the newest, and compares.
struct SnapshotComparison {
  std::string newer;
  std::string older;  // empty: the start of the log
  storage::SnapshotHash carried{};
  storage::SnapshotHash replayed{};
  std::uint64_t batches = 0;  // read for it
};
// Errors: Errc::not_found without a snapshot, or with only one and a log that does not reach back
// to its start; Errc::corrupt when one of the two, or the log between, is damaged.
storage::Result<SnapshotComparison> compare_snapshots(storage::Disk& disk, const std::string& dir);

}  // namespace stampede::actors
