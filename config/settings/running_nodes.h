#pragma once

// Whether a system runs in a run directory: looks at the locks of its nodes
// (<run>/NAME-NUMBER.lock), which end with their processes. Does not block. Thread-safe.

#include <filesystem>

namespace stampede::config {

// Whether another open file has the file locked (flock). False: it is not there.
[[nodiscard]] bool is_locked(const std::filesystem::path& file);

// A node of whatever kind, the supervisor too.
[[nodiscard]] bool a_node_runs(const std::filesystem::path& run_dir);

}  // namespace stampede::config
