#include "actors/http/http_date.h"

#include <array>
#include <cstdio>
#include <ctime>

#include "config/process/wall_clock.h"

namespace stampede::actors {

// Not by strftime, which speaks the language of the process.
std::string http_date(std::int64_t seconds) {
  static constexpr std::array<const char*, 7> kDays{"Sun", "Mon", "Tue", "Wed",
                                                    "Thu", "Fri", "Sat"};
  static constexpr std::array<const char*, 12> kMonths{"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                                       "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
  const std::time_t at = seconds;
  std::tm utc{};
  ::gmtime_r(&at, &utc);
  std::array<char, 64> text{};
  const int size = std::snprintf(text.data(), text.size(), "%s, %02d %s %04d %02d:%02d:%02d GMT",
                                 kDays.at(static_cast<std::size_t>(utc.tm_wday)), utc.tm_mday,
                                 kMonths.at(static_cast<std::size_t>(utc.tm_mon)),
                                 utc.tm_year + 1900, utc.tm_hour, utc.tm_min, utc.tm_sec);
  return {text.data(), static_cast<std::size_t>(size)};
}

std::string_view http_date_now() {
  thread_local std::int64_t made_for = -1;
  thread_local std::string made;
  const auto now = config::wall_ms() / 1000;
  if (now != made_for) made = http_date(made_for = now);
  return made;
}

}  // namespace stampede::actors
