#include "tools/ask/duration.h"

#include <charconv>
#include <cmath>

namespace stampede::tools {
namespace {

constexpr double kMax = 30.0 * 24 * 3600 * 1000;

double unit_ms(std::string_view unit) {
  if (unit == "ms") return 1;
  if (unit == "s" || unit.empty()) return 1000;
  if (unit == "m") return 60'000;
  if (unit == "h") return 3'600'000;
  return 0;
}

}  // namespace

std::optional<std::int64_t> parse_duration_ms(std::string_view text) {
  double number = 0;
  const char* end = text.data() + text.size();
  const auto [rest, error] = std::from_chars(text.data(), end, number, std::chars_format::fixed);
  if (error != std::errc{}) return std::nullopt;
  const double unit = unit_ms({rest, static_cast<std::size_t>(end - rest)});
  const double ms = number * unit;
  if (unit == 0 || !(ms >= 0) || ms > kMax) return std::nullopt;
  return std::llround(ms);
}

}  // namespace stampede::tools
