#pragma once

// Moments as people write them: RFC 3339 with a zone ("2026-11-29T20:00:00+08:00", seconds may have
// a fraction, of which milliseconds count), "now", or a time from now ("+90s", "+5m", "-1h",
// "+2d"): when now is, says whoever is asked. Pure functions; milliseconds, UTC.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace stampede::tools {

struct Moment {
  std::int64_t ms = 0;  // since 1970, or from now on
  bool from_now = false;
  bool operator==(const Moment&) const = default;
};

// Nothing: it is none of these, or not between 1970 and the end of 9999.
std::optional<Moment> parse_moment(std::string_view text);

// Milliseconds since 1970 of a moment, or of a time ago ("10m", "30s", as durations are written);
// `now_ms` is now.
std::optional<std::int64_t> parse_past_ms(std::string_view text, std::int64_t now_ms);

// "2026-11-29T12:00:00.250Z"; whole seconds without a fraction.
std::string moment_text(std::int64_t ms);

}  // namespace stampede::tools
