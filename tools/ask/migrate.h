#pragma once

// `stampede migrate up|down|status`. Results on stdout, everything else on stderr. Block; one
// thread. Return the process's exit code: 0 done, 1 failure, 2 wrong configuration, 3 (status)
// steps are missing, 6 refused (somebody uses the database, or rows would be lost), 7 could not
// connect.

#include "storage/mysql/db_options.h"

namespace stampede::tools {

int migrate_up(const storage::DbOptions& options, bool json);
// Takes back what is above `version`; not `force`: only when no row or state of a row is lost.
int migrate_down(const storage::DbOptions& options, int version, bool force, bool json);
int migrate_status(const storage::DbOptions& options, bool json);

}  // namespace stampede::tools
