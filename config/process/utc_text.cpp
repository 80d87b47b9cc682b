#include "config/process/utc_text.h"

#include <array>
#include <chrono>
#include <cstdio>

namespace stampede::config {

namespace chr = std::chrono;

std::string utc_text(std::int64_t ms) {
  const chr::sys_time<chr::milliseconds> at{chr::milliseconds{ms}};
  const auto midnight = chr::floor<chr::days>(at);
  const chr::year_month_day date{midnight};
  const chr::hh_mm_ss time{at - midnight};
  std::array<char, 48> text;
  const auto fraction = static_cast<int>(time.subseconds().count());
  std::snprintf(text.data(), text.size(), "%04d-%02u-%02uT%02d:%02d:%02d", int{date.year()},
                unsigned{date.month()}, unsigned{date.day()},
                static_cast<int>(time.hours().count()), static_cast<int>(time.minutes().count()),
                static_cast<int>(time.seconds().count()));
  std::string out = text.data();
  if (fraction != 0) {
    std::snprintf(text.data(), text.size(), ".%03d", fraction);
    out += text.data();
  }
  return out + "Z";
}

}  // namespace stampede::config
