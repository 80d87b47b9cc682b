#pragma once

// How every tool tells with --json that it failed: {"error": a word, "message": what went wrong and
// what to do, "exit": the exit code}. Pure.

#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

#include "tools/ask/failure_line.h"

namespace stampede::tools {

// The word for a failure that has none of its own: "not_ready", "no_connection" and so on.
std::string_view failure_word(int exit);

// `code`: its own word; empty: the one of `exit`.
nlohmann::json failure_report(int exit, const std::string& message, const std::string& code = {});
}  // namespace stampede::tools
