#include "config/process/wall_clock.h"

#include <chrono>

namespace stampede::config {

namespace {

template <class Unit>
std::int64_t wall() {
  return std::chrono::floor<Unit>(std::chrono::system_clock::now().time_since_epoch()).count();
}

}  // namespace

std::int64_t wall_ns() {
  return wall<std::chrono::nanoseconds>();
}

std::int64_t wall_us() {
  return wall<std::chrono::microseconds>();
}

std::int64_t wall_ms() {
  return wall<std::chrono::milliseconds>();
}

}  // namespace stampede::config
