#pragma once

// "30s", "500ms", "2m" on the command line. Pure.

#include <cstdint>
#include <optional>
#include <string_view>

namespace stampede::tools {

// Milliseconds; a bare number is seconds. Empty when the text is no duration or over 30 days.
std::optional<std::int64_t> parse_duration_ms(std::string_view text);

}  // namespace stampede::tools
