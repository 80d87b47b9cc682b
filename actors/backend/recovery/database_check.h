#pragma once

// Whether log and database belong together, and taking the database over. Blocks on the database;
// neither CAF nor a clock inside, so the same code runs under a simulator.

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "actors/backend/core/backend_core.h"
#include "config/process/exit_codes.h"
#include "storage/mysql/database.h"
#include "storage/mysql/db_options.h"
#include "storage/replay/replay.h"
#include "storage/result.h"

namespace stampede::actors {

struct ClaimStart {
  storage::DbOptions database;
  std::uint64_t epoch = 0;
  LogUuid log_uuid{};
  Lsn last_lsn = 0;      // of the log at start: a database that is ahead of it means a lost log
  Lsn max_executed = 0;  // highest lsn the log calls executed: a database behind it was replaced
  std::map<std::uint32_t, Lsn> executed_by_lane;  // the same of each lane, from 0
  storage::LastStored last_stored;                // ReplayFold::last_stored
  storage::LaneOwner owner;                       // this start
  std::uint64_t log_epoch = 0;                    // the newest that the log held before this start
  // The starts that minted the log's epochs, as far as they were read (behind a snapshot).
  std::map<std::uint64_t, std::uint64_t> log_owners;
  bool served = false;  // what is wrong with the database may pass: it is waited for
  storage::Database::Progress progress{};  // may be empty; called in the thread that asks

  // What the lane, from 0, has stored last.
  [[nodiscard]] storage::LaneLast last_of(std::uint32_t lane) const;
};

// 0 when trying again may help, else the node's exit code.
int exit_code_of(storage::Errc code);

// For a log directory without history: a database that names a log means that this log was wiped.
// Errors: corrupt (65), unavailable.
storage::Status refuse_wiped_log(storage::Database& database, const std::string& log_dir);

// For a database that names no log, and a log that has written to none: orders that no log knows
// would be in the way of the new ones' numbers, and what their users bought would not count.
// Errors: corrupt (65), unavailable.
storage::Status refuse_foreign_orders(storage::Database& database);

// The database's `meta` names this log, or is empty, as are the orders then; its witnesses are
// neither ahead of the log nor behind what it calls executed, it has what each lane has stored
// last, and it is owned neither by a log directory of another place nor by a start that the log
// knows nothing of: those are another copy's. Errors: corrupt (65) when they do not fit, fenced
// (75), unavailable; not_found when it may be in the middle of a restore: only one of the tables
// `meta` and `lane` has rows, or a table ends before what was stored last. may_be_filling() of a
// corrupt: so may it be, but if the same is said again and again, which names how many rows there
// are, then it is not.
storage::Status check_database(storage::Database& database, const ClaimStart& start);
bool may_be_filling(const storage::Error& error);

// For a log with history: check_database, and the items that are still to be taken over, because
// no log has adopted the database yet and `core` does not know them (a first start was cut short).
// Errors: those of check_database, and why there is no `database`; once the log has served that is
// unavailable, whatever it is, for the database may be in the middle of a restore.
storage::Result<std::vector<storage::ItemRow>> fit_database(
    storage::Result<storage::Database>& database, const ClaimStart& start, const BackendCore& core);

// check_database, then `meta` is written if it is empty and all lanes are claimed for the epoch.
// Once the log has served, what may_be_filling() is not_found, unless `lost` says that it is not.
// A higher epoch in a lane row -> fenced (75). `now_us`: microseconds since 1970, for people.
storage::Status claim_database(
    const ClaimStart& start, std::int64_t now_us,
    const std::function<bool(const storage::Error&)>& lost = [](const auto&) { return false; });

}  // namespace stampede::actors
