#pragma once

// One connection to a database that understands SQL, and who makes such connections: a server
// through the MySQL client library (mysql_session.h), or another one that DbOptions::connector
// names.

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "storage/mysql/db_options.h"
#include "storage/result.h"

namespace stampede::storage {

// Of the server (SqlOutcome::errnum).
inline constexpr unsigned kErrnumNoSuchTable = 1146;
inline constexpr unsigned kErrnumNoSuchColumn = 1054;

// What a statement came to. `failed` with errnum 0 is an error of the client library itself.
struct SqlOutcome {
  bool failed = false;
  unsigned errnum = 0;
  std::string message;         // the server's words
  std::uint64_t affected = 0;  // an inserted row counts 1, a changed one 2 by upsert, else 1
};

// "words (number); what to do".
std::string with_advice(const SqlOutcome& outcome);

// One row of a result, valid during the callback. Columns count from 0.
class SqlRow {
 public:
  [[nodiscard]] virtual std::string text(unsigned column) const = 0;  // bytes as stored
  [[nodiscard]] virtual std::uint64_t u64(unsigned column) const = 0;
  [[nodiscard]] virtual std::int64_t i64(unsigned column) const = 0;
  // Whether the column holds a whole number that i64 (or u64) gives back as it is: no NULL, no
  // fraction, nothing larger.
  [[nodiscard]] virtual bool is_whole(unsigned) const { return true; }

 protected:
  ~SqlRow() = default;
};

// Thread-compatible: created, used and destroyed by one thread. Every call blocks, at most about
// read_timeout. One statement a call; no reconnecting behind our back (it would lose an open
// transaction).
class SqlSession {
 public:
  enum class Commit : std::uint8_t { each_statement, explicitly };
  enum class Schema : std::uint8_t { use, none };

  virtual ~SqlSession() = default;

  // The text of the next statement. Write it here: the memory is used again, and nothing is copied.
  virtual std::string& statement() = 0;

  virtual SqlOutcome execute() = 0;  // statement() without a result set
  // statement() with one, read to its end.
  virtual SqlOutcome query(const std::function<void(const SqlRow&)>& on_row) = 0;

  SqlOutcome execute(const std::string& sql) {
    statement() = sql;
    return execute();
  }
  SqlOutcome query(const std::string& sql, const std::function<void(const SqlRow&)>& on_row) {
    statement() = sql;
    return query(on_row);
  }

  // The longest statement that the server takes. It is not made longer than kStatementBytesMax
  // (sql_text.h) either.
  [[nodiscard]] virtual std::size_t statement_bytes_max() const { return SIZE_MAX; }

  // Where the session leads, for messages: "socket /x/s.sock, database stampede".
  [[nodiscard]] virtual const std::string& place() const = 0;
};

// What a failed statement is called: place, what was being done, the server's words, what to do.
Error failed(const SqlSession& session, const std::string& doing, const SqlOutcome& outcome);

class SqlConnector {
 public:
  // Errors: invalid, unavailable. Blocks, at most about connect_timeout.
  virtual Result<std::unique_ptr<SqlSession>> connect(const DbOptions& options,
                                                      SqlSession::Commit commit,
                                                      SqlSession::Schema schema) = 0;

 protected:
  ~SqlConnector() = default;
};

// By the connector of the options, without one by the MySQL client library; errors as there.
Result<std::unique_ptr<SqlSession>> connect_sql(
    const DbOptions& options, SqlSession::Commit commit,
    SqlSession::Schema schema = SqlSession::Schema::use);

}  // namespace stampede::storage
