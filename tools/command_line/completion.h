#pragma once

// Completion for shells, made from the command line itself: commands, flags, and the words that a
// flag or a place takes where they are few. Pure.

#include <CLI/CLI.hpp>
#include <string>

namespace stampede::tools {

// A script to be sourced: eval "$(stampede completion bash)".
std::string bash_completion(const CLI::App& app);
// The same for zsh, with what each word is about; also a file `_stampede` in $fpath.
std::string zsh_completion(const CLI::App& app);

}  // namespace stampede::tools
