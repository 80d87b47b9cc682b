#pragma once

// What an operator looks at: things of a kind that the backend lists page by page. Blocks up to
// admin_client.h's time-out for each page; prints.

#include <cstdint>
#include <functional>
#include <nlohmann/json.hpp>
#include <string>
#include <variant>

#include "tools/ask/tool_options.h"

namespace stampede::tools {

// All of a kind ("item", "promo") in ascending order of ids; or the exit code of what went wrong,
// which was told.
std::variant<nlohmann::json, int> read_all(const ToolOptions& options, const std::string& kind);

// Prints the one with this id, on a terminal as it is described. The exit code.
int show_one(const ToolOptions& options, const std::string& kind, std::uint64_t id,
             const std::function<std::string(const nlohmann::json&)>& described);

}  // namespace stampede::tools
