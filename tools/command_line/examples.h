#pragma once

// One example of each command, for its help, the man pages and `stampede help examples`.

#include <CLI/CLI.hpp>
#include <string>
#include <string_view>

namespace stampede::tools {

// A whole line as it is typed; empty: the command has none (a test finds that). A command that only
// holds others has that of its first.
std::string example_of(const CLI::App& command);

// Puts each command's example behind its help.
void add_examples(CLI::App& app);

}  // namespace stampede::tools
