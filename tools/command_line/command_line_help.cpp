// The subcommands about the command line itself: help, completion. They need no configuration.

#include <algorithm>
#include <cstdio>
#include <nlohmann/json.hpp>
#include <string>

#include "tools/command_line/advice.h"
#include "tools/command_line/command_line_arguments.h"
#include "tools/command_line/command_tree.h"
#include "tools/command_line/completion.h"
#include "tools/command_line/examples.h"
#include "tools/command_line/exit_code_list.h"
#include "tools/command_line/man_page.h"
#include "tools/command_line/one_of.h"

namespace stampede::tools {
namespace {

using nlohmann::json;

void print(const std::string& text) {
  std::fwrite(text.data(), 1, text.size(), stdout);
}

int print_exit_codes(bool as_json) {
  json list = json::array();
  std::string text;
  for (const auto& [code, of, meaning] : kExitCodes) {
    list.push_back({{"code", code}, {"of", of}, {"meaning", meaning}});
    std::string number = std::to_string(code);
    number.resize(4, ' ');
    std::string who(of);
    who.resize(14, ' ');
    text += number + who + std::string(meaning) + "\n";
  }
  print(as_json ? list.dump(2) + "\n" : text);
  return kExitDone;
}

json command_json(const CLI::App& command) {
  json flags = json::array();
  for (const auto* option : options_of(command))
    if (!flag_name(*option).empty()) flags.push_back(flag_name(*option));
  return {{"command", path_of(command)},
          {"about", command.get_description()},
          {"example", example_of(command)},
          {"group", !subcommands_of(command).empty()},
          {"flags", std::move(flags)}};
}

int print_commands(const CLI::App& app, bool as_json) {
  json list = json::array();
  std::string text;
  for (const auto* command : commands_of(app)) {
    list.push_back(command_json(*command));
    std::string path = path_of(*command);
    path.resize(std::max<std::size_t>(path.size(), 18), ' ');
    text += path + "  " + command->get_description() + "\n";
  }
  print(as_json ? list.dump(2) + "\n" : text);
  return kExitDone;
}

int print_examples(const CLI::App& app, bool as_json) {
  json list = json::array();
  std::string text;
  for (const auto* command : commands_of(app)) {
    if (!subcommands_of(*command).empty() && command->get_name() != "order") continue;
    list.push_back({{"command", path_of(*command)}, {"example", example_of(*command)}});
    text += "# " + command->get_description() + "\n" + example_of(*command) + "\n";
  }
  print(as_json ? list.dump(2) + "\n" : text);
  return kExitDone;
}

std::string joined(const std::vector<std::string>& words) {
  std::string text;
  for (const auto& word : words) text += (text.empty() ? "" : " ") + word;
  return text;
}

int unknown_topic(const CLI::App& app, const std::vector<std::string>& words) {
  std::vector<std::string> known{"exit-codes", "examples", "commands", "man"};
  for (const auto* command : commands_of(app)) known.push_back(path_of(*command));
  const auto near = nearest(joined(words), known);
  std::fprintf(stderr, "stampede help: there is no %s%s%s; see: stampede help commands\n",
               joined(words).c_str(), near.empty() ? "" : ", did you mean ", near.c_str());
  return kExitWrongUse;
}

int print_man(const CLI::App& app, std::vector<std::string> words) {
  words.erase(words.begin());
  const auto* command = find_command(app, words);
  if (command == nullptr) return unknown_topic(app, words);
  print(man_page(*command));
  return kExitDone;
}

// As --help has it; App::help() would speak of the command that was typed.
std::string help_text(const CLI::App& command) {
  const auto path = path_of(command);
  return command.get_formatter()->make_help(
      &command, path.empty() ? "stampede" : "stampede " + path, CLI::AppFormatMode::Normal);
}

int print_help(const CLI::App& app, const std::vector<std::string>& words, bool as_json) {
  const auto topic = words.empty() ? std::string{} : words.front();
  const bool alone = words.size() == 1;
  if (alone && topic == "exit-codes") return print_exit_codes(as_json);
  if (alone && topic == "examples") return print_examples(app, as_json);
  if (alone && topic == "commands") return print_commands(app, as_json);
  if (topic == "man") return print_man(app, words);
  const auto* command = find_command(app, words);
  if (command == nullptr) return unknown_topic(app, words);
  print(as_json ? command_json(*command).dump(2) + "\n" : help_text(*command));
  return kExitDone;
}

}  // namespace

void CommandLine::add_help(CLI::App& app, Command& chosen) {
  auto* help = app.add_subcommand("help", "Help of a command, or on a topic");
  help->add_option("TOPIC", arguments_->help_topic,
                   "A command like `item add`, or commands, examples, exit-codes, man [COMMAND]");
  on_chosen(
      help, chosen,
      [this, &app](const ToolOptions& options) {
        return print_help(app, arguments_->help_topic, options.json);
      },
      false);
  auto* completion = app.add_subcommand("completion", "Completion for a shell, to be sourced");
  completion->add_option("SHELL", arguments_->shell, "Whose")
      ->required()
      ->check(one_of({"bash", "zsh"}))
      ->type_name("bash|zsh");
  on_chosen(
      completion, chosen,
      [this, &app](const ToolOptions&) {
        print(arguments_->shell == "zsh" ? zsh_completion(app) : bash_completion(app));
        return kExitDone;
      },
      false);
}

}  // namespace stampede::tools
