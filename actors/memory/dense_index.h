#pragma once

// A hash index from 64-bit hashes to positions in dense storage that its owner keeps. A small one
// is a single table. A large one has 256 shards, which grow one by one: that keeps the pause of a
// growth below a millisecond at ten million entries. There a slot is 8 bytes, a position and the
// low half of its hash, so the storage is looked at for a true match only (or one stranger in four
// billion), and growing or erasing needs no look at all. At most two thirds of the slots are used:
// 12 to 24 bytes an entry, twice that in a small one. The shards' tables of one size lie side by
// side, on huge pages once they are worth some. Thread-compatible.

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

#include "actors/memory/dense_table.h"
#include "actors/memory/page_memory.h"
#include "config/process/invariant.h"

namespace stampede::actors {

// Memory for tables that double one by one: one piece for each size, with a place for every table.
class TablePieces {
 public:
  // The place of table `number` among `tables` of `bytes` each, zeroed; it never had it before.
  [[nodiscard]] void* take(std::size_t number, std::size_t tables, std::size_t bytes) {
    auto piece = std::find_if(pieces_.begin(), pieces_.end(),
                              [&](const Piece& one) { return one.table_bytes == bytes; });
    if (piece == pieces_.end())
      piece = pieces_.insert(pieces_.end(), {PageMemory(tables * bytes), bytes, 0});
    ++piece->users;
    return static_cast<std::byte*>(piece->memory.data()) + number * bytes;
  }
  // A table has left its place of `bytes`; the last to go takes the piece with it.
  void give_back(std::size_t bytes) {
    std::erase_if(pieces_,
                  [&](Piece& one) { return one.table_bytes == bytes && --one.users == 0; });
  }

 private:
  struct Piece {
    PageMemory memory;
    std::size_t table_bytes;
    std::size_t users;
  };
  std::vector<Piece> pieces_;  // one or two, unless the tables differ much
};

class DenseIndex {
 public:
  static constexpr auto kNone = DenseTable<std::uint32_t>::kNone;

  // The position stored under `hash` for which matches(position) is true, or kNone.
  template <class Matches>
  std::uint32_t find(std::uint64_t hash, Matches&& matches) const {
    if (shards_ == nullptr) return small_.find(hash, matches);
    return shard_of(hash).find(low(hash), matches);
  }

  // The first position that find(hash) will ask about, or kNone.
  [[nodiscard]] std::uint32_t likely(std::uint64_t hash) const {
    return find(hash, [](std::uint32_t) { return true; });
  }

  // Asks for the cache line that find(hash) will look at first.
  void prefetch(std::uint64_t hash) const {
    if (shards_ == nullptr) return small_.prefetch(hash);
    shard_of(hash).prefetch(low(hash));
  }

  void insert(std::uint64_t hash, std::uint32_t position) {
    STAMPEDE_ASSERT(position != kNone, "an index position is not 'none'");
    if (shards_ == nullptr) {
      if (!small_.full() || small_.size() < kSmallMax) return insert_small(hash, position);
      split();
    }
    auto& shard = shard_of(hash);
    if (shard.full()) grow(hash >> 56, shard.size() * 2);
    shard.insert(low(hash), position);
  }

  // Room for about `entries` in all; of an index that is empty.
  void reserve(std::size_t entries) {
    if (stays_small(entries)) return;
    STAMPEDE_ASSERT(small_.size() == 0, "room is made before the first entry");
    make_shards(shard_slots(entries));
  }

  // Grows one table that has no room for its share of `entries`, so that it need not while orders
  // come; the kernel has given all its pages then. False: there is none.
  bool make_room(std::size_t entries) {
    if (stays_small(entries)) return false;
    if (shards_ == nullptr) return split(), true;
    const auto slots = shard_slots(entries);
    for (std::size_t i = 0; i < kShards; ++i) {
      if (shards_[i].size() >= slots) continue;
      grow(i, slots);
      return true;
    }
    return false;
  }

  // Takes out the entry with exactly this hash and position; asserts that it is there.
  void erase(std::uint64_t hash, std::uint32_t position) {
    if (shards_ == nullptr) return small_.erase(hash, position);
    shard_of(hash).erase(low(hash), position);
  }

  [[nodiscard]] std::size_t memory_bytes() const {
    std::size_t bytes = sizeof(*this) + small_.size() * sizeof(Small::Slot);
    if (shards_ == nullptr) return bytes;
    for (std::size_t i = 0; i < kShards; ++i)
      bytes += sizeof(Shard) + shards_[i].size() * sizeof(Shard::Slot);
    return bytes;
  }

 private:
  using Small = DenseTable<std::uint64_t>;
  using Shard = DenseTable<std::uint32_t>;
  static constexpr std::size_t kShards = 256;
  static constexpr std::size_t kSmallMin = 8;     // slots
  static constexpr std::size_t kSmallMax = 4096;  // slots

  static std::uint32_t low(std::uint64_t hash) { return static_cast<std::uint32_t>(hash); }
  [[nodiscard]] Shard& shard_of(std::uint64_t hash) const { return shards_[hash >> 56]; }

  void insert_small(std::uint64_t hash, std::uint32_t position) {
    if (small_.full()) {
      const auto size = small_.size() == 0 ? kSmallMin : small_.size() * 2;
      auto slots = std::make_unique<Small::Slot[]>(size);
      Small larger(slots.get(), size);
      small_.each([&](std::uint64_t one, std::uint32_t at) { larger.insert(one, at); });
      small_ = larger;
      small_slots_ = std::move(slots);
    }
    small_.insert(hash, position);
  }

  static bool stays_small(std::size_t entries) {  // it grows soon enough without room made ahead
    return entries * 3 / 2 < kSmallMax;
  }

  // Of each shard, for so many entries in all.
  static std::size_t shard_slots(std::size_t entries) {
    // Shards fill up unevenly: a tenth more than the mean is enough for nearly all of them.
    const auto each = entries / kShards + entries / kShards / 10;
    return std::bit_ceil(each * 3 / 2 + 1);
  }

  // Entries go all over a table, so all its pages are touched here, one after the other.
  [[nodiscard]] Shard make_shard(std::size_t number, std::size_t slots) {
    const auto bytes = slots * sizeof(Shard::Slot);
    auto* table = static_cast<Shard::Slot*>(pieces_.take(number, kShards, bytes));
    constexpr std::size_t kPageSlots = 4096 / sizeof(Shard::Slot);
    for (std::size_t at = 0; at < slots; at += kPageSlots) table[at] = {};
    return {table, slots};
  }

  void make_shards(std::size_t slots) {
    shards_ = std::make_unique<Shard[]>(kShards);
    for (std::size_t i = 0; i < kShards; ++i) shards_[i] = make_shard(i, slots);
  }

  void grow(std::size_t number, std::size_t slots) {
    auto& shard = shards_[number];
    auto larger = make_shard(number, slots);
    shard.each([&](std::uint32_t hash, std::uint32_t at) { larger.insert(hash, at); });
    pieces_.give_back(shard.size() * sizeof(Shard::Slot));
    shard = larger;
  }

  // No longer small.
  [[gnu::noinline]] void split() {
    make_shards(kSmallMax * 2 / kShards);
    small_.each([this](std::uint64_t hash, std::uint32_t position) { insert(hash, position); });
    small_ = {};
    small_slots_.reset();
  }

  Small small_;  // empty once there are shards
  std::unique_ptr<Small::Slot[]> small_slots_;
  std::unique_ptr<Shard[]> shards_;  // of a large one
  TablePieces pieces_;               // their slots
};

}  // namespace stampede::actors
