#pragma once

// The rule of a table that is there for all: while there is much room everybody may have as much of
// it as comes; near its end, kShareOfFree times of what is left in front of the last eighth, so one
// alone gets seven ninths of all, ten get seven 81sts each. The last eighth is for who has next to
// nothing: there one may have one of kLeftForOne that are left, so that hundreds who take all they
// can get leave room for a newcomer. Pure.

#include <cstdint>

namespace stampede::actors {

inline constexpr std::uint64_t kShareOfFree = 8;
inline constexpr std::uint64_t kLeftForOne = 128;

constexpr std::uint64_t last_eighth_of(std::uint64_t max) {
  return max / 8;
}

// Below this nobody can have more than his share.
constexpr std::uint64_t plenty_of(std::uint64_t max) {
  return (max - last_eighth_of(max)) * kShareOfFree / (kShareOfFree + 1);
}

// Whether one who has `own` of the `taken` may have one more.
constexpr bool in_share(std::uint64_t own, std::uint64_t taken, std::uint64_t max) {
  if (taken < plenty_of(max)) return true;
  if (taken >= max) return false;
  const auto left = max - taken, last = last_eighth_of(max);
  return own <= left / kLeftForOne || (left > last && own <= kShareOfFree * (left - last));
}

}  // namespace stampede::actors
