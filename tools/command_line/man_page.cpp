#include "tools/command_line/man_page.h"

#include <algorithm>
#include <cctype>

#include "config/process/version.h"
#include "tools/command_line/command_tree.h"
#include "tools/command_line/examples.h"
#include "tools/command_line/exit_code_list.h"

namespace stampede::tools {
namespace {

std::string bold(std::string_view text) {
  return "\\fB" + man_text(text) + "\\fR";
}

std::string upper(std::string text) {
  std::transform(text.begin(), text.end(), text.begin(),
                 [](unsigned char c) { return static_cast<char>(std::toupper(c)); });
  return text;
}

// "--name TEXT", "ID".
std::string option_head(const CLI::Option& option) {
  if (!option.nonpositional()) return bold(option.get_name(true));
  std::string names;
  for (const auto& name : option.get_snames())
    names += (names.empty() ? "" : ", ") + bold("-" + name);
  for (const auto& name : option.get_lnames())
    names += (names.empty() ? "" : ", ") + bold("--" + name);
  const bool value = takes_value(option);
  return value ? names + " \\fI" + man_text(option.get_type_name()) + "\\fR" : names;
}

std::string option_entry(const CLI::Option& option) {
  std::string text = ".TP\n" + option_head(option) + "\n" + man_text(option.get_description());
  if (!option.get_default_str().empty())
    text += " (default " + man_text(option.get_default_str()) + ")";
  if (option.get_required()) text += " (required)";
  return text + "\n";
}

std::string options_section(const CLI::App& command) {
  std::string text;
  for (const auto* option : options_of(command)) text += option_entry(*option);
  return text.empty() ? text : ".SH OPTIONS\n" + text;
}

std::string synopsis(const CLI::App& command) {
  const auto path = path_of(command);
  std::string text = ".SH SYNOPSIS\n" + bold("stampede" + (path.empty() ? "" : " " + path));
  for (const auto* option : options_of(command)) {
    if (option->nonpositional()) continue;
    const auto name = "\\fI" + man_text(option->get_name(true)) + "\\fR";
    text += option->get_required() ? " " + name : " [" + name + "]";
  }
  if (!subcommands_of(command).empty()) text += " \\fICOMMAND\\fR";
  return text + " [\\fIOPTION\\fR]...\n";
}

std::string commands_section(const CLI::App& command) {
  const bool whole = command.get_parent() == nullptr;
  std::string text;
  for (const auto* one : whole ? commands_of(command) : subcommands_of(command))
    text += ".TP\n" + bold(path_of(*one)) + "\n" + man_text(one->get_description()) + "\n";
  return text.empty() ? text : ".SH COMMANDS\n" + text;
}

std::string exit_section() {
  std::string text = ".SH EXIT STATUS\n";
  for (const auto& one : kExitCodes)
    text += ".TP\n" + bold(std::to_string(one.code)) + "\n" + man_text(one.meaning) + " (" +
            man_text(one.of) + ")\n";
  return text;
}

std::string example_section(const CLI::App& command) {
  const auto example = example_of(command);
  return example.empty() ? example : ".SH EXAMPLE\n.nf\n" + man_text(example) + "\n.fi\n";
}

std::string see_also(const CLI::App& command) {
  if (command.get_parent() == nullptr) return {};
  return ".SH SEE ALSO\n.BR " + man_text(man_page_name(*command.get_parent())) + " (1)\n";
}

}  // namespace

std::string man_text(std::string_view text) {
  std::string out;
  bool line_begins = true;
  for (const char c : text) {
    if (line_begins && (c == '.' || c == '\'')) out += "\\&";
    line_begins = c == '\n';
    if (c == '\\') {
      out += "\\e";
    } else if (c == '-') {
      out += "\\-";
    } else if (c == '`') {
      out += "\\(ga";
    } else {
      out += c;
    }
  }
  return out;
}

std::string man_page_name(const CLI::App& command) {
  std::string name = "stampede";
  const auto path = path_of(command);
  if (!path.empty()) name += "-" + path;
  std::replace(name.begin(), name.end(), ' ', '-');
  return name;
}

std::string man_page(const CLI::App& command) {
  const auto name = man_page_name(command);
  return ".TH " + man_text(upper(name)) + " 1 \"\" \"stampede " + std::string(kVersion) +
         "\" Stampede\n.SH NAME\n" + man_text(name) + " \\- " +
         man_text(command.get_description()) + "\n" + synopsis(command) +
         commands_section(command) + options_section(command) + example_section(command) +
         exit_section() + see_also(command);
}

}  // namespace stampede::tools
