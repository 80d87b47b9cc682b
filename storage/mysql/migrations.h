#pragma once

// The schema, step by step. The steps are the files storage/migrations/*.up.sql, by the number that
// begins their names, embedded into the program when it is built; `stampede migrate up` applies
// what is missing.

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "storage/mysql/db_options.h"
#include "storage/result.h"

namespace stampede::storage {

struct Migration {
  int version = 0;
  std::string_view name;
  std::string_view sql;  // statements, each ended by a `;` at the end of a line
};

// In order, versions 1, 2, 3 … without gaps.
std::span<const Migration> migrations();
int latest_schema_version();

struct MigrationState {
  int version = 0;
  std::string name;
  std::string applied_at;  // UTC, empty when not applied yet
};

// Both open a session of their own (one thread, blocking) as the url's user, who needs the right to
// create tables. Errors: unavailable, invalid (url, access), version (the database is newer).

// Applies what is missing, and creates the database itself when it does not exist. A step that was
// interrupted is done again from its beginning: its statements bear repetition. Two at once wait
// for each other. Returns the steps applied by this call. Durable on return.
Result<std::vector<MigrationState>> apply_migrations(const DbOptions& options);

// Every step this program knows, and whether the database has it.
Result<std::vector<MigrationState>> migration_states(const DbOptions& options);

}  // namespace stampede::storage
