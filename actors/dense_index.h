#pragma once

// A hash index from 64-bit hashes to positions in dense storage that its owner keeps. Costs 4 bytes
// a slot; a slot also holds 4 bits of the hash, so that most strangers are told apart without a
// look at the storage. 256 shards grow one by one, which keeps the pause of a growth below a
// millisecond at ten million entries. Thread-compatible; positions must be below kPositionsMax.

#include <array>
#include <bit>
#include <cstdint>
#include <vector>

#include "config/invariant.h"

namespace stampede::actors {

class DenseIndex {
 public:
  static constexpr std::uint32_t kNone = 0xFFFFFFFF;
  static constexpr std::uint32_t kPositionsMax = (1u << 28) - 1;

  // The position stored under `hash` for which matches(position) is true, or kNone.
  template <class Matches>
  std::uint32_t find(std::uint64_t hash, Matches&& matches) const {
    const auto& shard = shards_[hash >> 56];
    if (shard.slots.empty()) return kNone;
    const auto mask = shard.slots.size() - 1;
    for (auto at = hash & mask;; at = (at + 1) & mask) {
      const auto slot = shard.slots[at];
      if (slot == kEmpty) return kNone;
      if (tag_of(slot) == tag(hash) && matches(position_of(slot))) return position_of(slot);
    }
  }

  // Asks for the cache line that find(hash) will look at first.
  void prefetch(std::uint64_t hash) const {
    const auto& slots = shards_[hash >> 56].slots;
    if (!slots.empty()) __builtin_prefetch(slots.data() + (hash & (slots.size() - 1)));
  }

  // The first position that find(hash) will ask about, or kNone; nearly always the right one.
  [[nodiscard]] std::uint32_t likely(std::uint64_t hash) const {
    const auto& slots = shards_[hash >> 56].slots;
    if (slots.empty()) return kNone;
    const auto mask = slots.size() - 1;
    for (auto at = hash & mask; slots[at] != kEmpty; at = (at + 1) & mask)
      if (tag_of(slots[at]) == tag(hash)) return position_of(slots[at]);
    return kNone;
  }

  // Adds an entry; hash_of(position) gives the hash of any entry added before (used to grow).
  template <class HashOf>
  void insert(std::uint64_t hash, std::uint32_t position, HashOf&& hash_of) {
    STAMPEDE_ASSERT(position < kPositionsMax, "an index position fits 28 bits");
    auto& shard = shards_[hash >> 56];
    if ((shard.used + 1) * 2 > shard.slots.size()) grow(shard, hash_of);
    place(shard, hash, position);
    ++shard.used;
  }

  // Room for about `entries` in all; of an index that is empty.
  void reserve(std::size_t entries) {
    // Shards fill up unevenly: a tenth more than the mean is enough for nearly all of them.
    const auto each = entries / shards_.size() + entries / shards_.size() / 10;
    if (each == 0) return;  // the shards of a small index grow soon enough
    for (auto& shard : shards_) {
      STAMPEDE_ASSERT(shard.used == 0, "room is made before the first entry");
      shard.slots.assign(std::bit_ceil(2 * each), kEmpty);
    }
  }

  // Takes out the entry with exactly this position; asserts that it is there.
  template <class HashOf>
  void erase(std::uint64_t hash, std::uint32_t position, HashOf&& hash_of) {
    auto& shard = shards_[hash >> 56];
    const auto mask = shard.slots.size() - 1;
    auto hole = hash & mask;
    while (shard.slots[hole] == kEmpty || position_of(shard.slots[hole]) != position) {
      STAMPEDE_ASSERT(shard.slots[hole] != kEmpty, "an index entry that is erased exists");
      hole = (hole + 1) & mask;
    }
    // Backward shift (Knuth, TAOCP 6.4, algorithm R): no tombstones.
    for (auto at = (hole + 1) & mask; shard.slots[at] != kEmpty; at = (at + 1) & mask) {
      const auto home = hash_of(position_of(shard.slots[at])) & mask;
      if (((at - home) & mask) < ((at - hole) & mask)) continue;
      shard.slots[hole] = shard.slots[at];
      hole = at;
    }
    shard.slots[hole] = kEmpty;
    --shard.used;
  }

  [[nodiscard]] std::size_t memory_bytes() const {
    std::size_t bytes = sizeof(*this);
    for (const auto& shard : shards_) bytes += shard.slots.capacity() * sizeof(std::uint32_t);
    return bytes;
  }

 private:
  static constexpr std::uint32_t kEmpty = 0xFFFFFFFF;
  struct Shard {
    std::vector<std::uint32_t> slots;  // size 0 or a power of two
    std::size_t used = 0;
  };

  static std::uint32_t tag(std::uint64_t hash) { return (hash >> 52) & 0xF; }
  static std::uint32_t tag_of(std::uint32_t slot) { return slot >> 28; }
  static std::uint32_t position_of(std::uint32_t slot) { return slot & kPositionsMax; }

  static void place(Shard& shard, std::uint64_t hash, std::uint32_t position) {
    const auto mask = shard.slots.size() - 1;
    auto at = hash & mask;
    while (shard.slots[at] != kEmpty) at = (at + 1) & mask;
    shard.slots[at] = (tag(hash) << 28) | position;
  }

  template <class HashOf>
  static void grow(Shard& shard, HashOf&& hash_of) {
    std::vector<std::uint32_t> old(shard.slots.empty() ? 8 : shard.slots.size() * 2, kEmpty);
    old.swap(shard.slots);
    for (const auto slot : old)
      if (slot != kEmpty) place(shard, hash_of(position_of(slot)), position_of(slot));
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
