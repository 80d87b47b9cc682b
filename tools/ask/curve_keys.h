#pragma once

// `stampede keys new FILE`: mints a CURVE key pair (transport/zmq/curve.h).

#include <string>

#include "tools/ask/tool_options.h"

namespace stampede::tools {

// Prints the public key alone; the secret one goes into the file and nowhere else. Exit 1 when the
// file exists or cannot be written.
int run_keys_new(const ToolOptions& options, const std::string& file);

}  // namespace stampede::tools
