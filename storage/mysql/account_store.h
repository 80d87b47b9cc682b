#pragma once

// The table `account`: who may log in. Written here alone: no lane writes it and no log restores
// it; backups do. Statements name their columns and need no more than SELECT, INSERT and UPDATE.

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "storage/mysql/db_options.h"
#include "storage/mysql/sql_session.h"
#include "storage/result.h"

namespace stampede::storage {

struct AccountRow {
  std::string user;      // 1 to 64 bytes
  std::string phone{};   // empty: none
  std::string password;  // as it is hashed; empty: none fits
  std::string name{};
  bool locked = false;
};

// What became of a new row.
enum class AccountAdded { done, user_taken, phone_taken };

// One session of its own, made when it is first needed, and anew after an error or when it stood
// idle for so long that the server may have ended it. Thread-compatible: one thread. Every call
// blocks, at most for about the options' time-outs (twice, where a question is asked once more over
// a new session). Committed, so as durable as the server is, on return. Errors: unavailable (the
// database is away, or refuses the statement: as before the step that makes the table), invalid
// (url, access); the call may be repeated. An error of add() does not say that nothing was stored.
class AccountStore {
 public:
  explicit AccountStore(DbOptions options) : options_(std::move(options)) {}

  Result<std::optional<AccountRow>> find(std::string_view user);
  Result<std::optional<AccountRow>> find_by_phone(std::string_view phone);
  Result<AccountAdded> add(const AccountRow& row, std::int64_t created_at_us);
  // False: there is no such user.
  Result<bool> set_password(std::string_view user, std::string_view hash);
  Result<bool> set_locked(std::string_view user, bool locked);

 private:
  Result<std::optional<AccountRow>> select(const std::string& where);
  Result<std::optional<AccountRow>> select_once(const std::string& where);
  Result<bool> update(std::string_view user, const std::string& assignment);
  Status connect();
  Error drop(const std::string& doing, const SqlOutcome& outcome);

  DbOptions options_;
  std::unique_ptr<SqlSession> session_;
  std::int64_t used_us_ = 0;  // of a monotonic clock
};

}  // namespace stampede::storage
