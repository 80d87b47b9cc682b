#include "tools/command_line/completion.h"

#include <functional>
#include <string_view>
#include <utility>
#include <vector>

#include "config/settings/config.h"
#include "tools/command_line/command_tree.h"

namespace stampede::tools {
namespace {

using Words = std::vector<std::pair<std::string, std::string>>;  // and what each is about

constexpr std::string_view kNodes[] = {"webapp-1", "broker-1", "backend-1"};

// In the form of the scripts' own word for where they are: " item add".
std::string place_of(const CLI::App& command) {
  const auto path = path_of(command);
  return path.empty() ? path : " " + path;
}

std::vector<const CLI::App*> all_of(const CLI::App& app) {
  auto all = commands_of(app);
  all.insert(all.begin(), &app);
  return all;
}

void add_flags(const CLI::App& command, Words& words) {
  for (const auto* option : options_of(command)) {
    if (!flag_name(*option).empty())
      words.emplace_back(flag_name(*option), option->get_description());
  }
}

// A command takes the flags of those above it, too.
Words flags_at(const CLI::App& command) {
  Words words;
  for (const auto* at = &command; at != nullptr; at = at->get_parent()) {
    Words own;
    add_flags(*at, own);
    for (auto& word : own)
      if (word.first != "--help" || at == &command) words.push_back(std::move(word));
  }
  return words;
}

Words words_at(const CLI::App& command) {
  Words words;
  for (const auto* inner : subcommands_of(command))
    words.emplace_back(inner->get_name(), inner->get_description());
  for (const auto* option : options_of(command)) {
    if (option->nonpositional()) continue;
    for (const auto& word : words_of_type(*option)) words.emplace_back(word, "");
    if (option->get_name(true) == "KEY")
      for (const auto& key : config::describe_keys()) words.emplace_back(key.name, key.change);
    if (option->get_name(true) != "NODE") continue;
    for (const auto node : kNodes) words.emplace_back(node, "");
  }
  return words;
}

// In single quotes, as a shell reads it.
std::string shell_word(std::string_view text) {
  std::string out = "'";
  for (const char c : text) {
    if (c == '\'') {
      out += "'\\''";
    } else {
      out += c == '\n' ? ' ' : c;
    }
  }
  return out + "'";
}

std::string bash_list(const Words& words) {
  std::string out;
  for (const auto& word : words) out += (out.empty() ? "" : " ") + word.first;
  return shell_word(out);
}

// For _describe: word:about, a colon of the word itself behind a backslash.
std::string zsh_list(const Words& words) {
  std::string out = "(";
  for (const auto& [word, about] : words)
    out += (out.size() == 1 ? "" : " ") + shell_word(word + ":" + about);
  return out + ")";
}

using List = std::function<std::string(const Words&)>;

// "    ' item'|' item add') COMMAND ;;" of each command for which there is something to say.
std::string cases(const CLI::App& app, const char* set, const List& list,
                  Words (*words)(const CLI::App&)) {
  std::string out;
  for (const auto* command : all_of(app)) {
    const auto said = words(*command);
    if (said.empty()) continue;
    out += "    " + shell_word(place_of(*command)) + ") " + set + list(said) + " ;;\n";
  }
  return out;
}

// The places where a word begins a command.
std::string command_patterns(const CLI::App& app) {
  std::string out;
  for (const auto* command : commands_of(app))
    out += (out.empty() ? "" : "|") + shell_word(place_of(*command));
  return out;
}

// "PLACE FLAG" of each flag that is followed by its value; those of the program behind any place.
std::string value_patterns(const CLI::App& app) {
  std::string out;
  for (const auto* command : all_of(app)) {
    const bool whole = command->get_parent() == nullptr;
    for (const auto* option : options_of(*command)) {
      if (flag_name(*option).empty() || !takes_value(*option)) continue;
      const auto flag = shell_word(place_of(*command) + " " + flag_name(*option));
      out += (out.empty() ? "" : "|") + (whole ? "*" + flag : flag);
    }
  }
  return out;
}

// What follows such a flag, where it is known.
std::string value_cases(const CLI::App& app, const char* set, const List& list) {
  std::string out;
  for (const auto* command : commands_of(app)) {
    for (const auto* option : options_of(*command)) {
      const auto values = words_of_type(*option);
      if (flag_name(*option).empty() || values.empty()) continue;
      Words words;
      for (const auto& value : values) words.emplace_back(value, "");
      out += "    " + shell_word(place_of(*command) + " " + flag_name(*option)) + ") " + set +
             list(words) + " ;;\n";
    }
  }
  return out;
}

}  // namespace

std::string bash_completion(const CLI::App& app) {
  return R"(# Completion of stampede for bash; made by `stampede completion bash`.
_stampede() {
  local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD - 1]}
  local place='' word skip='' i words=''
  for ((i = 1; i < COMP_CWORD; ++i)); do
    word=${COMP_WORDS[i]}
    if [[ -n $skip ]]; then skip=''; continue; fi
    case "$place $word" in
    )" + value_patterns(app) +
         R"() skip=1 ;;
    esac
    case "$place $word" in
    )" + command_patterns(app) +
         R"() place="$place $word" ;;
    esac
  done
  if [[ -n $skip ]]; then
    case "$place $prev" in
    *' --run-dir') mapfile -t COMPREPLY < <(compgen -d -- "$cur"); return ;;
    *' --config'|*' --hdr') mapfile -t COMPREPLY < <(compgen -f -- "$cur"); return ;;
)" + value_cases(app, "words=", bash_list) +
         R"(    esac
  elif [[ $cur == -* ]]; then
    case "$place" in
)" + cases(app, "words=", bash_list, flags_at) +
         R"(    esac
  else
    case "$place" in
)" + cases(app, "words=", bash_list, words_at) +
         R"(    esac
  fi
  mapfile -t COMPREPLY < <(compgen -W "$words" -- "$cur")
}
complete -o default -F _stampede stampede
)";
}

std::string zsh_completion(const CLI::App& app) {
  return R"(#compdef stampede
# Completion of stampede for zsh; made by `stampede completion zsh`.
_stampede() {
  local cur=${words[CURRENT]} prev=${words[CURRENT-1]}
  local place='' word skip='' i
  local -a found
  for ((i = 2; i < CURRENT; ++i)); do
    word=${words[i]}
    if [[ -n $skip ]]; then skip=''; continue; fi
    case "$place $word" in
    )" + value_patterns(app) +
         R"() skip=1 ;;
    esac
    case "$place $word" in
    )" + command_patterns(app) +
         R"() place="$place $word" ;;
    esac
  done
  if [[ -n $skip ]]; then
    case "$place $prev" in
    *' --run-dir') _files -/; return ;;
    *' --config'|*' --hdr') _files; return ;;
)" + value_cases(app, "found=", zsh_list) +
         R"(    esac
  elif [[ $cur == -* ]]; then
    case "$place" in
)" + cases(app, "found=", zsh_list, flags_at) +
         R"(    esac
  else
    case "$place" in
)" + cases(app, "found=", zsh_list, words_at) +
         R"(    esac
  fi
  (( ${#found} )) && _describe 'stampede' found || _files
}
if [[ ${zsh_eval_context[-1]} == loadautofunc ]]; then
  _stampede "$@"
else
  compdef _stampede stampede
fi
)";
}

}  // namespace stampede::tools
