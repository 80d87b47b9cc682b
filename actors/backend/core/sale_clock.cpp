#include "actors/backend/core/sale_clock.h"

#include <algorithm>

namespace stampede::actors {

namespace {

constexpr std::int64_t kNoiseUs = 1000;  // by which two readings of one moment may differ
// Steps forward are forgotten at this share of the time that passes, so that a clock which is put
// right by little and often never alarms, and one that is walked away does.
constexpr std::int64_t kForgottenOf = 100;

KeptClock first_clock(const ClockReading& now) {
  const auto offset_us = now.wall_us - now.steady_us;
  return {offset_us, {}, 0, offset_us, now.steady_us};
}

// Forgets what time has passed over since it was looked at.
void age(KeptClock& kept, std::int64_t steady_us) {
  const auto forgotten = std::max<std::int64_t>(0, steady_us - kept.looked_us) / kForgottenOf;
  kept.anchor_us = std::min(kept.offset_us, kept.anchor_us + forgotten);
  kept.looked_us = steady_us;
}

}  // namespace

SaleClock::SaleClock(const ClockReading& now, const std::optional<KeptClock>& kept)
    : kept_(kept.value_or(first_clock(now))), wall_offset_us_(kept_.offset_us) {
  age(kept_, now.steady_us);
  look(now);
}

void SaleClock::look(const ClockReading& now) {
  wall_offset_us_ = now.wall_us - now.steady_us;
  if (wall_offset_us_ - kept_.anchor_us > kStepMaxUs) {
    kept_.looked_us = now.steady_us;  // nothing is forgotten meanwhile
    ahead_us_ = wall_offset_us_ - kept_.offset_us;
    return;
  }
  ahead_us_ = 0;
  const auto apart = wall_offset_us_ - kept_.offset_us;
  if (apart >= kNoiseUs || apart <= -kNoiseUs) kept_.offset_us = wall_offset_us_;
  age(kept_, now.steady_us);
}

SaleClock::Accepted SaleClock::believe(std::string_view request_id) {
  if (!request_id.empty() && request_id == kept_.accepted) return {true, kept_.stepped_us};
  if (ahead_us_ == 0) return {};
  kept_ = {wall_offset_us_, std::string(request_id), ahead_us_, wall_offset_us_, kept_.looked_us};
  ahead_us_ = 0;
  return {true, kept_.stepped_us};
}

}  // namespace stampede::actors
