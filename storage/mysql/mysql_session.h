#pragma once

// An SqlSession of a MySQL or MariaDB server. Behind this header and its source file lies all of
// MySQL Connector/C++; its exceptions end here.

#include "storage/mysql/sql_session.h"

namespace stampede::storage {

// The thread that uses it is registered with the client library by itself. Settings: utf8mb4,
// sql_mode STRICT_ALL_TABLES, READ COMMITTED, UTC, no LOCAL INFILE, no reconnecting. They are made
// behind the connect, so neither the server's defaults nor its init_connect change them, and read
// back where a wrong one would alter values. Those of the server that let a committed row be lost
// are told to options.on_durability.
class MysqlSession final : public SqlSession {
 public:
  // Errors: invalid (url, access denied, no such database, sql_mode without STRICT_ALL_TABLES, a
  // character set other than utf8mb4),
  // unavailable (everything else). Messages name the socket or host and what to try.
  static Result<std::unique_ptr<MysqlSession>> connect(const DbOptions& options, Commit commit,
                                                       Schema schema = Schema::use);
  ~MysqlSession() override;
  MysqlSession(const MysqlSession&) = delete;
  MysqlSession& operator=(const MysqlSession&) = delete;

  using SqlSession::execute;
  using SqlSession::query;
  std::string& statement() override;
  SqlOutcome execute() override;
  SqlOutcome query(const std::function<void(const SqlRow&)>& on_row) override;
  [[nodiscard]] std::size_t statement_bytes_max() const override;
  [[nodiscard]] const std::string& place() const override;

 private:
  struct Handles;  // the client library's objects
  explicit MysqlSession(std::unique_ptr<Handles> handles);
  Status prepare(const DbOptions& options, Commit commit);
  Status check_settings();
  std::vector<std::string> unsafe_settings();

  std::unique_ptr<Handles> handles_;
};

}  // namespace stampede::storage
