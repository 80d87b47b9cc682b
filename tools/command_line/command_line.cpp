#include "tools/command_line/command_line.h"

#include <cstdio>
#include <functional>
#include <string>
#include <variant>

#include "actors/protocol/node_messages.h"
#include "storage/mysql/db_options.h"
#include "storage/mysql/migrations.h"
#include "tools/ask/clock.h"
#include "tools/ask/curve_keys.h"
#include "tools/ask/migrate.h"
#include "tools/ask/ops.h"
#include "tools/ask/status.h"
#include "tools/command_line/command_line_arguments.h"
#include "tools/command_line/examples.h"

namespace stampede::tools {
namespace {

// CLI11 reads 010 as 8 and takes 0x10, too: of numbers only decimal ones are meant.
std::string check_decimal(const std::string& text) {
  const auto digits = digits_of(text);
  const bool decimal = digits.size() == 1 || (!digits.empty() && digits.front() != '0');
  return decimal ? std::string{}
                 : text + " is no whole number in decimal digits without leading zeros";
}

void take_decimals_only(CLI::App& app) {
  for (auto* option : app.get_options()) {
    const auto type = option->get_type_name();
    if (type.starts_with("INT") || type.starts_with("UINT")) option->check(check_decimal);
  }
  for (auto* command : app.get_subcommands(nullptr)) take_decimals_only(*command);
}

}  // namespace

int with_database(const ToolOptions& options,
                  const std::function<int(const storage::DbOptions&, bool)>& run) {
  const auto password = config::read_password(options.config);
  if (const auto* error = std::get_if<config::ConfigError>(&password)) {
    std::fprintf(stderr, "stampede: %s\n", config::describe(*error).c_str());
    return kExitWrongUse;
  }
  storage::DbOptions database;
  database.url = options.config.db.url;
  database.password = std::get<std::string>(password);
  database.lanes = options.config.db.lanes;
  return run(database, options.json);
}

CommandLine::CommandLine(CLI::App& app, Command& chosen)
    : arguments_(std::make_unique<Arguments>()) {
  add_status(app, chosen);
  add_health(app, chosen);
  add_nodes(app, chosen);
  add_drain(app, chosen);
  add_logs(app, chosen);
  add_items(app, chosen);
  add_promos(app, chosen);
  add_clock(app, chosen);
  add_order(app, chosen);
  add_trace(app, chosen);
  add_pending(app, chosen);
  add_migrate(app, chosen);
  add_config(app, chosen);
  add_log(app, chosen);
  add_snapshot(app, chosen);
  add_verify(app, chosen);
  add_bench(app, chosen);
  add_keys(app, chosen);
  add_users(app, chosen);
  on_chosen(app.add_subcommand("ops", "Print a link that opens the operator's page"), chosen,
            run_ops);
  add_chaos(app, chosen);
  add_doctor(app, chosen);
  add_help(app, chosen);
  take_decimals_only(app);
  add_examples(app);
}

CommandLine::~CommandLine() = default;

void CommandLine::add_status(CLI::App& app, Command& chosen) {
  auto* status = app.add_subcommand("status", "Show nodes, sale, log and database");
  status->add_flag("--watch", arguments_->watch, "Show it again and again until Ctrl-C");
  auto* every =
      status->add_option("--every", arguments_->watch_every, "Pause between two, with --watch");
  every->capture_default_str()->check(check_duration);
  on_chosen(status, chosen, [this](const ToolOptions& options) {
    if (!arguments_->watch) return run_status(options);
    return watch_status(options, parse_duration_ms(arguments_->watch_every).value_or(1'000));
  });
}

void CommandLine::add_health(CLI::App& app, Command& chosen) {
  auto* health = app.add_subcommand("health", "Exit 0 when every node is ready, else 3");
  health->add_option("--wait", arguments_->health_wait, "Wait so long for it")
      ->capture_default_str()
      ->check(check_duration);
  on_chosen(health, chosen, [this](const ToolOptions& options) {
    return run_health(options, parse_duration_ms(arguments_->health_wait).value_or(0));
  });
}

void CommandLine::add_clock(CLI::App& app, Command& chosen) {
  auto* clock = app.add_subcommand("clock", "When the wall clock has stepped forward");
  clock->require_subcommand(1);
  auto* accept = clock->add_subcommand("accept", "The wall clock is right: go by it again");
  accept
      ->add_option("--request-id", arguments_->clock_request_id,
                   "The same id again does nothing twice")
      ->check(check_request_id);
  on_chosen(accept, chosen, [this](const ToolOptions& options) {
    return run_clock_accept(options, arguments_->clock_request_id);
  });
}

void CommandLine::add_keys(CLI::App& app, Command& chosen) {
  auto* keys = app.add_subcommand("keys", "Make key pairs for CURVE (config/README.md)");
  keys->require_subcommand(1);
  auto* made = keys->add_subcommand("new", "Make a key pair, print its public key");
  made->add_option("FILE", arguments_->key_file, "A new file for both keys, mode 0600")->required();
  on_chosen(made, chosen, [this](const ToolOptions& options) {
    return run_keys_new(options, arguments_->key_file);
  });
}

void CommandLine::add_migrate(CLI::App& app, Command& chosen) {
  auto* migrate = app.add_subcommand("migrate", "Bring the database's tables up to date");
  migrate->require_subcommand(1);
  on_chosen(migrate->add_subcommand("up", "Apply the steps that are missing"), chosen,
            [](const ToolOptions& options) { return with_database(options, migrate_up); });
  auto* down = migrate->add_subcommand("down", "Take steps back, for an older program");
  down->add_option("--to", arguments_->schema_version, "The last step to keep")
      ->required()
      ->check(CLI::Range(1, storage::latest_schema_version()));
  down->add_flag("--force", arguments_->schema_force, "Give up what the older schema cannot keep");
  on_chosen(down, chosen, [this](const ToolOptions& options) {
    return with_database(options, [this](const storage::DbOptions& database, bool json) {
      return migrate_down(database, arguments_->schema_version, arguments_->schema_force, json);
    });
  });
  on_chosen(migrate->add_subcommand("status", "Show the steps"), chosen,
            [](const ToolOptions& options) { return with_database(options, migrate_status); });
}

}  // namespace stampede::tools
