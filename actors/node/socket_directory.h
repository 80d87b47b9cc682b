#pragma once

#include <string>

#include "actors/protocol/endpoint.h"

namespace stampede::actors {

// Makes socket_directory(net) with mode 0700, also when an earlier run left it with another one.
// Blocks on the file system. Returns an empty string or what went wrong.
std::string make_socket_directory(const transport::NetOptions& net);

}  // namespace stampede::actors
