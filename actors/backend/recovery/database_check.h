#pragma once

// Whether log and database belong together, and taking the database over. Blocks on the database;
// neither CAF nor a clock inside, so the same code runs under a simulator.

#include <cstdint>
#include <string>
#include <vector>

#include "actors/backend/core/backend_core.h"
#include "config/process/exit_codes.h"
#include "storage/mysql/database.h"
#include "storage/mysql/db_options.h"
#include "storage/result.h"

namespace stampede::actors {

struct ClaimStart {
  storage::DbOptions database;
  std::uint64_t epoch = 0;
  LogUuid log_uuid{};
  Lsn last_lsn = 0;      // of the log at start: a database that is ahead of it means a lost log
  Lsn max_executed = 0;  // highest lsn the log calls executed: a database behind it was replaced
};

// 0 when trying again may help, else the node's exit code.
int exit_code_of(storage::Errc code);

// For a log directory without history: a database that names a log means that this log was wiped.
// Errors: corrupt (65), unavailable.
storage::Status refuse_wiped_log(storage::Database& database, const std::string& log_dir);

// The database's `meta` names this log or is empty, and its witness is not ahead of the log.
// Errors: corrupt (65) when they do not fit, unavailable, invalid, version.
storage::Status check_database(storage::Database& database, const ClaimStart& start);

// For a log with history: check_database, and the items that are still to be taken over, because
// no log has adopted the database yet and `core` does not know them (a first start was cut short).
// Errors: those of check_database, and why there is no `database`.
storage::Result<std::vector<storage::ItemRow>> fit_database(
    storage::Result<storage::Database>& database, const ClaimStart& start, const BackendCore& core);

// check_database, then `meta` is written if it is empty and all lanes are claimed for the epoch.
// A higher epoch in a lane row -> fenced (75). `now_us`: microseconds since 1970, for people.
storage::Status claim_database(const ClaimStart& start, std::int64_t now_us);

}  // namespace stampede::actors
