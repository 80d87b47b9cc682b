#pragma once

// Keeps a SaleClock true: reads both clocks, leaves to the next process what it may not forget, and
// tells of alarms. Whoever runs it (the port of the backend, or a simulator) calls look() every
// 50 ms or so, for as long as orders are decided. One thread; blocks as long as keep() does.

#include <cstdint>
#include <optional>
#include <string_view>

#include "actors/backend/agents/micros.h"
#include "actors/backend/core/sale_clock.h"

namespace stampede::actors {

// What the agent asks and tells. Called in its own calls; must not call back into it.
class ClockOutlet {
 public:
  virtual ClockReading clocks() = 0;              // both, read at one moment
  virtual std::optional<KeptClock> kept() = 0;    // the newest of this boot of the machine, if any
  virtual void keep(const KeptClock& clock) = 0;  // need not outlive the boot
  virtual void alarm(Micros ahead) = 0;           // it begins
  virtual void alarm_is_over() = 0;

 protected:
  ~ClockOutlet() = default;
};

class ClockAgent {
 public:
  explicit ClockAgent(ClockOutlet& outlet);  // the first look

  void look();
  [[nodiscard]] std::int64_t now_us(Micros steady) const { return clock_.now_us(steady); }
  [[nodiscard]] Micros ahead() const { return clock_.ahead_us(); }  // of an alarm; 0: there is none
  SaleClock::Accepted believe(std::string_view request_id);         // looks first; kept on return

 private:
  void take_note();

  ClockOutlet& outlet_;
  std::optional<KeptClock> stored_;
  SaleClock clock_;
  bool alarm_ = false;  // was told
};

}  // namespace stampede::actors
