#pragma once

// Stateless; any thread; does not block.

#include <string>

namespace stampede::tools {

// Whether a node could listen there now; `why` not, in words. `host` is an IPv4 address.
bool is_port_free(const std::string& host, int port, std::string& why);

}  // namespace stampede::tools
