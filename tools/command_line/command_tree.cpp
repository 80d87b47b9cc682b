#include "tools/command_line/command_tree.h"

#include <set>

namespace stampede::tools {
namespace {

bool is_group(const CLI::App& command) {
  return command.get_name().empty();
}

const auto kAll = [](const CLI::App*) { return true; };

void collect(const CLI::App& app, std::vector<const CLI::App*>& out) {
  for (const auto* command : subcommands_of(app)) {
    out.push_back(command);
    collect(*command, out);
  }
}

}  // namespace

std::vector<const CLI::App*> subcommands_of(const CLI::App& app) {
  std::vector<const CLI::App*> out;
  for (const auto* command : app.get_subcommands(kAll))
    if (!is_group(*command)) out.push_back(command);
  return out;
}

std::vector<const CLI::App*> commands_of(const CLI::App& app) {
  std::vector<const CLI::App*> out;
  collect(app, out);
  return out;
}

std::string path_of(const CLI::App& command) {
  if (command.get_parent() == nullptr) return {};
  const auto above = path_of(*command.get_parent());
  return above.empty() ? command.get_name() : above + " " + command.get_name();
}

const CLI::App* find_command(const CLI::App& app, const std::vector<std::string>& words) {
  const CLI::App* found = &app;
  for (const auto& word : words) {
    const CLI::App* next = nullptr;
    for (const auto* command : subcommands_of(*found))
      if (command->get_name() == word) next = command;
    if (next == nullptr) return nullptr;
    found = next;
  }
  return found;
}

const CLI::App& typed_command(const CLI::App& app) {
  for (const auto* command : app.get_subcommands())
    if (!is_group(*command)) return typed_command(*command);
  return app;
}

bool only_looks(const CLI::App& app) {
  static const std::set<std::string> kPaths = {
      "status",     "health",     "logs",     "recoveries", "order list", "order show",
      "trace",      "pending",    "log dump", "log verify", "item list",  "item show",
      "promo list", "promo show", "verify",   "doctor",     "chaos list", "migrate status"};
  return kPaths.contains(path_of(typed_command(app)));
}

std::vector<const CLI::Option*> options_of(const CLI::App& command) {
  auto out = command.get_options();
  for (const auto* group : command.get_subcommands(kAll)) {
    if (!is_group(*group)) continue;
    const auto inner = group->get_options();
    out.insert(out.end(), inner.begin(), inner.end());
  }
  return out;
}

std::string flag_name(const CLI::Option& option) {
  return option.get_lnames().empty() ? std::string{} : "--" + option.get_lnames().front();
}

bool takes_value(const CLI::Option& option) {
  return option.get_items_expected_max() > 0;
}

std::vector<std::string> words_of_type(const CLI::Option& option) {
  const auto type = option.get_type_name();
  std::vector<std::string> words;
  if (type.find('|') == std::string::npos) return words;
  for (std::size_t begin = 0; begin <= type.size();) {
    const auto end = std::min(type.find('|', begin), type.size());
    words.push_back(type.substr(begin, end - begin));
    begin = end + 1;
  }
  return words;
}

}  // namespace stampede::tools
