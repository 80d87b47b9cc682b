#pragma once

#include <cstdint>

namespace stampede::actors {

// A time, or a span of it, in microseconds of a clock that only goes forward; whose is the caller's
// affair. Agents are told the time and answer how long there is nothing to do.
using Micros = std::int64_t;
inline constexpr Micros kMillis = 1000;
inline constexpr Micros kSeconds = 1000 * kMillis;

}  // namespace stampede::actors
