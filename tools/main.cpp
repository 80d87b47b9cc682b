// The one binary: nodes and tools are its subcommands (contract §8). Only this file and
// tools/command_line know CLI11.

#include <sys/stat.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <functional>
#include <string>
#include <variant>
#include <vector>

#include "actors/auth/key_files.h"
#include "actors/backend/backend.h"
#include "actors/broker/broker.h"
#include "actors/node/exit_note.h"
#include "actors/node/node.h"
#include "actors/supervisor/supervisor.h"
#include "actors/supervisor/supervisor_guard.h"
#include "actors/webapp/webapp.h"
#include "config/process/throughput.h"
#include "config/process/version.h"
#include "config/settings/accepted_text.h"
#include "config/settings/config.h"
#include "config/settings/lost_place.h"
#include "config/settings/running_nodes.h"
#include "config/settings/trusted_place.h"
#include "tools/ask/failure_line.h"
#include "tools/ask/tool_options.h"
#include "tools/command_line/advice.h"
#include "tools/command_line/command_line.h"
#include "tools/command_line/command_tree.h"
#include "tools/command_line/one_of.h"
#include "tools/output/safe_output.h"
#include "tools/upgrade/program_facts.h"

namespace {

using stampede::actors::NodeOptions;
using stampede::tools::Command;
using stampede::tools::ToolOptions;

struct NodeFlags {
  int index = 1;
  std::string wanted = "serve";
  bool guard = false;
  bool accepted = false;  // what the system has accepted, whatever the file says
  bool again = false;
  bool judge = false;  // whether it could be the supervisor; starts nothing
  int child = 0;
  std::string ended;  // how the supervisor before ended
  std::string nodes = stampede::actors::kNodesDefault;
};

// What the supervisor behind a guard is started with: the same words without those for the guard.
std::vector<std::string> without_guard(int argc, char** argv) {
  std::vector<std::string> arguments;
  for (int i = 1; i < argc; ++i) {
    const std::string word = argv[i];
    if (word == "--child") ++i;
    if (word != "--guard" && word != "--child") arguments.push_back(word);
  }
  return arguments;
}

// Before anything is touched, by the program itself: it runs here, understands these words, and
// takes the configuration that the system has accepted.
int judge(const ToolOptions& options) {
  const auto fault = stampede::actors::fault_of_keys(options.config);
  if (fault.empty()) return stampede::tools::tell_facts();
  std::fprintf(stderr, "stampede: %s\n", fault.c_str());
  return stampede::kExitWrongUse;
}

int supervise(const NodeFlags& flags, const ToolOptions& options,
              const std::vector<std::string>& arguments) {
  const auto nodes = stampede::actors::parse_nodes(flags.nodes);
  if (const auto* problem = std::get_if<std::string>(&nodes)) {
    std::fprintf(stderr, "stampede supervisor: %s\n", problem->c_str());
    return stampede::kExitWrongUse;
  }
  if (flags.judge) return judge(options);
  if (flags.guard) {
    namespace config = stampede::config;
    const auto& run_dir = options.config.run_dir;
    const bool trusted = config::distrust(run_dir, config::PlaceKind::directory).empty();
    return stampede::actors::run_guard(arguments, {trusted ? run_dir : std::filesystem::path{},
                                                   options.config.log.format, flags.child});
  }
  return stampede::actors::run_supervisor(
      options.config, {std::get<std::vector<stampede::actors::NodeCount>>(nodes), flags.again,
                       arguments, flags.ended});
}

// Given by the guard and the supervisor, to those that they start again.
void add_accepted(CLI::App& command, NodeFlags& flags) {
  command.add_flag("--accepted", flags.accepted)->group("");
}

void add_supervisor(CLI::App& app, NodeFlags& flags, Command& chosen,
                    const std::vector<std::string>& arguments) {
  auto* supervisor = app.add_subcommand("supervisor", "Start the nodes and keep them running");
  supervisor->add_flag("--guard", flags.guard, "Be a parent that starts the supervisor again");
  add_accepted(*supervisor, flags);
  supervisor->add_flag("--again", flags.again,
                       "Go on with what operators wanted of the one before, as a guard says");
  supervisor->add_flag("--judge", flags.judge)->group("");
  supervisor->add_option("--child", flags.child)->group("");
  supervisor->add_option("--ended", flags.ended)->group("");
  supervisor->add_option("--nodes", flags.nodes, "How many nodes of each role")
      ->capture_default_str();
  supervisor->callback([&flags, &chosen, &arguments] {
    chosen = {flags.judge ? "" : "supervisor-1",
              [&](const ToolOptions& options) { return supervise(flags, options, arguments); }};
  });
}

void add_node(CLI::App& app, const std::string& role, const std::string& description,
              NodeFlags& flags, Command& chosen, int (*run)(NodeOptions)) {
  auto* node = app.add_subcommand(role, description);
  node->add_option("--index", flags.index, "k of " + role + "-k")
      ->capture_default_str()
      ->check(CLI::Range(1, 16));
  node->add_option("--wanted", flags.wanted, "Until the supervisor says otherwise")
      ->capture_default_str()
      ->check(stampede::tools::one_of({"replay", "serve", "drain"}))
      ->type_name("replay|serve|drain");
  add_accepted(*node, flags);
  node->callback([&flags, &chosen, role, run] {
    chosen = {role + "-" + std::to_string(flags.index),
              [&flags, role, run](const ToolOptions& options) {
                NodeOptions node_options;
                node_options.role = role;
                node_options.index = flags.index;
                using stampede::actors::Phase;
                node_options.wanted = flags.wanted == "serve"    ? Phase::serving
                                      : flags.wanted == "replay" ? Phase::replaying
                                                                 : Phase::draining;
                node_options.config = options.config;
                stampede::config::prefer_throughput();
                return run(std::move(node_options));
              }};
  });
}

// A node's supervisor learns from the note why it ended.
int refuse(const Command& command, const std::filesystem::path& run_dir,
           const stampede::config::ConfigError& error) {
  const auto reason = stampede::config::describe(error);
  std::fprintf(stderr, "stampede: %s\n", reason.c_str());
  if (command.node.empty()) return stampede::kExitWrongUse;
  const int code = stampede::kExitConfig;
  if (!error.distrusted)
    stampede::actors::write_exit_note(run_dir, command.node, {code, reason, ::getpid()});
  return code;
}

// The command line for CLI11, last word first. It takes "--name=" for a flag whose value is the
// next word; here it is one whose value is empty.
std::vector<std::string> words_of(int argc, char** argv) {
  std::vector<std::string> words;
  for (int i = argc - 1; i > 0; --i) {
    std::string word = argv[i];
    if (word.starts_with("--") && word.find('=') == word.size() - 1) {
      words.emplace_back();
      word.pop_back();
    }
    words.push_back(std::move(word));
  }
  return words;
}

using Loaded = std::variant<stampede::config::Config, stampede::config::ConfigError>;

// A supervisor of a stopped system accepts its configuration anew; one that comes after another
// goes on with what that one had accepted, or with the text before a reload that was not over.
Loaded load_for_supervisor(const stampede::config::LoadOptions& options, bool again) {
  namespace config = stampede::config;
  const auto run_dir = config::run_directory(options);
  if (!config::distrust(run_dir, config::PlaceKind::directory).empty())
    return config::load(options);  // which says so
  if (!again && !config::a_node_runs(run_dir)) return config::load(options);
  std::error_code error;
  for (const auto& file : {config::earlier_file(run_dir), config::accepted_file(run_dir)}) {
    if (std::filesystem::exists(file, error)) return config::load_text(file, run_dir);
  }
  return config::load(options);
}

Loaded load_for(const Command& command, const stampede::config::LoadOptions& options,
                bool accepted) {
  if (command.node == "supervisor-1") return load_for_supervisor(options, accepted);
  if (accepted) return stampede::config::load_accepted(stampede::config::run_directory(options));
  return stampede::config::load_beside(options);
}

// As the supervisor and the nodes say it when they start.
std::string fault_of_start(const stampede::config::Config& config) {
  auto fault = stampede::actors::fault_of_keys(config);
  if (fault.empty()) fault = stampede::actors::fault_of_key_files(config);
  const auto password = stampede::config::read_password(config);
  const auto* error = std::get_if<stampede::config::ConfigError>(&password);
  return fault.empty() && error != nullptr ? stampede::config::describe(*error) : fault;
}

// What comes before something goes wrong: what `chaos` announces, variables that are passed over.
bool is_no_complaint(const std::string& text) {
  return text.starts_with("expected: ") || text.starts_with("stampede: STAMPEDE_");
}

// What a tool has said of its failure, where it printed no report of its own.
std::string complaint() {
  auto text = stampede::tools::said_on_stderr();
  while (text.ends_with('\n')) text.pop_back();
  while (is_no_complaint(text) && text.find('\n') != std::string::npos)
    text.erase(0, text.find('\n') + 1);
  const auto colon = text.find(": ");
  const bool named = text.starts_with("stampede") && colon != std::string::npos && colon < 40;
  return named ? text.substr(colon + 2) : text;
}

// The end of a tool.
int finish(int code, bool json) {
  namespace tools = stampede::tools;
  if (json && code != 0 && tools::printed_nothing())
    std::printf("%s\n", tools::failure_line(code, complaint()).c_str());
  return tools::whole_output_or_failure(code);
}

// What needs no system, and so no configuration.
int run_alone(const Command& command, bool json, const std::string& config_fault = {}) {
  return finish(command.run({{}, json, config_fault}), json);
}

// Whoever only looks sees what lies in the run directory, whatever is wrong with the file.
int look_without(const Command& command, const stampede::config::LoadOptions& load, bool json,
                 const stampede::config::ConfigError& error) {
  const auto fault = stampede::config::describe(error);
  auto usual = stampede::config::load_without_file(load);
  if (!command.judges_config)
    std::fprintf(stderr, "stampede: %s; %s counts instead\n", fault.c_str(),
                 usual.origin.empty() ? "what is usual in a run directory"
                                      : "what the last system had accepted");
  return finish(command.run({std::move(usual), json, fault}), json);
}

int run_command(const Command& command, const stampede::config::LoadOptions& load, bool accepted,
                bool json) {
  if (command.node.empty()) stampede::tools::escape_what_is_printed();
  const auto lost = stampede::config::lost_place(load);
  if (lost && (command.run_unloaded || command.with_config)) {
    const int code = refuse(command, {}, *lost);
    return command.node.empty() ? finish(code, json) : code;
  }
  if (command.run_unloaded) return finish(command.run_unloaded(load, json), json);
  if (!command.with_config) return run_alone(command, json);
  auto config = load_for(command, load, accepted);
  if (const auto* error = std::get_if<stampede::config::ConfigError>(&config)) {
    const bool goes_on = (command.judges_config || command.only_looks) && !error->distrusted;
    if (command.judges_config && !goes_on)
      return run_alone(command, json, stampede::config::describe(*error));
    if (goes_on) return look_without(command, load, json, *error);
    const int code = refuse(command, stampede::config::run_directory(load), *error);
    return command.node.empty() ? finish(code, json) : code;
  }
  for (const auto& passed_over : std::get<stampede::config::Config>(config).passed_over)
    std::fprintf(stderr, "stampede: %s\n", passed_over.c_str());
  // What a node makes is its user's alone, whatever mask it was started with.
  if (!command.node.empty()) ::umask(077);
  const int code = command.run({std::get<stampede::config::Config>(std::move(config)), json});
  return command.node.empty() ? finish(code, json) : code;
}

}  // namespace

