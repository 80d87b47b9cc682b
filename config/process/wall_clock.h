#pragma once

// The time of day, for records and for people; since 1970-01-01 UTC. It may jump: nothing waits by
// it. And the clock that only goes forward. Any thread.

#include <cstdint>

namespace stampede::config {

std::int64_t wall_ns();
std::int64_t wall_us();
std::int64_t wall_ms();
std::int64_t steady_us();

// The time of day and the clock that only goes forward, read at one moment: a thread that loses its
// processor between the two readings reads them again, some times at the most.
struct BothClocks {
  std::int64_t wall_us;
  std::int64_t steady_us;
};
BothClocks both_clocks();

}  // namespace stampede::config
