#pragma once

// The broker node: passes batches of requests on to the backend under its credit, and results and
// news back to the webapps. It keeps nothing: whatever it loses, webapps send again.

#include "actors/node/node.h"

namespace stampede::actors {

// Runs broker-<k> until it is told to stop; returns the node's exit code (actors/node/node.h).
// Blocks; call it in the main thread before any other thread exists. Nothing a broker holds is
// durable.
int run_broker(NodeOptions options);

}  // namespace stampede::actors
