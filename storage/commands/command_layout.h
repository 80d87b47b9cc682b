#pragma once

// Sizes of the payloads in storage/commands/command.h, shared by their encoder and decoder and
// nobody else. Pure functions.

#include <bit>
#include <cstddef>
#include <cstdint>

#include "storage/commands/command.h"

namespace stampede::storage {

inline constexpr std::size_t kHashBytes = 16;
inline constexpr std::uint32_t kRejectionValuesOfFormat1 = 5;
inline constexpr std::uint32_t kRejectionValues = 7;

// Its own inverse.
constexpr std::uint64_t big_endian(std::uint64_t value) {
  if constexpr (std::endian::native == std::endian::little) return __builtin_bswap64(value);
  return value;
}

}  // namespace stampede::storage
