#pragma once

// Sizes of the payloads in storage/commands/command.h, shared by their encoder and decoder and
// nobody else. Pure functions.

#include <bit>
#include <cstddef>
#include <cstdint>

#include "storage/commands/command.h"

namespace stampede::storage {

inline constexpr std::size_t kHashBytes = 16;

// Arguments of each command in its array, the kind not counted; an id text may come behind them.
inline constexpr std::uint32_t kOrderArguments = 6;
inline constexpr std::uint32_t kAmountArguments = 2;
inline constexpr std::uint32_t kPutArguments = 8;

constexpr std::uint32_t argument_count(CommandKind kind) {
  switch (kind) {
    case CommandKind::order_insert:
      return kOrderArguments;
    case CommandKind::item_amount_update:
      return kAmountArguments;
    case CommandKind::item_put:
      return kPutArguments;
    case CommandKind::invalid:
      break;
  }
  return 0;
}

// Its own inverse.
constexpr std::uint64_t big_endian(std::uint64_t value) {
  if constexpr (std::endian::native == std::endian::little) return __builtin_bswap64(value);
  return value;
}

}  // namespace stampede::storage
