#include "storage/mysql/mysql_session.h"

#include <cppconn/exception.h>
#include <cppconn/resultset.h>
#include <cppconn/statement.h>
#include <mysql_connection.h>
#include <mysql_driver.h>

#include <algorithm>
#include <map>
#include <mutex>
#include <utility>

#include "storage/mysql/durability.h"
#include "storage/mysql/sql_advice.h"

namespace stampede::storage {
namespace {

constexpr unsigned kErrnumUnknownVariable = 1193;

// What the protocol adds to a statement's text, and some more.
constexpr std::size_t kPacketBytesAround = 64;

// The driver is a singleton whose making is not thread-safe.
sql::Driver& driver() {
  static sql::Driver* const instance = get_driver_instance();
  return *instance;
}

// The client library wants to know each thread that uses it, until the thread's end.
void register_thread() {
  struct Registration {
    Registration() { driver().threadInit(); }
    ~Registration() { driver().threadEnd(); }
  };
  thread_local const Registration registration;
}

// Runs a call of the client library and turns what it throws into a value.
template <class Call>
SqlOutcome guarded(Call call) {
  SqlOutcome outcome;
  try {
    call(outcome);
  } catch (const sql::SQLException& error) {
    outcome.failed = true;
    outcome.errnum = error.getErrorCode() > 0 ? static_cast<unsigned>(error.getErrorCode()) : 0;
    outcome.message = error.what();
  } catch (const std::exception& error) {
    outcome.failed = true;
    outcome.message = error.what();
  }
  return outcome;
}

class ResultRow final : public SqlRow {
 public:
  explicit ResultRow(const sql::ResultSet& result) : result_(result) {}
  [[nodiscard]] std::string text(unsigned column) const override {
    return result_.getString(column + 1).asStdString();
  }
  [[nodiscard]] std::uint64_t u64(unsigned column) const override {
    return result_.getUInt64(column + 1);
  }
  [[nodiscard]] std::int64_t i64(unsigned column) const override {
    return result_.getInt64(column + 1);
  }
  [[nodiscard]] bool is_whole(unsigned column) const override {
    if (result_.isNull(column + 1)) return false;
    const auto value = text(column);
    return value == std::to_string(i64(column)) || value == std::to_string(u64(column));
  }

