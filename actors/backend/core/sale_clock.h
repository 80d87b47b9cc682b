#pragma once

// The clock by which promos open and close, holds run out and decisions get their times. It runs
// with the monotonic clock and follows the wall clock: back at once, forward by small steps. A
// longer step forward is an alarm: the clock runs on as if there had been none, until an operator
// accepts it or the wall clock is put right (docs/decisions/clock-steps.md).
//
// Pure; one thread. Microseconds; those of the wall clock since 1970.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace stampede::actors {

struct ClockReading {  // of both clocks at one moment
  std::int64_t steady_us = 0;
  std::int64_t wall_us = 0;
};

// What a process leaves to the next one, as long as the machine runs: a new process would believe
// whatever the wall clock says by then.
struct KeptClock {
  std::int64_t offset_us = 0;   // sale clock less monotonic clock
  std::string accepted;         // the request id of the newest believe() that changed something
  std::int64_t stepped_us = 0;  // … and by how much it did
  std::int64_t anchor_us = 0;   // what steps forward are measured from; not above the offset
  std::int64_t looked_us = 0;   // monotonic: when the anchor was that
};

class SaleClock {
 public:
  // Forward, against the monotonic clock; several steps within some minutes are one.
  static constexpr std::int64_t kStepMaxUs = 10'000'000;

  explicit SaleClock(const ClockReading& now, const std::optional<KeptClock>& kept = {});

  // Call it every 50 ms or so: a step of the wall clock shows when it is looked at.
  void look(const ClockReading& now);
  // At a time of the monotonic clock, which may be later than the last look().
  [[nodiscard]] std::int64_t now_us(std::int64_t steady_us) const {
    return steady_us + kept_.offset_us;
  }
  // How far the wall clock has stepped ahead of this one; 0: there is no alarm.
  [[nodiscard]] std::int64_t ahead_us() const { return ahead_us_; }

  // The wall clock is right, says the operator, as of the last look(): it is followed. With the
  // request id of the newest one that changed something: its answer again, and nothing is changed.
  struct Accepted {
    bool changed = false;  // false: there was no alarm
    std::int64_t stepped_us = 0;
  };
  Accepted believe(std::string_view request_id);

  [[nodiscard]] const KeptClock& kept() const { return kept_; }

 private:
  KeptClock kept_;
  std::int64_t wall_offset_us_;
  std::int64_t ahead_us_ = 0;
};

}  // namespace stampede::actors
