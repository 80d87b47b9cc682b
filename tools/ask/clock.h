#pragma once

// `stampede clock …`: what an operator says of the sale's clock. Blocks; one thread. Returns the
// process's exit code as `stampede item` does (tools/ask/item.h).

#include <string>

#include "tools/ask/tool_options.h"

namespace stampede::tools {

// The wall clock is right: the sale goes by it again. Empty `request_id`: minted.
int run_clock_accept(const ToolOptions& options, const std::string& request_id);

}  // namespace stampede::tools
