#pragma once

// Whether the schema may be changed now.

#include "storage/mysql/sql_session.h"
#include "storage/result.h"

namespace stampede::storage {

inline constexpr const char* kMigrationLock = "stampede.migrate";

// locked: the lanes have an owner and another session is open in this database, for as long as we
// look: a backend that runs keeps one for each lane. Other migrations do not count; they wait for
// the lock that this session holds. Without the right PROCESS a server shows the sessions of one's
// own user name alone. Blocks for about two seconds if it finds somebody, else for two round trips;
// the session's thread.
Status nobody_else_uses_schema(SqlSession& session);

}  // namespace stampede::storage
