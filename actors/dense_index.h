#pragma once

// A hash index from 64-bit hashes to positions in dense storage that its owner keeps. A slot is 8
// bytes: a position and the low half of its hash, so the storage is looked at for a true match only
// (or one stranger in four billion), and growing or erasing needs no look at all. 256 shards grow
// one by one, which keeps the pause of a growth below a millisecond at ten million entries. At most
// two thirds of the slots are used: 12 to 24 bytes an entry. Thread-compatible.

#include <array>
#include <bit>
#include <cstdint>
#include <vector>

#include "config/invariant.h"

namespace stampede::actors {

class DenseIndex {
 public:
  static constexpr std::uint32_t kNone = 0xFFFFFFFF;  // no position; all others may be stored

  // The position stored under `hash` for which matches(position) is true, or kNone.
  template <class Matches>
  std::uint32_t find(std::uint64_t hash, Matches&& matches) const {
    const auto& shard = shards_[hash >> 56];
    if (shard.slots.empty()) return kNone;
    const auto mask = shard.slots.size() - 1;
    for (auto at = hash & mask;; at = (at + 1) & mask) {
      const auto& slot = shard.slots[at];
      if (slot.position == kNone) return kNone;
      if (slot.hash == low(hash) && matches(slot.position)) return slot.position;
    }
  }

  // The first position that find(hash) will ask about, or kNone.
  [[nodiscard]] std::uint32_t likely(std::uint64_t hash) const {
    return find(hash, [](std::uint32_t) { return true; });
  }

  // Asks for the cache line that find(hash) will look at first.
  void prefetch(std::uint64_t hash) const {
    const auto& slots = shards_[hash >> 56].slots;
    if (!slots.empty()) __builtin_prefetch(slots.data() + (hash & (slots.size() - 1)));
  }

  void insert(std::uint64_t hash, std::uint32_t position) {
    STAMPEDE_ASSERT(position != kNone, "an index position is not 'none'");
    auto& shard = shards_[hash >> 56];
    if ((shard.used + 1) * 3 > shard.slots.size() * 2) grow(shard);
    place(shard, {low(hash), position});
    ++shard.used;
  }

  // Room for about `entries` in all; of an index that is empty.
  void reserve(std::size_t entries) {
    // Shards fill up unevenly: a tenth more than the mean is enough for nearly all of them.
    const auto each = entries / shards_.size() + entries / shards_.size() / 10;
    if (each == 0) return;  // the shards of a small index grow soon enough
    for (auto& shard : shards_) {
      STAMPEDE_ASSERT(shard.used == 0, "room is made before the first entry");
      shard.slots.assign(std::bit_ceil(each * 3 / 2 + 1), Slot{});
    }
  }

  // Takes out the entry with exactly this hash and position; asserts that it is there.
  void erase(std::uint64_t hash, std::uint32_t position) {
    auto& shard = shards_[hash >> 56];
    STAMPEDE_ASSERT(shard.used > 0, "an index entry that is erased exists");
    const auto mask = shard.slots.size() - 1;
    auto hole = hash & mask;
    while (shard.slots[hole].position != position || shard.slots[hole].hash != low(hash)) {
      STAMPEDE_ASSERT(shard.slots[hole].position != kNone, "an index entry that is erased exists");
      hole = (hole + 1) & mask;
    }
    // Backward shift (Knuth, TAOCP 6.4, algorithm R): no tombstones.
    for (auto at = (hole + 1) & mask; shard.slots[at].position != kNone; at = (at + 1) & mask) {
      const auto home = shard.slots[at].hash & mask;
      if (((at - home) & mask) < ((at - hole) & mask)) continue;
      shard.slots[hole] = shard.slots[at];
      hole = at;
    }
    shard.slots[hole] = Slot{};
    --shard.used;
  }

  [[nodiscard]] std::size_t memory_bytes() const {
    std::size_t bytes = sizeof(*this);
    for (const auto& shard : shards_) bytes += shard.slots.capacity() * sizeof(Slot);
    return bytes;
  }

 private:
  struct Slot {
    std::uint32_t hash = 0;
    std::uint32_t position = kNone;
  };
  struct Shard {
    std::vector<Slot> slots;  // size 0 or a power of two, below 2^32
    std::size_t used = 0;
  };

  static std::uint32_t low(std::uint64_t hash) { return static_cast<std::uint32_t>(hash); }

  static void place(Shard& shard, Slot slot) {
    const auto mask = shard.slots.size() - 1;
    auto at = slot.hash & mask;
    while (shard.slots[at].position != kNone) at = (at + 1) & mask;
    shard.slots[at] = slot;
  }

  static void grow(Shard& shard) {
    std::vector<Slot> old(shard.slots.empty() ? 8 : shard.slots.size() * 2);
    old.swap(shard.slots);
    for (const auto& slot : old)
      if (slot.position != kNone) place(shard, slot);
  }

  std::array<Shard, 256> shards_;
};

// Append-only storage in blocks: growing never moves what is there and never doubles the memory.
template <class T, std::size_t kBlock = 4096>
class BlockVector {
 public:
  T& operator[](std::size_t i) { return blocks_[i / kBlock][i % kBlock]; }
  const T& operator[](std::size_t i) const { return blocks_[i / kBlock][i % kBlock]; }
  [[nodiscard]] std::size_t size() const { return size_; }
  T& push_back(const T& value) {
    if (size_ % kBlock == 0) blocks_.emplace_back().reserve(kBlock);
    ++size_;
    return blocks_.back().emplace_back(value);
  }
  [[nodiscard]] std::size_t memory_bytes() const { return blocks_.size() * kBlock * sizeof(T); }

 private:
  std::vector<std::vector<T>> blocks_;
  std::size_t size_ = 0;
};

}  // namespace stampede::actors
