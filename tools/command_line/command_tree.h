#pragma once

// The command line as a tree, for what is made from it: help, completion, man pages, advice. Reads
// what CLI11 was told; changes nothing but footers. One thread.

#include <CLI/CLI.hpp>
#include <string>
#include <vector>

namespace stampede::tools {

// Every command below `app` that can be typed, depth first in the order in which they were added;
// `app` itself is not among them.
std::vector<const CLI::App*> commands_of(const CLI::App& app);

// The direct ones.
std::vector<const CLI::App*> subcommands_of(const CLI::App& app);

// "item add"; empty: the program itself.
std::string path_of(const CLI::App& command);

// The command of these words, or null.
const CLI::App* find_command(const CLI::App& app, const std::vector<std::string>& words);

// The deepest command that was typed; while or after `app` parses.
const CLI::App& typed_command(const CLI::App& app);

// Of the command, its groups among them, but not what it takes over from those above it.
std::vector<const CLI::Option*> options_of(const CLI::App& command);

// "--name"; empty: it has only a place.
std::string flag_name(const CLI::Option& option);
bool takes_value(const CLI::Option& option);

// Whether the typed command changes nothing anywhere: it goes on without a configuration file.
bool only_looks(const CLI::App& app);

// The words that a flag or place takes, where they are few: its type is "a|b|c".
std::vector<std::string> words_of_type(const CLI::Option& option);

}  // namespace stampede::tools
