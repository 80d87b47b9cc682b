#pragma once

// `stampede chaos kill NODE [--actor NAME]` and `stampede start [NODE]`: what an operator asks the
// supervisor to do to nodes. Block; one thread. Return the process's exit code: 0 done, 2 unknown
// node or actor (the list is shown), 3 the node does not run, 6 dev is off, 7 no supervisor.

#include <string>

#include "tools/tool_options.h"

namespace stampede::tools {

// `actor` empty: kill -9 of the process; else that actor is killed and the process exits 70.
int run_chaos_kill(const ToolOptions& options, const std::string& node, const std::string& actor);

// Starts nodes that wait for the operator or back off, at once. `node` empty: all of them.
int run_start(const ToolOptions& options, const std::string& node);

}  // namespace stampede::tools
