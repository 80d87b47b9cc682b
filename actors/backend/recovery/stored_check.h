#pragma once

// Whether a database has the rows that the log calls stored last, of each lane and kind. Blocks on
// the database; one thread.

#include "storage/mysql/database.h"
#include "storage/replay/replay.h"

namespace stampede::actors {

// Half of it is there, the rest may be on its way: not_found.
storage::Error half_a_database(const std::string& what);

// All of one moment. Errors: corrupt, the worst of what is wrong, which may_be_filling() unless it
// cannot; not_found when the table is empty or ends before the row; unavailable.
storage::Status check_last_stored(storage::Database& database, const storage::LastStored& last);

}  // namespace stampede::actors
