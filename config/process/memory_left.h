#pragma once

// How much more memory this process may take before somebody stops it: the container's limit
// (control groups of version 1 and 2, all that it lies in), its own limits (RLIMIT_AS, RLIMIT_DATA)
// and what the machine has available. For memory that is a comfort, made ahead of need.

#include <cstdint>

#include "config/process/memory_group.h"

namespace stampede::config {

struct MemoryLeft {
  std::uint64_t bytes = ~std::uint64_t{0};  // of the narrowest; very much when nothing limits
  std::uint64_t of = ~std::uint64_t{0};     // that limit itself
};

// Reads a few files of /proc and /sys: some 100 microseconds. Any thread.
MemoryLeft memory_left();
// The same without the process' own limits, from what `read` gives.
MemoryLeft memory_left(const ReadFile& read);

}  // namespace stampede::config
