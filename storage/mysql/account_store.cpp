#include "storage/mysql/account_store.h"

#include <chrono>

#include "storage/mysql/mysql_session.h"
#include "storage/mysql/sql_text.h"

namespace stampede::storage {
namespace {

constexpr unsigned kErrnumTaken = 1062;
// A server ends a session that says nothing for 120 s (mysql_session.cpp).
constexpr std::int64_t kIdleUs = 60'000'000;

std::int64_t steady_us() {
  const auto now = std::chrono::steady_clock::now().time_since_epoch();
  return std::chrono::duration_cast<std::chrono::microseconds>(now).count();
}

std::string equals(std::string_view column, std::string_view bytes) {
  std::string text(column);
  text += '=';
  append_literal(text, bytes);
  return text;
}

std::string insert_of(const AccountRow& row, std::int64_t created_at_us) {
  std::string text = "INSERT INTO account(user_id,phone,password,name,created_at,locked) VALUES(";
  append_literal(text, row.user);
  for (const auto& value : {row.phone, row.password}) {
    text += ',';
    value.empty() ? void(text += "NULL") : append_literal(text, value);
  }
  text += ',';
  append_text_literal(text, row.name);
  text += ",'";
  append_datetime(text, created_at_us);
  return text + (row.locked ? "',1)" : "',0)");
}

}  // namespace

Status AccountStore::connect() {
  const auto now_us = steady_us();
  if (session_ && now_us - used_us_ > kIdleUs) session_.reset();
  used_us_ = now_us;
  if (session_) return Done{};
  auto made = connect_sql(options_, SqlSession::Commit::each_statement, SqlSession::Schema::use);
  if (!made) return made.error();
  session_ = std::move(*made);
  return Done{};
}

// What a statement left behind is not known: the next one gets a new session.
Error AccountStore::drop(const std::string& doing, const SqlOutcome& outcome) {
  auto error = failed(*session_, doing, outcome);
  session_.reset();
  return error;
}

Result<std::optional<AccountRow>> AccountStore::select_once(const std::string& where) {
  if (auto ready = connect(); !ready) return ready.error();
  std::optional<AccountRow> found;
  const auto outcome = session_->query(
      "SELECT user_id,IFNULL(phone,''),IFNULL(password,''),name,locked FROM account WHERE " + where,
      [&](const SqlRow& row) {
        found = AccountRow{row.text(0), row.text(1), row.text(2), row.text(3), row.i64(4) != 0};
      });
  if (outcome.failed) return drop("looking for an account", outcome);
  return found;
}

// A session from before may have ended unseen, with its server.
Result<std::optional<AccountRow>> AccountStore::select(const std::string& where) {
  const bool old = session_ != nullptr;
  auto found = select_once(where);
  return found || !old ? std::move(found) : select_once(where);
}

Result<std::optional<AccountRow>> AccountStore::find(std::string_view user) {
  return select(equals("user_id", user));
}

Result<std::optional<AccountRow>> AccountStore::find_by_phone(std::string_view phone) {
  return select(equals("phone", phone));
}

Result<AccountAdded> AccountStore::add(const AccountRow& row, std::int64_t created_at_us) {
  if (auto ready = connect(); !ready) return ready.error();
  const auto outcome = session_->execute(insert_of(row, created_at_us));
  if (!outcome.failed) return AccountAdded::done;
  if (outcome.errnum != kErrnumTaken) return drop("storing an account", outcome);
  const auto same = find(row.user);
  if (!same) return same.error();
  return *same ? AccountAdded::user_taken : AccountAdded::phone_taken;
}

Result<bool> AccountStore::update(std::string_view user, const std::string& assignment) {
  const auto known = find(user);
  if (!known) return known.error();
  if (!*known) return false;
  if (auto ready = connect(); !ready) return ready.error();
  const auto outcome =
      session_->execute("UPDATE account SET " + assignment + " WHERE " + equals("user_id", user));
  if (outcome.failed) return drop("changing an account", outcome);
  return true;
}

Result<bool> AccountStore::set_password(std::string_view user, std::string_view hash) {
  return update(user, equals("password", hash));
}

Result<bool> AccountStore::set_locked(std::string_view user, bool locked) {
  return update(user, locked ? "locked=1" : "locked=0");
}

}  // namespace stampede::storage
