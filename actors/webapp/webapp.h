#pragma once

// The webapp node: clients' sockets, HTTP and the waiting table, in one process.

#include "actors/node/node.h"

namespace stampede::actors {

// Runs webapp-<k> until it is told to stop; returns the node's exit code (actors/node/node.h).
// Blocks; call it in the main thread before any other thread exists. Nothing a webapp holds is
// durable.
int run_webapp(NodeOptions options);

}  // namespace stampede::actors
