#include "config/process/wall_clock.h"

#include <chrono>
#include <limits>

namespace stampede::config {

namespace {

template <class Unit>
std::int64_t wall() {
  return std::chrono::floor<Unit>(std::chrono::system_clock::now().time_since_epoch()).count();
}

}  // namespace

std::int64_t steady_us() {
  const auto now = std::chrono::steady_clock::now().time_since_epoch();
  return std::chrono::floor<std::chrono::microseconds>(now).count();
}

std::int64_t wall_ns() {
  return wall<std::chrono::nanoseconds>();
}

std::int64_t wall_us() {
  return wall<std::chrono::microseconds>();
}

std::int64_t wall_ms() {
  return wall<std::chrono::milliseconds>();
}

BothClocks both_clocks() {
  constexpr int kTries = 8;
  constexpr std::int64_t kApartMax = 50;  // us; a reading takes 0.05
  BothClocks best{};
  std::int64_t apart = std::numeric_limits<std::int64_t>::max();
  for (int i = 0; i < kTries && apart > kApartMax; ++i) {
    const auto before = steady_us();
    const auto wall = wall_us();
    const auto took = steady_us() - before;
    if (took >= apart) continue;
    apart = took;
    best = {wall, before + took / 2};
  }
  return best;
}

}  // namespace stampede::config
