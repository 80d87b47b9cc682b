#pragma once

// One connection to the database. Behind this header and its source file lies all of MySQL
// Connector/C++; its exceptions end here.

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "storage/mysql/db_options.h"
#include "storage/result.h"

namespace stampede::storage {

// Of the server (SqlOutcome::errnum).
inline constexpr unsigned kErrnumNoSuchTable = 1146;

// What a statement came to. `failed` with errnum 0 is an error of the client library itself.
struct SqlOutcome {
  bool failed = false;
  unsigned errnum = 0;
  std::string message;         // the server's words
  std::uint64_t affected = 0;  // an inserted row counts 1, a changed one 2 by upsert, else 1
};

// One row of a result, valid during the callback. Columns count from 0.
class SqlRow {
 public:
  [[nodiscard]] virtual std::string text(unsigned column) const = 0;  // bytes as stored
  [[nodiscard]] virtual std::uint64_t u64(unsigned column) const = 0;
  [[nodiscard]] virtual std::int64_t i64(unsigned column) const = 0;

 protected:
  ~SqlRow() = default;
};

// Thread-compatible: created, used and destroyed by one thread, which is registered with the client
// library by itself. Every call blocks, at most about read_timeout. Settings: utf8mb4, sql_mode
// STRICT_ALL_TABLES, READ COMMITTED, UTC, no LOCAL INFILE, no reconnecting behind our back (it
// would lose an open transaction), one statement a call.
class MysqlSession {
 public:
  enum class Commit : std::uint8_t { each_statement, explicitly };
  enum class Schema : std::uint8_t { use, none };

  // Errors: invalid (url, access denied, no such database, sql_mode without STRICT_ALL_TABLES),
  // unavailable (everything else). Messages name the socket or host and what to try.
  static Result<std::unique_ptr<MysqlSession>> connect(const DbOptions& options, Commit commit,
                                                       Schema schema = Schema::use);
  ~MysqlSession();
  MysqlSession(const MysqlSession&) = delete;
  MysqlSession& operator=(const MysqlSession&) = delete;

  // The text of the next statement. Write it here: the memory is used again, and nothing is copied.
  std::string& statement();

  SqlOutcome execute();  // statement() without a result set
  SqlOutcome execute(const std::string& sql);
  SqlOutcome query(const std::function<void(const SqlRow&)>& on_row);  // reads the whole result
  SqlOutcome query(const std::string& sql, const std::function<void(const SqlRow&)>& on_row);

  // Where the session leads, for messages: "socket /x/s.sock, database stampede".
  [[nodiscard]] const std::string& place() const;

 private:
  struct Handles;  // the client library's objects
  explicit MysqlSession(std::unique_ptr<Handles> handles);
  Status prepare(const DbOptions& options, Commit commit);

  std::unique_ptr<Handles> handles_;
};

}  // namespace stampede::storage
