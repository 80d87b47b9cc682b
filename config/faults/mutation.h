#pragma once

// Planted faults, for proving that the tests would find them (scripts/checks/mutation_gate.py). In
// a without -DSTAMPEDE_MUTATIONS=ON, which is every build but the gate's own, mutation() is a
// constant false and the hooks leave no trace. With it, the environment variable STAMPEDE_MUTATION
// names the one fault that is active in this process.

#include <string_view>

namespace stampede::config {

#ifdef STAMPEDE_MUTATIONS
bool mutation(std::string_view name);
#else
constexpr bool mutation(std::string_view) {
  return false;
}
#endif

}  // namespace stampede::config