int main(int argc, char** argv) {
  stampede::tools::hold_standard_streams();
  const std::vector<std::string> arguments = without_guard(argc, argv);
  CLI::App app{"Stampede sells limited stock to many buyers at once.", "stampede"};
  std::string file;
  std::string run_dir;
  bool json = false;
  NodeFlags flags;
  Command chosen;
  app.add_option("--config", file,
                 "Configuration file (default: $STAMPEDE_CONFIG, else "
                 "stampede.toml in the run directory)");
  app.add_option("--run-dir", run_dir, "Run directory (default: $STAMPEDE_RUN_DIR, else ./run)");
  app.add_flag("--json", json, "Reports as one JSON document");
  app.set_version_flag("--version", std::string(stampede::kVersion));
  app.require_subcommand(1);
  app.fallthrough();
  add_supervisor(app, flags, chosen, arguments);
  add_node(app, "webapp", "Serve clients", flags, chosen, stampede::actors::run_webapp);
  add_node(app, "broker", "Pass batches on", flags, chosen, stampede::actors::run_broker);
  add_node(app, "backend", "Decide orders and log them", flags, chosen,
           stampede::actors::run_backend);
  stampede::tools::CommandLine tools(app, chosen);
  try {
    app.parse(words_of(argc, argv));
  } catch (const CLI::ParseError& error) {
    stampede::tools::escape_what_is_printed();
    // "A subcommand is required" alone would not tell which word was none.
    if (dynamic_cast<const CLI::Success*>(&error) == nullptr)
      std::fprintf(stderr, "%s", stampede::tools::advice(app).c_str());
    const int code = app.exit(error) == 0 ? 0 : stampede::kExitWrongUse;
    return finish(code, std::find(arguments.begin(), arguments.end(), "--json") != arguments.end());
  }
  stampede::config::LoadOptions load;
  if (!file.empty()) load.file = file;
  load.run_dir = run_dir;
  load.env = stampede::config::environment();
  load.fault_of_start = fault_of_start;
  chosen.only_looks = stampede::tools::only_looks(app);
  return run_command(chosen, load, flags.accepted, json);
}
