#pragma once

#include <chrono>

#include "actors/backend/agents/micros.h"

namespace stampede::actors {

// The time that the backend's agents are told.
inline Micros monotonic_us() {
  return std::chrono::duration_cast<std::chrono::microseconds>(
             std::chrono::steady_clock::now().time_since_epoch())
      .count();
}

}  // namespace stampede::actors
