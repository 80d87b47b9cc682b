#include "actors/backend/core/sale_clock.h"

#include <algorithm>

namespace stampede::actors {

namespace {

constexpr std::int64_t kNoiseUs = 1000;  // by which two readings of one moment may differ
// Steps forward are forgotten at this share of the time that passes, so that a clock which is put
// right by little and often never alarms, and one that is walked away does.
constexpr std::int64_t kForgottenOf = 100;

}  // namespace

SaleClock::SaleClock(const ClockReading& now, const std::optional<KeptClock>& kept)
    : kept_(kept.value_or(KeptClock{now.wall_us - now.steady_us, {}, 0})),
      anchor_us_(kept_.offset_us),
      wall_offset_us_(kept_.offset_us),
      looked_us_(now.steady_us) {
  look(now);
}

void SaleClock::look(const ClockReading& now) {
  wall_offset_us_ = now.wall_us - now.steady_us;
  const auto forgotten = std::max<std::int64_t>(0, now.steady_us - looked_us_) / kForgottenOf;
  looked_us_ = now.steady_us;
  if (wall_offset_us_ - anchor_us_ > kStepMaxUs) {
    ahead_us_ = wall_offset_us_ - kept_.offset_us;
    return;
  }
  ahead_us_ = 0;
  const auto apart = wall_offset_us_ - kept_.offset_us;
  if (apart >= kNoiseUs || apart <= -kNoiseUs) kept_.offset_us = wall_offset_us_;
  anchor_us_ = std::min(kept_.offset_us, anchor_us_ + forgotten);
}

SaleClock::Accepted SaleClock::believe(std::string_view request_id) {
  if (!request_id.empty() && request_id == kept_.accepted) return {true, kept_.stepped_us};
  if (ahead_us_ == 0) return {};
  kept_ = {wall_offset_us_, std::string(request_id), ahead_us_};
  anchor_us_ = kept_.offset_us;
  ahead_us_ = 0;
  return {true, kept_.stepped_us};
}

}  // namespace stampede::actors
