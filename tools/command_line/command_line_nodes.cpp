// The subcommands about nodes: start, stop, restart, nodes, upgrade, drain, recoveries, logs.

#include <string>

#include "tools/ask/nodes.h"
#include "tools/command_line/command_line_arguments.h"
#include "tools/command_line/one_of.h"

namespace stampede::tools {
namespace {

std::int64_t wait_of(const std::string& text) {
  return parse_duration_ms(text).value_or(kNodeWaitMs);
}

}  // namespace

void CommandLine::add_nodes(CLI::App& app, Command& chosen) {
  auto* start =
      app.add_subcommand("start", "Start nodes that were stopped or wait for the operator");
  start->add_option("NODE", arguments_->node, "webapp-1 and so on (default: all)");
  on_chosen(start, chosen,
            [this](const ToolOptions& options) { return run_start(options, arguments_->node); });
  const auto add = [&](const char* name, const char* about) {
    auto* command = app.add_subcommand(name, about);
    command->add_option("NODE", arguments_->node, "webapp-1 and so on")->required();
    command->add_option("--wait", arguments_->node_wait, "Wait so long for it")
        ->capture_default_str()
        ->check(check_duration);
    return command;
  };
  on_chosen(add("stop", "End a node; it stays stopped until it is started"), chosen,
            [this](const ToolOptions& options) {
              return run_stop(options, arguments_->node, wait_of(arguments_->node_wait));
            });
  on_chosen(add("restart", "End a node and start it again"), chosen,
            [this](const ToolOptions& options) {
              return run_restart(options, arguments_->node, wait_of(arguments_->node_wait));
            });
  auto* nodes = app.add_subcommand("nodes", "How many nodes run, and how many are to run");
  nodes->add_option("LIST", arguments_->nodes, "webapp=3: so many from now on (default: show)");
  nodes->add_option("--wait", arguments_->node_wait, "Wait so long until they serve or have ended")
      ->capture_default_str()
      ->check(check_duration);
  on_chosen(nodes, chosen, [this](const ToolOptions& options) {
    return run_nodes(options, arguments_->nodes, wait_of(arguments_->node_wait));
  });
  add_upgrade(app, chosen);
  auto* recoveries =
      app.add_subcommand("recoveries", "The last recoveries: cause, duration, orders asked again");
  recoveries->add_option("--limit", arguments_->recoveries_max, "So many, newest first")
      ->capture_default_str()
      ->check(CLI::Range(1, 100));
  on_chosen(recoveries, chosen, [this](const ToolOptions& options) {
    return run_recoveries(options, arguments_->recoveries_max);
  });
}

void CommandLine::add_upgrade(CLI::App& app, Command& chosen) {
  auto* upgrade = app.add_subcommand("upgrade", "Let the running system go on as another program");
  upgrade->add_option("--binary", arguments_->upgrade.binary,
                      "Its file (default: what lies now where the running one was started from)");
  upgrade->add_option("--wait", arguments_->upgrade_wait, "Wait so long until every node serves")
      ->capture_default_str()
      ->check(check_duration);
  on_chosen(upgrade, chosen, [this](const ToolOptions& options) {
    auto words = arguments_->upgrade;
    words.wait_ms = parse_duration_ms(arguments_->upgrade_wait).value_or(words.wait_ms);
    return run_upgrade(options, words);
  });
}

void CommandLine::add_drain(CLI::App& app, Command& chosen) {
  auto* drain = app.add_subcommand("drain", "Refuse new orders; reads, payments and so on go on");
  drain->add_option("--wait", arguments_->drain_wait, "And wait so long until all is stored")
      ->capture_default_str()
      ->check(check_duration);
  on_chosen(drain, chosen, [this](const ToolOptions& options) {
    return run_drain(options, parse_duration_ms(arguments_->drain_wait).value_or(0));
  });
  on_chosen(app.add_subcommand("undrain", "Take orders again"), chosen, run_undrain);
}

void CommandLine::add_logs(CLI::App& app, Command& chosen) {
  LogsWish& wish = arguments_->logs;
  auto* logs = app.add_subcommand("logs", "Show the nodes' log lines, by time");
  logs->add_option("NODE", wish.node, "Of this one only: webapp-1, supervisor and so on");
  logs->add_flag("-f,--follow", wish.follow, "Go on with what comes, until Ctrl-C");
  logs->add_option("--since", arguments_->logs_since, "From then on: 10m (ago), or a time")
      ->check(check_past);
  logs->add_option("--level", wish.level, "Of this level and worse")
      ->capture_default_str()
      ->check(one_of({"trace", "debug", "info", "warning", "error", "critical"}))
      ->type_name("trace|debug|info|warning|error|critical");
  on_chosen(logs, chosen, [this](const ToolOptions& options) {
    LogsWish typed = arguments_->logs;
    typed.since_ms = past_ms(arguments_->logs_since);
    return run_logs(options, typed);
  });
}

}  // namespace stampede::tools
