#pragma once

// Makes snapshots of the log's state when enough of it lies behind the newest one, and removes
// segments that snapshots stand for. Whoever runs it (the actor `snapshot`, or a simulator) calls
// look() now and then. Blocks on disk and database, for seconds; one thread. Errors harm nothing:
// the sale goes on, and it is tried again.

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "actors/backend/agents/micros.h"
#include "actors/backend/recovery/retention.h"
#include "actors/backend/recovery/snapshot_builder.h"
#include "storage/disk/disk.h"
#include "storage/mysql/database.h"
#include "storage/mysql/db_options.h"

namespace stampede::actors {

// StoredRows by a session that is opened when it is first asked.
class DatabaseRows : public StoredRows {
 public:
  explicit DatabaseRows(const storage::DbOptions& options) : options_(options) {}

  storage::Result<std::optional<storage::LogUuid>> log_uuid() override;
  storage::Result<std::vector<storage::ItemRow>> items() override;
  storage::Result<std::vector<storage::PromoRow>> promos() override;
  storage::Result<std::vector<std::string>> differing(const storage::LaneBatch& orders) override;

 private:
  storage::Status connect();

  const storage::DbOptions& options_;
  std::optional<storage::Database> database_;
};

struct SnapshotSettings {
  std::string dir;
  OrderBookLimits limits;
  std::uint64_t every_bytes = 0;  // of closed segments behind the newest snapshot
  std::int64_t retain_s = 0;      // of segments; negative: all are kept
  // Pauses. Retention reads snapshots and a segment, comparing reads a segment and its rows.
  Micros retain_every = 10 * kSeconds;  // when no snapshot was made meanwhile
  Micros after_kept = 60 * kSeconds;
  Micros after_failure = 30 * kSeconds;  // the disk may be full
  Micros after_difference = 600 * kSeconds;
};

// What the agent asks and tells. Called in its own calls; must not call back into it.
class SnapshotOutlet {
 public:
  [[nodiscard]] virtual bool stopping() = 0;
  virtual std::int64_t wall_ns() = 0;
  virtual std::unique_ptr<StoredRows> rows() = 0;  // of the database, for one round of retention
  virtual void made(const SnapshotMade& snapshot) = 0;
  virtual void retained(const RetentionReport& report) = 0;
  // A snapshot; `doing` in words. Tried again after `pause`.
  virtual void not_made(std::string_view doing, const storage::Error& error, Micros pause) = 0;
  // Not when the database is away, which is the lanes' news.
  virtual void not_retained(const storage::Error& error, Micros pause) = 0;

 protected:
  ~SnapshotOutlet() = default;
};

class SnapshotAgent {
 public:
  SnapshotAgent(storage::Disk& disk, SnapshotSettings settings, SnapshotOutlet& outlet)
      : disk_(disk), settings_(std::move(settings)), outlet_(outlet) {}

  [[nodiscard]] bool has_work(Micros now);  // look() would do something; quick
  void look(Micros now);                    // does what is due
  void make(Micros now);  // a snapshot, due or not; nothing when no batch lies behind the newest

 private:
  [[nodiscard]] bool due(Micros now);
  void retain(Micros now);
  void failed(std::string_view doing, const storage::Error& error, Micros now);

  storage::Disk& disk_;
  SnapshotSettings settings_;
  SnapshotOutlet& outlet_;
  Micros next_make_ = 0;
  Micros next_retain_ = 0;
};

}  // namespace stampede::actors
