#pragma once

// The steps of a backend's recovery that need a disk and the core but neither clock, thread nor
// database: the same under the real start and under a simulator.
//
//   recover_log      loads the newest snapshot, reads and verifies the log behind it (without a
//                    snapshot: all of it), rebuilds memory; changes nothing
//   take_over_epoch  mints the next epoch and makes its record durable
//   hand_over_owed   gives the projection what the database still lacks
//   import_items     logs the items of a database that has never had a log
//
// Between the first two the caller opens the LogWriter (create or resume). All of it blocks on the
// disk; one thread.

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "actors/backend/core/backend_core.h"
#include "actors/backend/recovery/snapshot_builder.h"
#include "storage/disk/disk.h"
#include "storage/log/log_reader.h"
#include "storage/log/log_writer.h"
#include "storage/mysql/database.h"
#include "storage/replay/replay.h"

namespace stampede::actors {

struct RecoveredLog {
  storage::LogEnd end;                // end.tail == empty: there was no log
  std::unique_ptr<BackendCore> core;  // phase starting; null when there was no log
  storage::ReplayFold fold;
  Lsn max_executed = 0;                           // the highest lsn that the log calls executed
  std::map<std::uint32_t, Lsn> executed_by_lane;  // LogFold::executed_by_lane
  // start_number of each epoch that began in what was read behind the snapshot.
  std::map<std::uint64_t, std::uint64_t> owners;
  std::int64_t written_ns = 0;   // wall clock of the newest batch; 0: none was read
  std::string snapshot;          // the file that was used; empty: none
  storage::ReplayCounts before;  // what the snapshot had counted
  // An order was confirmed, or something executed. Until then a first start may have been cut short
  // before it had taken over the database's items.
  bool served = false;
  std::vector<std::string> unusable;  // damaged snapshots that were passed over, and why
  std::uint64_t first_segment = 1;    // the oldest that is there
  bool begin_known = false;           // and it was remembered as that (storage/log/log_begin.h)
  std::vector<std::string> notes;     // what else is odd in the directory, for people
};

// Every file of the directory is judged, those too that need not be read: names, headers and sizes
// of the segments that a snapshot stands for, which must begin where the log was last known to
// begin.
//
// `on_batch` is called before each verified batch is applied, `on_block` for each block of a
// snapshot that is loaded; `guard`, if any, stands around every decision. Errors: those of
// read_log, and Errc::corrupt naming the decision when the log contradicts itself, or when neither
// the log's start nor a usable snapshot is there, or when log and snapshot are not of one log.
storage::Result<RecoveredLog> recover_log(
    storage::Disk& disk, const std::string& dir, const BackendLimits& limits,
    const std::function<void(const storage::BatchInfo&)>& on_batch,
    const std::function<void()>& on_block = [] {}, ReplayGuard* guard = nullptr);

// What tells this start from another one of the same epoch, in a copy of the log: never 0.
std::uint64_t start_number(std::int64_t wall_ns, std::uint32_t pid);

// The epoch after every one the log has seen; its record is durable on return and `core` goes on
// from there, in phase replaying. `wall_ns` and `pid` are for people.
storage::Result<std::uint64_t> take_over_epoch(storage::LogWriter& writer, BackendCore& core,
                                               const storage::LogEnd& end, std::int64_t wall_ns,
                                               std::uint32_t pid);

// What is owed goes to the projection as if it had just become durable, in pieces of at most
// `rows_max` orders; `on_piece` is called for each.
void hand_over_owed(
    BackendCore& core, const storage::ReplayFold& fold, std::uint64_t rows_max,
    const std::function<void()>& on_piece = [] {});

// Items of a database that has never had a log become ItemPuts, as they stand there, durable on
// return. `stamp` holds epoch, wall_ns and pid; `on_item` is called for each item and each
// write. Errors: corrupt naming an item that is out of bounds or partly sold; those of the writer.
storage::Status import_items(storage::LogWriter& writer, BackendCore& core,
                             const std::vector<storage::ItemRow>& items,
                             const storage::BatchHead& stamp,
                             const std::function<void()>& on_item = {});

// Whether import_items would take all of them; changes nothing. Errors: its corrupt.
storage::Status check_items(const BackendLimits& limits, const std::vector<storage::ItemRow>& items,
                            const std::function<void()>& on_item = {});

// False: nothing but perhaps a lock or a spare lies in `dir`; no log was ever begun there.
storage::Result<bool> has_history(storage::Disk& disk, const std::string& dir);

}  // namespace stampede::actors
