#include "tools/ask/configure.h"
#include "tools/command_line/command_line_arguments.h"

namespace stampede::tools {
namespace {

void on_chosen_unloaded(CLI::App* command, Command& chosen,
                        std::function<int(const config::LoadOptions&, bool)> run) {
  command->callback([&chosen, run = std::move(run)] {
    chosen = {};
    chosen.run_unloaded = run;
  });
}

}  // namespace

void CommandLine::add_config(CLI::App& app, Command& chosen) {
  auto* config = app.add_subcommand("config", "What the system runs with, and its changes");
  config->require_subcommand(1);
  on_chosen_unloaded(config->add_subcommand("check", "Judge the file; nothing is changed"), chosen,
                     run_config_check);
  on_chosen_unloaded(
      config->add_subcommand("diff", "What the file would change, and what each of it needs"),
      chosen, run_config_diff);
  on_chosen_unloaded(
      config->add_subcommand("reload", "Let the running system accept the file, as a whole"),
      chosen, run_config_reload);
  add_config_keys(*config, chosen);
}

void CommandLine::add_config_keys(CLI::App& config, Command& chosen) {
  auto* set = config.add_subcommand("set", "Write one key into the file, and reload");
  set->add_option("KEY", arguments_->config_key, "As in config/README.md")->required();
  set->add_option("VALUE", arguments_->config_value, "As a variable would say it")->required();
  on_chosen_unloaded(set, chosen, [this](const config::LoadOptions& load, bool json) {
    return run_config_set(load, json, arguments_->config_key, arguments_->config_value);
  });
  auto* get = config.add_subcommand("get", "One key's value, as it counts");
  get->add_option("KEY", arguments_->config_key, "As in config/README.md")->required();
  on_chosen_unloaded(get, chosen, [this](const config::LoadOptions& load, bool json) {
    return run_config_get(load, json, arguments_->config_key);
  });
  auto* show = config.add_subcommand("show", "Every key's value, as it counts");
  show->add_flag("--origin", arguments_->config_origin, "Say who gave it, too");
  on_chosen_unloaded(show, chosen, [this](const config::LoadOptions& load, bool json) {
    return run_config_show(load, json, arguments_->config_origin);
  });
}

}  // namespace stampede::tools
