#pragma once

// The backend node: its port (sockets, heartbeats, decisions), the log actor, the lanes. See
// docs/architecture.md for the way of one order and of one recovery.

#include "actors/node/node.h"

namespace stampede::actors {

// Runs a backend in this process until it is stopped; returns the exit code. Blocks.
int run_backend(NodeOptions options);

}  // namespace stampede::actors
