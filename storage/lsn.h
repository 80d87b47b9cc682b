#pragma once

// A log position: (epoch << 40) | counter. The counter starts at 1 in each epoch and is contiguous
// inside it; only EMIT and REJECT records take one. Printed for people as `epoch.counter`.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace stampede::storage {

using Lsn = std::uint64_t;

inline constexpr unsigned kLsnCounterBits = 40;
inline constexpr Lsn kLsnCounterMask = (Lsn{1} << kLsnCounterBits) - 1;
inline constexpr std::uint64_t kEpochMax = (std::uint64_t{1} << 23) - 1;  // lsn stays below 2^63

constexpr Lsn make_lsn(std::uint64_t epoch, std::uint64_t counter) {
  return (epoch << kLsnCounterBits) | counter;
}
constexpr std::uint64_t lsn_epoch(Lsn lsn) {
  return lsn >> kLsnCounterBits;
}
constexpr std::uint64_t lsn_counter(Lsn lsn) {
  return lsn & kLsnCounterMask;
}

std::string to_text(Lsn lsn);                         // "1.187402"
std::optional<Lsn> parse_lsn(std::string_view text);  // accepts "1.187402" and plain digits

}  // namespace stampede::storage
