#include "tools/ask/user.h"

#include <unistd.h>

#include <cstdio>
#include <iostream>
#include <nlohmann/json.hpp>
#include <optional>

#include "actors/auth/core/account_rules.h"
#include "actors/auth/password/password_hash.h"
#include "config/process/exit_codes.h"
#include "config/process/wall_clock.h"
#include "storage/mysql/account_store.h"
#include "tools/ask/admin_client.h"
#include "tools/ask/failure_report.h"

namespace stampede::tools {
namespace {

int fail(const std::string& message, int code, bool as_json) {
  if (as_json) std::printf("%s\n", failure_line(code, message).c_str());
  std::fprintf(stderr, "stampede user: %s\n", message.c_str());
  return code;
}

int fail(const storage::Error& error, bool as_json) {
  return fail(error.message,
              error.code == storage::Errc::invalid ? kExitWrongUse : kExitNoConnection, as_json);
}

int tell(const char* done, const std::string& user, bool as_json) {
  if (as_json)
    std::printf("%s\n", nlohmann::json{{"user", user}, {"done", done}}.dump().c_str());
  else
    std::printf("%s  user %s\n", done, user.c_str());
  return kExitDone;
}

int no_such_user(const std::string& user, bool as_json) {
  return fail("there is no user " + user, kExitRefused, as_json);
}

// Nothing: it was not said, or not the same twice. The C library restores the terminal.
std::optional<std::string> ask_for_password() {
  std::string line;
  if (::isatty(STDIN_FILENO) == 0) {
    if (!std::getline(std::cin, line)) return std::nullopt;
    return line;
  }
  const char* first = ::getpass("Password: ");
  if (first == nullptr) return std::nullopt;
  line = first;
  const char* again = ::getpass("The same again: ");
  if (again == nullptr || line != again) return std::nullopt;
  return line;
}

// Its hash, or the exit code of a failure that was told.
struct PasswordAsked {
  std::string hash;
  int exit = kExitDone;
};

PasswordAsked new_hash(const UserChange& change, bool as_json) {
  const auto password = ask_for_password();
  if (!password)
    return {{}, fail("no password: give it on stdin, or twice the same", kExitWrongUse, as_json)};
  const actors::NewAccount account{change.user, *password, change.name, change.phone};
  if (const auto fault = actors::account_fault(account))
    return {
        {},
        fail(std::string(fault->field) + ": " + std::string(fault->text), kExitWrongUse, as_json)};
  auto hash = actors::hash_password(*password);
  if (!hash) return {{}, fail("no memory for the password's hash", kExitFailure, as_json)};
  return {std::move(*hash), kExitDone};
}

}  // namespace

int run_user_add(const ToolOptions& options, const storage::DbOptions& database,
                 const UserChange& change) {
  const bool as_json = options.json;
  auto asked = new_hash(change, as_json);
  if (asked.exit != kExitDone) return asked.exit;
  storage::AccountStore store(database);
  const auto added =
      store.add({change.user, change.phone, std::move(asked.hash), change.name}, config::wall_us());
  if (!added) return fail(added.error(), as_json);
  if (*added == storage::AccountAdded::user_taken)
    return fail("there is a user " + change.user + " already", kExitRefused, as_json);
  if (*added == storage::AccountAdded::phone_taken)
    return fail("another user has the phone " + change.phone, kExitRefused, as_json);
  return tell("added", change.user, as_json);
}

int run_user_password(const ToolOptions& options, const storage::DbOptions& database,
                      const UserChange& change) {
  const bool as_json = options.json;
  auto asked = new_hash(change, as_json);
  if (asked.exit != kExitDone) return asked.exit;
  storage::AccountStore store(database);
  const auto known = store.set_password(change.user, asked.hash);
  if (!known) return fail(known.error(), as_json);
  return *known ? tell("changed", change.user, as_json) : no_such_user(change.user, as_json);
}

namespace {

int set_locked(const storage::DbOptions& database, const std::string& user, bool locked,
               bool as_json) {
  storage::AccountStore store(database);
  const auto known = store.set_locked(user, locked);
  if (!known) return fail(known.error(), as_json);
  return *known ? kExitDone : no_such_user(user, as_json);
}

}  // namespace

// The lock is stored before the sessions end: none is opened behind that. The moment is of the
// clock that sessions are opened by, and the same whenever the question arrives.
int run_user_lock(const ToolOptions& options, const storage::DbOptions& database,
                  const UserChange& change) {
  if (const int exit = set_locked(database, change.user, true, options.json); exit != kExitDone)
    return exit;
  if (!options.config.auth.accounts()) return tell("locked", change.user, options.json);
  const auto answer = ask_admin_for_operator(
      options.config,
      {{"do", "sessions_end"}, {"user", change.user}, {"at_ms", config::wall_ms()}});
  if (const auto* failure = std::get_if<AdminFailure>(&answer))
    return fail("user " + change.user + " is locked, but sessions that are open may go on: " +
                    failure->message + "; then lock it once more",
                failure->exit, options.json);
  return tell("locked", change.user, options.json);
}

int run_user_unlock(const ToolOptions& options, const storage::DbOptions& database,
                    const UserChange& change) {
  const int exit = set_locked(database, change.user, false, options.json);
  return exit == kExitDone ? tell("unlocked", change.user, options.json) : exit;
}

}  // namespace stampede::tools
