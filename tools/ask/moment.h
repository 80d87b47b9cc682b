#pragma once

// Moments as people write them: RFC 3339 with a zone ("2026-11-29T20:00:00+08:00", seconds may have
// a fraction, of which milliseconds count), "now", or a time from now ("+90s", "+5m", "-1h",
// "+2d"). Pure functions; milliseconds since 1970, UTC.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace stampede::tools {

// Nothing: it is none of these, or not between 1970 and the end of 9999.
std::optional<std::int64_t> parse_moment(std::string_view text, std::int64_t now_ms);

// "2026-11-29T12:00:00.250Z"; whole seconds without a fraction.
std::string moment_text(std::int64_t ms);

}  // namespace stampede::tools
