#include "actors/backend/agents/clock_agent.h"

#include <cstdlib>

namespace stampede::actors {

namespace {

constexpr Micros kKeptMeans = kSeconds;  // a smaller change need not be kept

bool is_kept(const std::optional<KeptClock>& stored, const KeptClock& clock) {
  return stored && stored->accepted == clock.accepted &&
         std::abs(stored->offset_us - clock.offset_us) < kKeptMeans;
}

}  // namespace

ClockAgent::ClockAgent(ClockOutlet& outlet)
    : outlet_(outlet), stored_(outlet.kept()), clock_(outlet.clocks(), stored_) {
  take_note();
}

void ClockAgent::look() {
  clock_.look(outlet_.clocks());
  take_note();
}

SaleClock::Accepted ClockAgent::believe(std::string_view request_id) {
  clock_.look(outlet_.clocks());
  const auto accepted = clock_.believe(request_id);
  take_note();
  return accepted;
}

void ClockAgent::take_note() {
  if (!is_kept(stored_, clock_.kept())) outlet_.keep(*(stored_ = clock_.kept()));
  const bool alarm = clock_.ahead_us() > 0;
  if (alarm == alarm_) return;
  alarm_ = alarm;
  alarm ? outlet_.alarm(clock_.ahead_us()) : outlet_.alarm_is_over();
}

}  // namespace stampede::actors
