#pragma once

// Decimal digits of a fixed width, several at a time: a bench writes and reads some for every
// order. Pure.

#include <array>
#include <cstdint>
#include <cstring>

namespace stampede::tools {

// Writes the last 2 × `Pairs` digits of `value`.
template <unsigned Pairs>
inline void write_digit_pairs(char* at, std::uint32_t value) {
  static constexpr auto kPairs = [] {
    std::array<char, 200> pairs{};
    for (std::size_t i = 0; i < 100; ++i) {
      pairs[2 * i] = static_cast<char>('0' + i / 10);
      pairs[2 * i + 1] = static_cast<char>('0' + i % 10);
    }
    return pairs;
  }();
  for (unsigned pair = Pairs; pair-- > 0; value /= 100)
    std::memcpy(at + 2 * pair, &kPairs[value % 100 * 2], 2);
}

// Reads eight digits. False: they are none.
inline bool read_8_digits(const char* at, std::uint32_t& value) {
  std::uint64_t bytes = 0;
  std::memcpy(&bytes, at, sizeof bytes);  // little-endian, as every machine this runs on
  constexpr std::uint64_t kHigh = 0xF0F0F0F0F0F0F0F0, kZeros = 0x3030303030303030;
  if ((bytes & kHigh) != kZeros || ((bytes + 0x0606060606060606) & kHigh) != kZeros) return false;
  bytes -= kZeros;
  bytes = bytes * 10 + (bytes >> 8);  // pairs, then quadruples, then all eight
  constexpr std::uint64_t kPairMask = 0x000000FF000000FF;
  value = static_cast<std::uint32_t>(((bytes & kPairMask) * 0x000F424000000064 +
                                      ((bytes >> 16) & kPairMask) * 0x0000271000000001) >>
                                     32);
  return true;
}

// Reads any number of digits below 20. False: something else, or none.
inline bool read_digits(const char* at, std::size_t count, std::uint64_t& value) {
  value = 0;
  if (count == 0 || count > 19) return false;
  const char* end = at + count;
  for (std::uint32_t eight = 0; end - at >= 8; at += 8) {
    if (!read_8_digits(at, eight)) return false;
    value = value * 100'000'000 + eight;
  }
  for (; at != end; ++at) {
    if (*at < '0' || *at > '9') return false;
    value = value * 10 + static_cast<std::uint64_t>(*at - '0');
  }
  return true;
}

}  // namespace stampede::tools
