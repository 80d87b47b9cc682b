#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "storage/snapshot/snapshot_entries.h"

namespace stampede::actors {

// Shows fn the first number of an entry that is still some way off in a block of such entries: what
// it will be looked up by, to ask for memory ahead.
template <class Fn>
void look_at_entry_ahead(std::string_view block, std::size_t entry_bytes, Fn&& fn) {
  const std::size_t ahead = 24 * entry_bytes;
  if (block.size() < ahead + entry_bytes) return;
  storage::EntryReader far(block.substr(ahead));
  fn(far.number<std::uint64_t>());
}

}  // namespace stampede::actors
