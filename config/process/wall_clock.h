#pragma once

// The time of day, for records and for people; since 1970-01-01 UTC. It may jump: nothing waits by
// it. Any thread.

#include <cstdint>

namespace stampede::config {

std::int64_t wall_ns();
std::int64_t wall_us();
std::int64_t wall_ms();

}  // namespace stampede::config
