#pragma once

// Moments that all processes of a machine share: multiples of a period of the steady clock. What
// only has to happen every so often, happens then, so that one waking serves several timers and
// several processes. Pure.

#include <chrono>

#include "transport/port/port.h"

namespace stampede::transport {

// The first multiple of the period behind `now`.
inline MonoTime next_on_grid(MonoTime now, std::chrono::milliseconds period) {
  const auto since = now.time_since_epoch();
  return MonoTime(since - since % period + period);
}

}  // namespace stampede::transport
