#pragma once

// Which tickets were signed, or found to be signed, here. Most orders come to the webapp that gave
// their ticket, which then knows it for a sixth of what its MAC would cost anew.
//
// Kept of each is a keyed hash of 64 bits (SipHash-2-4) of all that it says and of its MAC. Nobody
// else has the key, so to have another text taken for it takes 2^60 orders or so; the backend sells
// nothing for what such a text says, either. One that is not found may be signed all the same.
// Pure; one thread. Memory: 4 MiB from the first ticket on, for the newest half a million.

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "actors/memory/page_memory.h"

namespace stampede::actors {

class KnownTickets {
 public:
  using Key = std::array<std::uint64_t, 2>;  // random
  explicit KnownTickets(const Key& key) : key_(key) {}

  // `bytes`, here and below: of a ticket, its MAC first.
  struct Hashed {
    std::size_t set = 0;
    std::uint64_t hash = 0;
  };
  // Asks for the line of memory that has() looks at, for which the MAC's first bytes are enough.
  void prefetch(std::string_view bytes) const;
  [[nodiscard]] Hashed hashed(std::string_view bytes) const;
  [[nodiscard]] bool has(const Hashed& ticket) const;
  void add(const Hashed& ticket);  // the oldest of its set goes

 private:
  // As many as a line of memory holds, the newest first. Few lines: that a processor's own cache
  // has some of them is worth more than longer hashes are.
  using Set = std::array<std::uint64_t, 8>;
  static constexpr std::size_t kSets = std::size_t{1} << 16U;  // two bytes say which

  [[nodiscard]] static std::size_t set_of(std::string_view bytes);
  [[nodiscard]] Set* sets() const { return static_cast<Set*>(memory_.data()); }

  Key key_;
  PageMemory memory_;  // none before the first ticket
};

}  // namespace stampede::actors
