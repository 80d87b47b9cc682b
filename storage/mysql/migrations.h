#pragma once

// The schema, step by step. The steps are the files storage/migrations/*.up.sql, by the number that
// begins their names, embedded into the program when it is built, with the *.down.sql that takes
// each back; `stampede migrate up` applies what is missing.

#include <functional>
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
  std::string_view sql;   // statements, each ended by a `;` at the end of a line
  std::string_view down;  // the same; empty: it cannot be taken back
};

// In order, versions 1, 2, 3 … without gaps.
std::span<const Migration> migrations();
int latest_schema_version();

// What is executed of such a text, without its comments.
std::vector<std::string> statements_of(std::string_view sql);

struct MigrationState {
  int version = 0;
  std::string name;
  std::string applied_at;  // UTC, empty when not applied yet
};

// Each opens a session of its own (one thread, blocking) as the url's user, who needs the right to
// create tables. Errors: unavailable, invalid (url, access), version (the database is newer);
// the two that change something: locked (schema_use.h), too.

// Applies what is missing, and creates the database itself when it does not exist. A step that was
// interrupted is done again from its beginning: its statements bear repetition; so are all of them
// when a table of the first step was dropped; the lanes then have no witness, so that the next
// start asks for the rows. So it is with columns that were dropped (schema_repair.h), of which
// `on_mended` hears. Two at once wait for each other. Returns the steps applied by this call.
// Durable on return.
Result<std::vector<MigrationState>> apply_migrations(
    const DbOptions& options,
    const std::function<void(const std::string&)>& on_mended = [](const std::string&) {});

struct TakenBack {
  std::vector<MigrationState> steps;  // newest first
  // "promo: 2 rows", …: what the older schema cannot keep. Not forced, nothing was changed then.
  std::vector<std::string> lost;
};

// Takes every step above `version` back, the newest first; invalid: one of them cannot be. What an
// interrupted call left is taken away, too. Durable on return.
Result<TakenBack> take_back_migrations(const DbOptions& options, int version, bool force);

// Every step this program knows, and whether the database has it.
Result<std::vector<MigrationState>> migration_states(const DbOptions& options);

}  // namespace stampede::storage
