#pragma once

// `stampede status` and `stampede health`: what the supervisor knows. Block; one thread. Return the
// process's exit code.

#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>

#include "tools/ask/tool_options.h"

namespace stampede::tools {

// The lines of a status about what is sold, as /status has it: `items`, and `items_told` false
// while no backend has told its supervisor.
std::string sale_text(const nlohmann::json& status);

// What lets a node go on that waits in its start; empty: it waits for nobody outside.
std::string wait_advice(const nlohmann::json& node);

int run_status(const ToolOptions& options);  // 0 reported, 7 not running
// The same every so often until SIGINT or SIGTERM, on a terminal in one place; with --json one
// document a line. A supervisor that is away meanwhile is waited for. 0; 7 none was there at first.
int watch_status(const ToolOptions& options, std::int64_t every_ms);
int run_health(const ToolOptions& options, std::int64_t wait_ms);  // 0 ready, 3 not within wait_ms

}  // namespace stampede::tools
