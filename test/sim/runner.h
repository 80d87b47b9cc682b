#pragma once

// The command line of stampede_sim, and its worker processes: a seed that breaks an assertion ends
// its worker, not the run.

#include <cstdint>
#include <string>
#include <vector>

#include "test/sim/world.h"

namespace stampede::sim {

// One seed in this process.
RunResult run_seed(std::uint64_t seed, const RunOptions& options);

// The exit code: 0, 2 wrong use, 4 a violation.
int run_command(const std::vector<std::string>& arguments);

}  // namespace stampede::sim
