#include "storage/mysql/migrations.h"

#include <map>
#include <memory>
#include <set>
#include <utility>

#include "config/process/wall_clock.h"
#include "storage/mysql/schema_repair.h"
#include "storage/mysql/schema_use.h"
#include "storage/mysql/sql_session.h"
#include "storage/mysql/sql_text.h"

namespace stampede::storage {
namespace {

constexpr unsigned kErrnumUnknownDatabase = 1049;
constexpr int kLockWaitSeconds = 20;
constexpr std::string_view kMakesTable = "CREATE TABLE IF NOT EXISTS ";
constexpr std::string_view kMakesView = "CREATE SQL SECURITY INVOKER VIEW ";
constexpr std::string_view kOfNoLane = "account";  // no log has its rows

constexpr const char* kVersionTable =
    "CREATE TABLE IF NOT EXISTS schema_version ("
    "version INT NOT NULL PRIMARY KEY, name VARCHAR(100) NOT NULL, applied_at DATETIME(6) NOT NULL"
    ") ENGINE=InnoDB DEFAULT CHARSET=utf8mb4";

Error not_migrated(const SqlSession& session, const std::string& doing, const SqlOutcome& outcome) {
  const bool refused = outcome.errnum == 1142 || outcome.errnum == 1044;
  return {refused ? Errc::invalid : Errc::unavailable,
          session.place() + ": " + doing + ": " + outcome.message + " (" +
              std::to_string(outcome.errnum) + ")" +
              (refused ? "; migrate needs a user who may create tables and views, alter and drop "
                         "them"
                       : "")};
}

std::string quoted_identifier(const std::string& name) {
  std::string out = "`";
  for (const char c : name) out += c == '`' ? std::string("``") : std::string(1, c);
  return out + '`';
}

// The database of the url, when the server runs but has none of that name.
Status create_database(const DbOptions& options) {
  auto address = parse_db_url(options.url);
  if (!address) return address.error();
  auto session = connect_sql(options, SqlSession::Commit::each_statement, SqlSession::Schema::none);
  if (!session) return session.error();
  const auto made =
      (*session)->execute("CREATE DATABASE IF NOT EXISTS " + quoted_identifier(address->database) +
                          " DEFAULT CHARACTER SET utf8mb4");
  if (made.failed) return not_migrated(**session, "creating the database", made);
  return Done{};
}

using Applied = std::map<int, std::string>;  // version -> applied_at

Result<Applied> read_applied(SqlSession& session) {
  Applied applied;
  const auto read = session.query(
      "SELECT version,applied_at FROM schema_version",
      [&](const SqlRow& row) { applied[static_cast<int>(row.i64(0))] = row.text(1); });
  if (read.failed && read.errnum != kErrnumNoSuchTable) {
    return not_migrated(session, "reading schema_version", read);
  }
  if (!applied.empty() && applied.rbegin()->first > latest_schema_version()) {
    return Error{Errc::version,
                 session.place() + ": the schema is at version " +
                     std::to_string(applied.rbegin()->first) + ", this program knows " +
                     std::to_string(latest_schema_version()) + "; use the newer program"};
  }
  return applied;
}

std::string name_of(const Migration& migration) {
  return "migration " + std::to_string(migration.version) + " (" + std::string(migration.name) +
         ")";
}

Status run_all(SqlSession& session, std::string_view sql, const std::string& doing) {
  for (const auto& statement : statements_of(sql)) {
    if (const auto outcome = session.execute(statement); outcome.failed) {
      return not_migrated(session, doing, outcome);
    }
  }
  return Done{};
}

Result<MigrationState> apply_one(SqlSession& session, const Migration& migration) {
  const std::string doing = name_of(migration);
  if (auto done = run_all(session, migration.sql, doing); !done) return done.error();
  std::string applied_at;
  append_datetime(applied_at, config::wall_us());
  std::string sql = "INSERT INTO schema_version(version,name,applied_at) VALUES(" +
                    std::to_string(migration.version) + ",";
  append_text_literal(sql, migration.name);
  sql += ",'" + applied_at + "')";
  if (const auto outcome = session.execute(sql); outcome.failed) {
    return not_migrated(session, doing, outcome);
  }
  return MigrationState{migration.version, std::string(migration.name), applied_at};
}

// What a step makes with this statement.
std::vector<std::string> names_behind(std::string_view sql, std::string_view statement) {
  std::vector<std::string> names;
  for (auto at = sql.find(statement); at != sql.npos; at = sql.find(statement, at)) {
    at += statement.size();
    names.emplace_back(sql.substr(at, sql.find(' ', at) - at));
  }
  return names;
}

// By name: a view that is read is computed, with all the rows below it.
Result<std::set<std::string>> tables_there(SqlSession& session) {
  std::set<std::string> names;
  const auto read = session.query(
      "SELECT table_name FROM information_schema.tables WHERE table_schema=DATABASE()",
      [&](const SqlRow& row) { names.insert(row.text(0)); });
  if (read.failed) return not_migrated(session, "reading the tables' names", read);
  return names;
}

// What somebody dropped, though the version says that it is there.
struct Dropped {
  bool rows = false;  // that the lanes wrote
  bool other = false;
  [[nodiscard]] bool any() const { return rows || other; }
};
Result<Dropped> dropped(SqlSession& session, const Applied& applied) {
  const auto there = tables_there(session);
  if (!there) return there.error();
  Dropped dropped;
  for (const auto& migration : migrations()) {
    if (!applied.contains(migration.version)) continue;
    for (const auto statement : {kMakesTable, kMakesView})
      for (const auto& name : names_behind(migration.sql, statement)) {
        const bool of_lanes = statement == kMakesTable && name != kOfNoLane;
        if (!there->contains(name)) (of_lanes ? dropped.rows : dropped.other) = true;
      }
  }
  return dropped;
}

// Rows went with the table, or a part of each with a column, and the lanes claim to have written
// them: without their witness the next start says how they are written again. Before anything is
// made anew: who is interrupted must not leave empty columns that look whole.
Status forget_witnesses(SqlSession& session) {
  const auto forgotten = session.execute("UPDATE lane SET applied_lsn=0");
  const bool none =
      forgotten.errnum == kErrnumNoSuchTable || forgotten.errnum == kErrnumNoSuchColumn;
  if (forgotten.failed && !none)
    return not_migrated(session, "forgetting the lanes' witnesses", forgotten);
  return Done{};
}

Result<bool> have_witness(SqlSession& session) {
  bool have = false;
  const auto read = session.query("SELECT 1 FROM lane WHERE applied_lsn>0 LIMIT 1",
                                  [&](const SqlRow&) { have = true; });
  if (read.failed) return not_migrated(session, "reading the lanes' witnesses", read);
  return have;
}

std::vector<SchemaColumn> columns_of(const Applied& applied) {
  auto columns = columns_made_by(kVersionTable);
  for (const auto& migration : migrations()) {
    if (!applied.contains(migration.version)) continue;
    for (auto& column : columns_made_by(migration.sql)) columns.push_back(std::move(column));
  }
  return columns;
}

Status mend_columns(SqlSession& session, const std::vector<SchemaColumn>& all,
                    const std::vector<SchemaColumn>& lost, const OnMended& on_mended) {
  if (lost.empty()) return Done{};
  if (auto unused = nobody_else_uses_schema(session); !unused) return unused;
  if (were_of_lanes(lost)) {
    if (auto forgotten = forget_witnesses(session); !forgotten) return forgotten;
  }
  return make_anew(session, all, lost, on_mended);
}

// Without it nobody knows which of the others should be there.
Status mend_version_table(SqlSession& session, const OnMended& on_mended) {
  const auto all = columns_made_by(kVersionTable);
  const auto lost = lost_columns(session, all);
  if (!lost) return lost.error();
  return mend_columns(session, all, *lost, on_mended);
}

// What `log replay --all` has filled since is as it was before. Under a backend that runs nothing
// is changed: the next start does it.
Status finish_mended(SqlSession& session, const std::vector<SchemaColumn>& all,
                     const OnMended& on_mended) {
  const auto unfilled = unfilled_columns(session);
  if (!unfilled) return unfilled.error();
  if (unfilled->empty()) return Done{};
  const auto written = have_witness(session);
  if (!written) return written.error();
  if (!*written || !nobody_else_uses_schema(session)) return Done{};
  return finish_filled(session, all, *unfilled, on_mended);
}

// Held by the session: gone with it, whatever happens.
Status take_lock(SqlSession& session) {
  std::int64_t taken = 0;
  const auto read = session.query("SELECT COALESCE(GET_LOCK('" + std::string(kMigrationLock) +
                                      "'," + std::to_string(kLockWaitSeconds) + "),0)",
                                  [&](const SqlRow& row) { taken = row.i64(0); });
  if (read.failed) return not_migrated(session, "taking the migration lock", read);
  if (taken != 1) {
    return Error{Errc::unavailable, session.place() +
                                        ": another migration has been running for more than " +
                                        std::to_string(kLockWaitSeconds) + " s; try again"};
  }
  return Done{};
}

Result<std::unique_ptr<SqlSession>> connect_creating(const DbOptions& options) {
  auto session = connect_sql(options, SqlSession::Commit::each_statement);
  const std::string unknown = "(" + std::to_string(kErrnumUnknownDatabase) + ")";
  if (session || session.error().message.find(unknown) == std::string::npos) return session;
  if (auto made = create_database(options); !made) return made.error();
  return connect_sql(options, SqlSession::Commit::each_statement);
}

// fn(line) for each, without its end.
template <class Fn>
void each_line(std::string_view text, Fn fn) {
  while (!text.empty()) {
    const auto end = text.find('\n');
    fn(text.substr(0, end));
    text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
  }
}

// The queries of a *.down.sql that count what is lost by it.
std::vector<std::string> lost_queries(std::string_view sql) {
  constexpr std::string_view kFirstLine = "-- lost: ";
  constexpr std::string_view kNextLine = "--   ";
  std::vector<std::string> queries;
  each_line(sql, [&](std::string_view line) {
    if (line.starts_with(kFirstLine))
      queries.emplace_back(line.substr(kFirstLine.size()));
    else if (!queries.empty() && line.starts_with(kNextLine))
      (queries.back() += ' ') += line.substr(kNextLine.size());
  });
  return queries;
}

// A table or column that is not there holds nothing.
Status count_lost(SqlSession& session, const Migration& migration, std::vector<std::string>& lost) {
  for (const auto& query : lost_queries(migration.down)) {
    const auto read = session.query(query, [&](const SqlRow& row) {
      if (row.u64(0) == 0) return;
      lost.push_back(row.text(1) + ": " + row.text(0) + (row.u64(0) == 1 ? " row" : " rows"));
    });
    if (read.failed && read.errnum != kErrnumNoSuchTable && read.errnum != kErrnumNoSuchColumn)
      return not_migrated(session, "counting what " + name_of(migration) + " holds", read);
  }
  return Done{};
}

std::vector<Migration> newest_first_above(int version) {
  std::vector<Migration> above;
  for (const auto& migration : migrations())
    if (migration.version > version) above.insert(above.begin(), migration);
  return above;
}

// The session that changes the schema, alone.
struct Exclusive {
  std::unique_ptr<SqlSession> session;
  Applied applied;
};
// `mend`: called before the versions are read.
template <class Mend>
Result<Exclusive> lock_schema(Result<std::unique_ptr<SqlSession>> connected, Mend mend) {
  if (!connected) return connected.error();
  if (auto locked = take_lock(**connected); !locked) return locked.error();
  // Below the read timeout: a table that somebody holds is told, and not changed behind our back.
  const std::string wait = "SET SESSION lock_wait_timeout=" + std::to_string(kLockWaitSeconds);
  if (const auto set = (*connected)->execute(wait); set.failed)
    return not_migrated(**connected, wait, set);
  if (Status mended = mend(**connected); !mended) return mended.error();
  auto applied = read_applied(**connected);
  if (!applied) return applied.error();
  return Exclusive{std::move(*connected), std::move(*applied)};
}

// Those that are missing; all of them when something that they make is.
Result<std::vector<MigrationState>> apply_steps(SqlSession& session, const Applied& applied) {
  std::vector<MigrationState> done;
  const auto lacks = dropped(session, applied);
  if (!lacks) return lacks.error();
  // Nothing to do needs no rights: also the nodes' user may ask.
  if (applied.size() == migrations().size() && !lacks->any()) return done;
  if (auto unused = nobody_else_uses_schema(session); !unused) return unused.error();
  if (const auto made = session.execute(kVersionTable); made.failed) {
    return not_migrated(session, "creating schema_version", made);
  }
  if (lacks->rows) {
    if (auto forgotten = forget_witnesses(session); !forgotten) return forgotten.error();
  }
  for (const auto& migration : migrations()) {
    if (const auto known = applied.find(migration.version); known != applied.end()) {
      if (!lacks->any()) continue;
      if (auto again = run_all(session, migration.sql, name_of(migration)); !again)
        return again.error();
      done.push_back({migration.version, std::string(migration.name), known->second});
      continue;
    }
    auto state = apply_one(session, migration);
    if (!state) return state.error();
    done.push_back(*state);
  }
  return done;
}

}  // namespace

int latest_schema_version() {
  return migrations().back().version;
}

// Statements end with a `;` at the end of a line; lines that begin with -- are comments.
std::vector<std::string> statements_of(std::string_view sql) {
  std::vector<std::string> statements(1);
  each_line(sql, [&](std::string_view line) {
    if (line.empty() || line.starts_with("--")) return;
    if (line.ends_with(';')) {
      statements.back() += line.substr(0, line.size() - 1);
      statements.emplace_back();
    } else {
      statements.back() += line;
      statements.back() += '\n';
    }
  });
  statements.pop_back();  // what follows the last `;`: nothing
  return statements;
}

Result<std::vector<MigrationState>> apply_migrations(const DbOptions& options,
                                                     const OnMended& on_mended) {
  auto alone = lock_schema(connect_creating(options), [&](SqlSession& session) {
    return mend_version_table(session, on_mended);
  });
  if (!alone) return alone.error();
  SqlSession& session = *alone->session;
  const auto columns = columns_of(alone->applied);
  const auto lost = lost_columns(session, columns);
  if (!lost) return lost.error();
  if (auto mended = mend_columns(session, columns, *lost, on_mended); !mended)
    return mended.error();
  auto done = apply_steps(session, alone->applied);
  if (!done) return done;
  if (auto finished = finish_mended(session, columns, on_mended); !finished)
    return finished.error();
  return done;
}

Result<TakenBack> take_back_migrations(const DbOptions& options, int version, bool force) {
  const auto above = newest_first_above(version);
  for (const auto& migration : above) {
    if (migration.down.empty())
      return Error{Errc::invalid, name_of(migration) + " cannot be taken back"};
  }
  auto alone = lock_schema(connect_sql(options, SqlSession::Commit::each_statement),
                           [](SqlSession&) { return Status(Done{}); });
  if (!alone) return alone.error();
  SqlSession& session = *alone->session;
  TakenBack taken;
  if (alone->applied.empty()) return taken;
  if (auto unused = nobody_else_uses_schema(session); !unused) return unused.error();
  for (const auto& migration : above) {
    if (auto counted = count_lost(session, migration, taken.lost); !counted) return counted.error();
  }
  if (!taken.lost.empty() && !force) return taken;
  for (const auto& migration : above) {
    if (auto done = run_all(session, migration.down, "taking back " + name_of(migration)); !done)
      return done.error();
    const auto known = alone->applied.find(migration.version);
    if (known != alone->applied.end())
      taken.steps.push_back({migration.version, std::string(migration.name), known->second});
  }
  return taken;
}

Result<std::vector<MigrationState>> migration_states(const DbOptions& options) {
  auto session = connect_sql(options, SqlSession::Commit::each_statement);
  if (!session) return session.error();
  auto applied = read_applied(**session);
  if (!applied) return applied.error();
  std::vector<MigrationState> states;
  for (const auto& migration : migrations()) {
    states.push_back({migration.version, std::string(migration.name), {}});
    const auto found = applied->find(migration.version);
    if (found != applied->end()) states.back().applied_at = found->second;
  }
  return states;
}

}  // namespace stampede::storage
