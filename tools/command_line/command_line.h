#pragma once

// The tools' part of the command line: subcommands, flags with their defaults, checks of what was
// typed. Owner: main; lives until the chosen command has run. One thread.

#include <CLI/CLI.hpp>
#include <functional>
#include <memory>
#include <string>

#include "tools/ask/promo.h"
#include "tools/ask/tool_options.h"
#include "tools/ask/user.h"

namespace stampede::tools {

// The subcommand that was typed.
struct Command {
  std::string node;  // "webapp-1"; empty: a tool. A wrong configuration ends a node with 78, a tool
                     // with 2
  std::function<int(const ToolOptions&)> run;
  bool with_config = true;     // false: it speaks of no system; its options have the defaults
  bool judges_config = false;  // it is run without one, too, and told why there is none
  bool only_looks = false;     // it is run without one, too, and its user is told why
  // Instead of `run`, of a tool that judges the configuration itself.
  std::function<int(const config::LoadOptions&, bool json)> run_unloaded{};
};

class CommandLine {
 public:
  // `chosen` is set while `app` parses; both outlive this object's use.
  CommandLine(CLI::App& app, Command& chosen);
  ~CommandLine();
  CommandLine(const CommandLine&) = delete;
  CommandLine& operator=(const CommandLine&) = delete;

 private:
  struct Arguments;  // what the flags are parsed into
  void add_status(CLI::App& app, Command& chosen);
  void add_health(CLI::App& app, Command& chosen);
  void add_nodes(CLI::App& app, Command& chosen);
  void add_upgrade(CLI::App& app, Command& chosen);
  void add_drain(CLI::App& app, Command& chosen);
  void add_logs(CLI::App& app, Command& chosen);
  void add_help(CLI::App& app, Command& chosen);
  void add_trace(CLI::App& app, Command& chosen);
  void add_pending(CLI::App& app, Command& chosen);
  void add_order_list(CLI::App& order, Command& chosen);
  void add_doctor(CLI::App& app, Command& chosen);
  void add_items(CLI::App& app, Command& chosen);
  void add_item_add(CLI::App& item, Command& chosen);
  void add_item_set(CLI::App& item, Command& chosen);
  CLI::App* add_item_change(CLI::App& item, const char* name, const char* about);
  void add_promos(CLI::App& app, Command& chosen);
  CLI::App* add_promo_change(CLI::App& promo, const char* name, const char* about);
  void add_promo_terms(CLI::App& command, bool required);
  [[nodiscard]] PromoChange promo_change() const;
  void add_clock(CLI::App& app, Command& chosen);
  void add_config(CLI::App& app, Command& chosen);
  void add_config_keys(CLI::App& config, Command& chosen);
  void add_chaos(CLI::App& app, Command& chosen);
  void add_chaos_crash(CLI::App& chaos, Command& chosen);
  void add_chaos_faults(CLI::App& chaos, Command& chosen);
  void add_migrate(CLI::App& app, Command& chosen);
  void add_order(CLI::App& app, Command& chosen);
  void add_log(CLI::App& app, Command& chosen);
  void add_log_parking(CLI::App& log, Command& chosen);
  void add_log_replay(CLI::App& log, Command& chosen);
  void add_snapshot(CLI::App& app, Command& chosen);
  void add_verify(CLI::App& app, Command& chosen);
  void add_bench(CLI::App& app, Command& chosen);
  void add_bench_ways(CLI::App* bench);
  void add_keys(CLI::App& app, Command& chosen);
  void add_users(CLI::App& app, Command& chosen);
  using UserRun = int (*)(const ToolOptions&, const storage::DbOptions&, const UserChange&);
  CLI::App* add_user_change(CLI::App& user, const char* name, const char* about, Command& chosen,
                            UserRun run);

  std::unique_ptr<Arguments> arguments_;
};

}  // namespace stampede::tools