 private:
  const sql::ResultSet& result_;
};

sql::ConnectOptionsMap connect_options(const DbOptions& options, const DbAddress& address) {
  const auto text = [](const std::string& value) { return sql::SQLString(value); };
  const auto seconds = [](std::chrono::seconds value) { return static_cast<int>(value.count()); };
  sql::ConnectOptionsMap map;
  // Without unix:// or tcp:// the library guesses, and takes "localhost" for tcp.
  if (address.socket.empty()) {
    const bool v6 = address.host.find(':') != std::string::npos;
    map["hostName"] = text("tcp://" + (v6 ? "[" + address.host + "]" : address.host));
    map["port"] = int{address.port};
  } else {
    map["hostName"] = text("unix://" + address.socket);
  }
  map["userName"] = text(address.user);
  map["password"] = text(options.password);
  map["OPT_CONNECT_TIMEOUT"] = seconds(options.connect_timeout);
  map["OPT_READ_TIMEOUT"] = seconds(options.read_timeout);
  map["OPT_WRITE_TIMEOUT"] = seconds(options.write_timeout);
  map["OPT_CHARSET_NAME"] = text("utf8mb4");
  map["OPT_RECONNECT"] = false;
  map["OPT_LOCAL_INFILE"] = 0;
  return map;
}

// A server lets a session in and ends it at its first statement, the library's or ours, for
// instance when its init_connect is wrong; what it says of that (1184) is in its own log alone.
constexpr unsigned kErrnumSessionEnded = 1184;
constexpr unsigned kErrnumGone = 2006;  // who was not let in hears another number

// Who may not in, or finds no such database, will not by asking again.
Errc connect_errc(unsigned errnum) {
  const bool final = errnum == 1044 || errnum == 1045 || errnum == 1049 || errnum == 1698;
  return final ? Errc::invalid : Errc::unavailable;
}

Error connect_error(const SqlOutcome& outcome, const DbAddress& address) {
  const auto number = outcome.errnum;
  const std::string text = database_answered(number) ? "the database refuses a connection at "
                                                     : "cannot connect to the database at ";
  return {connect_errc(number),
          text + address.to_text() + " as user '" + address.user + "': " + with_advice(outcome),
          number};
}

}  // namespace

struct MysqlSession::Handles {
  std::string place;
  std::size_t packet_bytes_max = 0;
  sql::SQLString text;
  std::unique_ptr<sql::Connection> connection;
  std::unique_ptr<sql::Statement> statement;  // last: goes before its connection
};

MysqlSession::MysqlSession(std::unique_ptr<Handles> handles) : handles_(std::move(handles)) {}

MysqlSession::~MysqlSession() {
  // Closing a connection that the server has already left may throw.
  (void)guarded([this](SqlOutcome&) { handles_->statement.reset(); });
  (void)guarded([this](SqlOutcome&) { handles_->connection.reset(); });
}

Result<std::unique_ptr<MysqlSession>> MysqlSession::connect(const DbOptions& options, Commit commit,
                                                            Schema schema) {
  auto address = parse_db_url(options.url);
  if (!address) return address.error();
  auto handles = std::make_unique<Handles>();
  handles->place = address->to_text() + ", database " + address->database;
  SqlOutcome connected = guarded([&](SqlOutcome&) {
    register_thread();
    auto map = connect_options(options, *address);
    if (schema == Schema::use) map["schema"] = sql::SQLString(address->database);
    handles->connection.reset(driver().connect(map));
    handles->statement.reset(handles->connection->createStatement());
  });
  if (connected.errnum == kErrnumGone) connected.errnum = kErrnumSessionEnded;
  if (connected.failed) return connect_error(connected, *address);
  std::unique_ptr<MysqlSession> session(new MysqlSession(std::move(handles)));
  if (auto ready = session->prepare(options, commit); !ready) return ready.error();
  if (options.on_durability) options.on_durability(session->unsafe_settings());
  return session;
}

Status MysqlSession::prepare(const DbOptions& options, Commit commit) {
  const std::string settings[] = {
      "SET NAMES utf8mb4",
      "SET SESSION sql_mode='STRICT_ALL_TABLES,STRICT_TRANS_TABLES,ERROR_FOR_DIVISION_BY_ZERO,"
      "NO_ENGINE_SUBSTITUTION'",
      "SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED, READ WRITE",
      "SET SESSION time_zone='+00:00',wait_timeout=120,innodb_lock_wait_timeout=" +
          std::to_string(options.lock_wait_timeout.count()),
      "SET SESSION sql_select_limit=18446744073709551615,sql_safe_updates=0,unique_checks=1,"
      "foreign_key_checks=1",
      // COMMIT ends a transaction and neither the session nor begins the next; large SELECTs are
      // ours.
      "SET SESSION completion_type=0,sql_big_selects=1",
      // MariaDB's alone. A session whose client is gone, or stands still, holds its locks no
      // longer.
      "SET SESSION max_statement_time=0,check_constraint_checks=1,idle_transaction_timeout=30",
      commit == Commit::explicitly ? "SET autocommit=0" : "SET autocommit=1",
  };
  for (const auto& setting : settings) {
    auto outcome = execute(setting);
    if (!outcome.failed || outcome.errnum == kErrnumUnknownVariable) continue;
    if (&setting == settings && outcome.errnum == kErrnumGone) outcome.errnum = kErrnumSessionEnded;
    return failed(*this, setting, outcome);
  }
  return check_settings();
}

Status MysqlSession::check_settings() {
  std::string mode;
  std::string charsets[3];
  const auto read = query(
      "SELECT @@SESSION.sql_mode,@@SESSION.max_allowed_packet,@@SESSION.character_set_client,"
      "@@SESSION.character_set_connection,@@SESSION.character_set_results",
      [&](const SqlRow& row) {
        mode = row.text(0);
        handles_->packet_bytes_max = row.u64(1);
        for (unsigned i = 0; i < 3; ++i) charsets[i] = row.text(2 + i);
      });
  if (read.failed) return failed(*this, "reading the session's settings", read);
  if (mode.find("STRICT_ALL_TABLES") == std::string::npos) {
    return Error{Errc::invalid, place() + ": sql_mode is '" + mode +
                                    "' and cannot be made to include STRICT_ALL_TABLES; without "
                                    "it the server stores altered values"};
  }
  for (const auto& charset : charsets) {
    if (charset == "utf8mb4") continue;
    return Error{Errc::invalid, place() + ": the session's character set is '" + charset +
                                    "' and cannot be made utf8mb4; texts would be altered on "
                                    "their way"};
  }
  return Done{};
}

// What cannot be read is not told.
std::vector<std::string> MysqlSession::unsafe_settings() {
  std::map<std::string, std::string, std::less<>> values;
  (void)query(std::string(kDurabilityQuery),
              [&](const SqlRow& row) { values[row.text(0)] = row.text(1); });
  auto unsafe = storage::unsafe_settings([&](std::string_view name) {
    const auto found = values.find(name);
    return found == values.end() ? std::string{} : found->second;
  });
  (void)query(std::string(kEngineQuery), [&](const SqlRow& row) {
    unsafe.push_back(unsafe_engine(row.text(0), row.text(1)));
  });
  return unsafe;
}

std::string& MysqlSession::statement() {
  return *handles_->text.operator->();
}

SqlOutcome MysqlSession::execute() {
  return guarded([this](SqlOutcome& outcome) {
    outcome.affected =
        static_cast<std::uint64_t>(handles_->statement->executeUpdate(handles_->text));
  });
}

SqlOutcome MysqlSession::query(const std::function<void(const SqlRow&)>& on_row) {
  return guarded([&](SqlOutcome&) {
    // The result set is taken and read to its end: one left unread spoils the connection (2014).
    const std::unique_ptr<sql::ResultSet> result(handles_->statement->executeQuery(handles_->text));
    const ResultRow row(*result);
    while (result->next()) on_row(row);
  });
}

std::size_t MysqlSession::statement_bytes_max() const {
  return handles_->packet_bytes_max - std::min(handles_->packet_bytes_max, kPacketBytesAround);
}

const std::string& MysqlSession::place() const {
  return handles_->place;
}

std::string with_advice(const SqlOutcome& outcome) {
  std::string text = outcome.message + " (" + std::to_string(outcome.errnum) + ")";
  const auto advice = sql_advice(outcome.errnum);
  return advice.empty() ? text : text + "; " + std::string(advice);
}

Error failed(const SqlSession& session, const std::string& doing, const SqlOutcome& outcome) {
  return {Errc::unavailable, session.place() + ": " + doing + ": " + with_advice(outcome),
          outcome.errnum};
}

Result<std::unique_ptr<SqlSession>> connect_sql(const DbOptions& options, SqlSession::Commit commit,
                                                SqlSession::Schema schema) {
  if (options.connector != nullptr) return options.connector->connect(options, commit, schema);
  auto session = MysqlSession::connect(options, commit, schema);
  if (!session) return session.error();
  return std::unique_ptr<SqlSession>(std::move(*session));
}

}  // namespace stampede::storage
