#pragma once

#include <cstddef>
#include <cstdint>

#include "actors/memory/prefetch.h"
#include "config/process/invariant.h"

namespace stampede::actors {

// Open addressing over slots that its owner keeps; zeroed ones are empty. Hash: as much of the hash
// as is kept.
template <class Hash>
class DenseTable {
 public:
  static constexpr std::uint32_t kNone = 0xFFFFFFFF;  // no position; all others may be stored
  struct Slot {
    Hash hash = 0;
    std::uint32_t inverted = 0;  // ~position
    [[nodiscard]] std::uint32_t position() const { return ~inverted; }
  };

  DenseTable() = default;
  // `slots` is a power of two, all empty; two thirds of them are used.
  DenseTable(Slot* slots, std::size_t size)
      : slots_(slots),
        mask_(static_cast<std::uint32_t>(size - 1)),
        room_(static_cast<std::uint32_t>(size * 2 / 3)) {}

  template <class Matches>
  std::uint32_t find(Hash hash, Matches&& matches) const {
    if (slots_ == nullptr) return kNone;
    for (auto at = first(hash);; at = (at + 1) & mask_) {
      const auto& slot = slots_[at];
      if (slot.position() == kNone) return kNone;
      if (slot.hash == hash && matches(slot.position())) return slot.position();
    }
  }

  void prefetch(Hash hash) const {
    if (slots_ != nullptr) prefetch_line(&slots_[first(hash)]);
  }

  void insert(Hash hash, std::uint32_t position) {  // not into a full one
    auto at = first(hash);
    while (slots_[at].position() != kNone) at = (at + 1) & mask_;
    slots_[at] = {hash, ~position};
    --room_;
  }

  void erase(Hash hash, std::uint32_t position) {
    STAMPEDE_ASSERT(slots_ != nullptr, "an index entry that is erased exists");
    auto hole = first(hash);
    while (slots_[hole].position() != position || slots_[hole].hash != hash) {
      STAMPEDE_ASSERT(slots_[hole].position() != kNone, "an index entry that is erased exists");
      hole = (hole + 1) & mask_;
    }
    // Backward shift (Knuth, TAOCP 6.4, algorithm R): no tombstones.
    for (auto at = (hole + 1) & mask_; slots_[at].position() != kNone; at = (at + 1) & mask_) {
      const auto home = first(slots_[at].hash);
      if (((at - home) & mask_) < ((at - hole) & mask_)) continue;
      slots_[hole] = slots_[at];
      hole = at;
    }
    slots_[hole] = Slot{};
    ++room_;
  }

  template <class Visit>
  void each(Visit&& visit) const {
    for (std::size_t i = 0; i < size(); ++i)
      if (slots_[i].position() != kNone) visit(slots_[i].hash, slots_[i].position());
  }

  [[nodiscard]] bool full() const { return room_ == 0; }
  [[nodiscard]] std::size_t size() const {  // slots
    return slots_ == nullptr ? 0 : std::size_t{mask_} + 1;
  }

 private:
  // Where the search for it begins: with its line, so that hardly any goes on into the next one.
  [[nodiscard]] std::uint32_t first(Hash hash) const {
    constexpr std::uint32_t kLineSlots = 64 / sizeof(Slot);
    return static_cast<std::uint32_t>(hash) & mask_ & ~(kLineSlots - 1);
  }

  Slot* slots_ = nullptr;
  std::uint32_t mask_ = 0;  // their number less one
  std::uint32_t room_ = 0;  // entries that it takes until it is full
};

}  // namespace stampede::actors
