#pragma once

// A time of day as RFC 3339 has it, in UTC. Pure; any thread.

#include <cstdint>
#include <string>

namespace stampede::config {

// "2026-11-29T12:00:00.250Z" of milliseconds since 1970; whole seconds without a fraction.
std::string utc_text(std::int64_t ms);

}  // namespace stampede::config
