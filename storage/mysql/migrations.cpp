#include "storage/mysql/migrations.h"

#include <map>
#include <memory>
#include <utility>

#include "config/process/wall_clock.h"
#include "storage/mysql/sql_session.h"
#include "storage/mysql/sql_text.h"

namespace stampede::storage {
namespace {

constexpr unsigned kErrnumUnknownDatabase = 1049;
constexpr const char* kLockName = "'stampede.migrate'";
constexpr int kLockWaitSeconds = 20;

constexpr const char* kVersionTable =
    "CREATE TABLE IF NOT EXISTS schema_version ("
    "version INT NOT NULL PRIMARY KEY, name VARCHAR(100) NOT NULL, applied_at DATETIME(6) NOT NULL"
    ") ENGINE=InnoDB DEFAULT CHARSET=utf8mb4";

Error not_migrated(const SqlSession& session, const std::string& doing, const SqlOutcome& outcome) {
  const bool refused = outcome.errnum == 1142 || outcome.errnum == 1044;
  return {refused ? Errc::invalid : Errc::unavailable,
          session.place() + ": " + doing + ": " + outcome.message + " (" +
              std::to_string(outcome.errnum) + ")" +
              (refused ? "; migrate needs a user who may create tables" : "")};
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

// Statements end with a `;` at the end of a line; lines that begin with -- are comments.
std::vector<std::string> statements_of(std::string_view sql) {
  std::vector<std::string> statements(1);
  while (!sql.empty()) {
    const auto end = sql.find('\n');
    const std::string_view line = sql.substr(0, end);
    sql.remove_prefix(end == std::string_view::npos ? sql.size() : end + 1);
    if (line.empty() || line.starts_with("--")) continue;
    if (line.ends_with(';')) {
      statements.back() += line.substr(0, line.size() - 1);
      statements.emplace_back();
    } else {
      statements.back() += line;
      statements.back() += '\n';
    }
  }
  statements.pop_back();  // what follows the last `;`: nothing
  return statements;
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

Result<MigrationState> apply_one(SqlSession& session, const Migration& migration) {
  const std::string doing =
      "migration " + std::to_string(migration.version) + " (" + std::string(migration.name) + ")";
  for (const auto& statement : statements_of(migration.sql)) {
    if (const auto outcome = session.execute(statement); outcome.failed) {
      return not_migrated(session, doing, outcome);
    }
  }
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

// Held by the session: gone with it, whatever happens.
Status take_lock(SqlSession& session) {
  std::int64_t taken = 0;
  const auto read = session.query("SELECT COALESCE(GET_LOCK(" + std::string(kLockName) + "," +
                                      std::to_string(kLockWaitSeconds) + "),0)",
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

}  // namespace

int latest_schema_version() {
  return migrations().back().version;
}

Result<std::vector<MigrationState>> apply_migrations(const DbOptions& options) {
  auto connected = connect_creating(options);
  if (!connected) return connected.error();
  SqlSession& session = **connected;
  if (auto locked = take_lock(session); !locked) return locked.error();
  auto applied = read_applied(session);
  if (!applied) return applied.error();
  std::vector<MigrationState> done;
  // Nothing to do needs no rights: also the nodes' user may ask.
  if (applied->size() == migrations().size()) return done;
  if (const auto made = session.execute(kVersionTable); made.failed) {
    return not_migrated(session, "creating schema_version", made);
  }
  for (const auto& migration : migrations()) {
    if (applied->contains(migration.version)) continue;
    auto state = apply_one(session, migration);
    if (!state) return state.error();
    done.push_back(*state);
  }
  return done;
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
