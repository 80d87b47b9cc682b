#pragma once

// Whether log and database belong together, and taking the database over. Blocks on the database.

#include "actors/lane.h"
#include "storage/database.h"
#include "storage/result.h"

namespace stampede::actors {

// 0 when trying again may help, else the node's exit code.
int exit_code_of(storage::Errc code);

// The database's `meta` names this log or is empty, and its witness is not ahead of the log.
// Errors: corrupt (65) when they do not fit, unavailable, invalid, version.
storage::Status check_database(storage::Database& database, const ClaimStart& start);

// check_database, then `meta` is written if it is empty and all lanes are claimed for the epoch.
// A higher epoch in a lane row -> fenced (75).
storage::Status claim_database(const ClaimStart& start);

}  // namespace stampede::actors
