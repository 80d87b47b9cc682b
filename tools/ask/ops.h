#pragma once

// `stampede ops`: the way into the operator's page. Blocks; one thread.

#include "tools/ask/tool_options.h"

namespace stampede::tools {

// Prints a link that opens the page once, within two minutes. Returns the process's exit code: 7
// when no supervisor runs.
int run_ops(const ToolOptions& options);

}  // namespace stampede::tools
