#pragma once

// What somebody may have meant who typed a word that is none. Pure.

#include <CLI/CLI.hpp>
#include <string>
#include <string_view>
#include <vector>

namespace stampede::tools {

// The nearest of the words by letters that are added, left out, changed or swapped; empty: none is
// near.
std::string nearest(std::string_view typed, const std::vector<std::string>& words);

// Lines for stderr after `app` has refused the command line: each word that nobody knows there,
// and which one is near it. Empty: it was something else.
std::string advice(const CLI::App& app);

}  // namespace stampede::tools
