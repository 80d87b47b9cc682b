#pragma once

// A manual page of a command, in man(7), made from the command line itself. Pure.

#include <CLI/CLI.hpp>
#include <string>
#include <string_view>

namespace stampede::tools {

// "stampede-item-add": what the page is called, without its section, which is 1.
std::string man_page_name(const CLI::App& command);

// The whole page; of the program itself it lists all commands.
std::string man_page(const CLI::App& command);

// Text of others as man(7) shows it unchanged.
std::string man_text(std::string_view text);

}  // namespace stampede::tools
