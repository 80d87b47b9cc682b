#pragma once

// Moments that all processes of a machine share: multiples of a period of the steady clock. What
// only has to happen every so often, happens then, so that one waking serves several timers and
// several processes.
//
// Who sends at such a moment wakes those who listen. So the backend keeps to it, and the others
// wait a little for what is sent to them: one waking for the message and for what they do
// themselves. Pure.

#include <chrono>

#include "transport/port/port.h"

namespace stampede::transport {

// How long behind a moment of the grid a process waits for messages of that moment.
struct BehindGrid {
  static constexpr std::chrono::milliseconds kBackend{0};
  static constexpr std::chrono::milliseconds kBroker{5};       // for the backend's
  static constexpr std::chrono::milliseconds kWebapp{10};      // for the broker's
  static constexpr std::chrono::milliseconds kSupervisor{20};  // for everybody's
};

// The first multiple of the period behind `now`.
inline MonoTime next_on_grid(MonoTime now, std::chrono::milliseconds period) {
  const auto since = now.time_since_epoch();
  return MonoTime(since - since % period + period);
}

}  // namespace stampede::transport
