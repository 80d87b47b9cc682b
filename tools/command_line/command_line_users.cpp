// The subcommands about built-in accounts.

#include <string>

#include "actors/auth/core/account_rules.h"
#include "tools/ask/user.h"
#include "tools/command_line/command_line_arguments.h"

namespace stampede::tools {
namespace {

std::string check_phone(const std::string& text) {
  if (actors::valid_phone(text)) return {};
  return text + " is no phone: give 3 to 32 digits, after a + or none";
}

std::string check_name(const std::string& text) {
  if (actors::valid_text(text, actors::kAccountNameBytesMax)) return {};
  return "a name is 1 to 500 bytes of UTF-8 without control characters";
}

}  // namespace

CLI::App* CommandLine::add_user_change(CLI::App& user, const char* name, const char* about,
                                       Command& chosen, UserRun run) {
  auto* command = user.add_subcommand(name, about);
  command->add_option("USER", arguments_->user.user, "Who logs in")->required()->check(check_user);
  on_chosen(command, chosen, [this, run](const ToolOptions& options) {
    return with_database(options, [&](const storage::DbOptions& database, bool) {
      return run(options, database, arguments_->user);
    });
  });
  return command;
}

void CommandLine::add_users(CLI::App& app, Command& chosen) {
  auto* user = app.add_subcommand("user", "Built-in accounts (auth.mode, config/README.md)");
  user->require_subcommand(1);
  auto* add = add_user_change(*user, "add", "Add an account; the password comes on stdin", chosen,
                              run_user_add);
  add->add_option("--name", arguments_->user.name, "Name of the person")->check(check_name);
  add->add_option("--phone", arguments_->user.phone, "Number to log in with, too")
      ->check(check_phone);
  add_user_change(*user, "password", "Change a password; it comes on stdin", chosen,
                  run_user_password);
  add_user_change(*user, "lock", "Let nobody log in with an account, and end its sessions", chosen,
                  run_user_lock);
  add_user_change(*user, "unlock", "Take a lock back", chosen, run_user_unlock);
}

}  // namespace stampede::tools
