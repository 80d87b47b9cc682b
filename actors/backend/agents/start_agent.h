#pragma once

// How a backend comes up: look at the directory -> lock -> read and verify the whole log -> compare
// with the database when it answers -> re-persist the last batch -> mint the epoch -> hand over
// what is still owed -> take over the items of a database that never had a log. Changes nothing on
// disk before everything was verified.
//
// step() goes on as far as it can; where it must wait it says for how long and for what. Whoever
// runs it (the backend's start, or a simulator) waits, and supplies clock, randomness and what the
// outlet is asked. Blocks on disk and database; one thread.

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "actors/backend/agents/micros.h"
#include "actors/backend/core/backend_core.h"
#include "actors/backend/recovery/database_check.h"
#include "actors/backend/recovery/recovery.h"
#include "actors/backend/recovery/replay_guard.h"
#include "storage/disk/disk.h"
#include "storage/log/log_writer.h"
#include "storage/mysql/database.h"

namespace stampede::actors {

struct StartSettings {
  std::string dir;
  storage::DbOptions database;
  BackendLimits limits;
  std::uint64_t segment_bytes = 0;
  std::uint64_t rows_max = 0;  // of the pieces in which owed orders are handed over
  std::uint32_t pid = 0;       // in the log's batches, for people
};

// The same database, given up after a second a statement: a start that waits longer for one that
// takes connections, or lets itself be read, and no more, is taken for hung (supervisor.stall_ms).
storage::DbOptions impatient(storage::DbOptions database);

// What the agent asks and tells. Called in its own calls; must not call back into it.
class StartOutlet {
 public:
  virtual std::int64_t wall_ns() = 0;
  virtual LogUuid fresh_uuid() = 0;  // of a new log: nobody has had it
  // The log is locked. The guard that stands around each decision of the replay; null: none.
  // Errors end the start.
  virtual storage::Result<ReplayGuard*> locked() = 0;
  virtual void on_batch(const storage::BatchInfo&) {}  // verified, before it is applied
  virtual void progress() {}                           // something more was read or taken over
  // The database, asked while the log was read; unavailable when it has not answered in time.
  virtual storage::Result<storage::Database> database_answer() = 0;
  virtual void waits(std::string_view for_what, const storage::Error& why) = 0;  // each time anew
  virtual void recovered(const RecoveredLog& log, const ClaimStart& claim) = 0;  // durable again
  virtual void importing(const std::vector<storage::ItemRow>& items, std::uint64_t epoch) = 0;
  virtual void imported(std::size_t items) = 0;

 protected:
  ~StartOutlet() = default;
};

class StartAgent {
 public:
  struct Step {
    enum class Kind : std::uint8_t { ready, again, failed };
    Kind kind = Kind::ready;
    Micros wait = 0;       // again
    storage::Error error;  // again: what is waited for; failed: why, see exit_code()
  };

  StartAgent(std::shared_ptr<storage::Disk> disk, StartSettings settings, StartOutlet& outlet);

  [[nodiscard]] Step step(Micros now);

  // After ready; to be taken apart.
  [[nodiscard]] std::unique_ptr<storage::LogLock> take_lock() { return std::move(lock_); }
  [[nodiscard]] std::shared_ptr<storage::LogWriter> writer() const { return writer_; }
  [[nodiscard]] std::unique_ptr<BackendCore> take_core() { return std::move(log_.core); }
  [[nodiscard]] const ClaimStart& claim() const { return claim_; }
  [[nodiscard]] const RecoveredLog& log() const { return log_; }  // its core was taken

 private:
  enum class Phase : std::uint8_t { look, lock, read, first_start, compare, take_over, claim };

  Step look();
  Step lock(Micros now);
  Step read();
  Step first_start();
  storage::Status ask_first();
  Step compare();
  [[nodiscard]] bool is_older_copy() const;
  Step take_over();
  Step take_database();
  ClaimStart asking();
  storage::Status open_writer();
  storage::Status pass_over_refused_rows();
  storage::Status remember_directory();
  storage::Status import();
  Step go_on(Phase next);
  static Step failed(const storage::Error& error);
  Step wait_for_database(std::string_view what, const storage::Error& error);

  static constexpr Micros kLockRetryFor = kSeconds;
  static constexpr Micros kLockRetryEvery = 20 * kMillis;
  static constexpr Micros kDatabaseRetry = 200 * kMillis;
  static constexpr Micros kRoomRetry = 200 * kMillis;

  std::shared_ptr<storage::Disk> disk_;
  StartSettings settings_;
  StartOutlet& outlet_;
  Phase phase_ = Phase::look;
  bool asked_ = false;     // database_answer() was
  bool answered_ = false;  // the database, and it fits
  bool copied_ = false;    // the log was written in another directory
  Micros lock_until_ = 0;
  std::unique_ptr<storage::LogLock> lock_;
  std::shared_ptr<storage::LogWriter> writer_;
  RecoveredLog log_;
  ClaimStart claim_;
  std::vector<storage::ItemRow> imported_;
};

}  // namespace stampede::actors
