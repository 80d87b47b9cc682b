#pragma once

// What an operator does to nodes and to the taking of orders, through the supervisor. Each blocks
// until it is so, or for as long as it says; prints; returns the process's exit code. One thread.

#include <cstdint>
#include <string>

#include "tools/ask/tool_options.h"

namespace stampede::tools {

inline constexpr std::int64_t kNodeWaitMs = 30'000;

// Starts nodes that were stopped, wait for the operator or back off. `node` empty: all of them.
// Does not wait. 0.
int run_start(const ToolOptions& options, const std::string& node);

// Ends a node; it is not started again, whoever crashes, until `start` or the next start of the
// whole system. 0 it is down; 5 not within wait_ms (it still drains).
int run_stop(const ToolOptions& options, const std::string& node, std::int64_t wait_ms);

// 0 it serves again, in another process; 5 not within wait_ms.
int run_restart(const ToolOptions& options, const std::string& node, std::int64_t wait_ms);

// Every webapp refuses new orders and tickets with `draining`; reads, payments and cancellations go
// on. Holds until undrain, whoever crashes, or until the system is stopped. 0 every webapp that
// runs says so and, with wait_ms, all that was taken is decided and stored; 5 not within it.
int run_drain(const ToolOptions& options, std::int64_t wait_ms);
int run_undrain(const ToolOptions& options);

// How many nodes of each role run, or, with a list like webapp=3, are to run from now on. 0 they
// serve, and those beyond have ended; 2 the list is none; 5 not within wait_ms; 6 refused: a role
// that does not change, or a port that is taken; nothing was changed then.
int run_nodes(const ToolOptions& options, const std::string& list, std::int64_t wait_ms);

// The newest recoveries, newest first: cause, duration, requests asked again. 0.
int run_recoveries(const ToolOptions& options, int limit);

}  // namespace stampede::tools
