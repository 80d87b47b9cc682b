#pragma once

// A hash index from 64-bit hashes to positions in dense storage that its owner keeps. A slot is 8
// bytes: a position and the low half of its hash, so the storage is looked at for a true match only
// (or one stranger in four billion), and growing or erasing needs no look at all. 256 shards grow
// one by one, which keeps the pause of a growth below a millisecond at ten million entries. At most
// two thirds of the slots are used: 12 to 24 bytes an entry. Thread-compatible.

#include <bit>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

#include "config/invariant.h"

namespace stampede::actors {

class DenseIndex {
 public:
  static constexpr std::uint32_t kNone = 0xFFFFFFFF;  // no position; all others may be stored

  // The position stored under `hash` for which matches(position) is true, or kNone.
  template <class Matches>
  std::uint32_t find(std::uint64_t hash, Matches&& matches) const {
    if (shards_ == nullptr) return kNone;
    const auto& shard = shard_of(hash);
    if (shard.slots == nullptr) return kNone;
    for (auto at = low(hash) & shard.mask;; at = (at + 1) & shard.mask) {
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
    if (shards_ == nullptr) return;
    const auto& shard = shard_of(hash);
    if (shard.slots != nullptr) __builtin_prefetch(&shard.slots[low(hash) & shard.mask]);
  }

  void insert(std::uint64_t hash, std::uint32_t position) {
    STAMPEDE_ASSERT(position != kNone, "an index position is not 'none'");
    if (shards_ == nullptr) make_shards();
    auto& shard = shard_of(hash);
    if ((shard.used + std::size_t{1}) * 3 > shard.size() * 2) grow(shard);
    place(shard, {low(hash), position});
    ++shard.used;
  }

  // Room for about `entries` in all; of an index that is empty.
  void reserve(std::size_t entries) {
    // Shards fill up unevenly: a tenth more than the mean is enough for nearly all of them.
    const auto each = entries / kShards + entries / kShards / 10;
    if (each == 0) return;  // the shards of a small index grow soon enough
    if (shards_ == nullptr) make_shards();
    for (std::size_t i = 0; i < kShards; ++i) {
      STAMPEDE_ASSERT(shards_[i].used == 0, "room is made before the first entry");
      make_slots(shards_[i], std::bit_ceil(each * 3 / 2 + 1));
    }
  }

  // Takes out the entry with exactly this hash and position; asserts that it is there.
  void erase(std::uint64_t hash, std::uint32_t position) {
    STAMPEDE_ASSERT(shards_ != nullptr, "an index entry that is erased exists");
    auto& shard = shard_of(hash);
    STAMPEDE_ASSERT(shard.used > 0, "an index entry that is erased exists");
    const auto mask = shard.mask;
    auto hole = low(hash) & mask;
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
    if (shards_ == nullptr) return bytes;
    for (std::size_t i = 0; i < kShards; ++i)
      bytes += sizeof(Shard) + shards_[i].size() * sizeof(Slot);
    return bytes;
  }

 private:
  static constexpr std::size_t kShards = 256;
  struct Slot {
    std::uint32_t hash = 0;
    std::uint32_t position = kNone;
  };
  struct Shard {
    std::unique_ptr<Slot[]> slots;  // none, or a power of two of them, below 2^32
    std::uint32_t mask = 0;         // their number less one
    std::uint32_t used = 0;
    [[nodiscard]] std::size_t size() const { return slots == nullptr ? 0 : std::size_t{mask} + 1; }
  };

  static std::uint32_t low(std::uint64_t hash) { return static_cast<std::uint32_t>(hash); }
  [[nodiscard]] Shard& shard_of(std::uint64_t hash) const { return shards_[hash >> 56]; }

  [[gnu::noinline]] void make_shards() { shards_ = std::make_unique<Shard[]>(kShards); }

  static void make_slots(Shard& shard, std::size_t count) {
    shard.slots = std::make_unique<Slot[]>(count);
    shard.mask = static_cast<std::uint32_t>(count - 1);
  }

  static void place(Shard& shard, Slot slot) {
    auto at = slot.hash & shard.mask;
    while (shard.slots[at].position != kNone) at = (at + 1) & shard.mask;
    shard.slots[at] = slot;
  }

  static void grow(Shard& shard) {
    const auto size = shard.size();
    const auto old = std::move(shard.slots);
    make_slots(shard, size == 0 ? 8 : size * 2);
    for (std::size_t i = 0; i < size; ++i)
      if (old[i].position != kNone) place(shard, old[i]);
  }

  std::unique_ptr<Shard[]>
      shards_;  // with the first entry: an index that stays empty costs nothing
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
