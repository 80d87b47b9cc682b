#pragma once

// Every request id that was decided and what was said to it: confirmed orders and item changes for
// ever, rejections until so many newer ones came. Looked up before anything is decided, so its cost
// is the first miss of memory of each order: prefetch() for many before find() for the first.
//
// Owned by OrderBook; pure, one thread. Its order is that in which entries were remembered, so
// equal histories give equal snapshots. A confirmed order takes at most 64 bytes (a 40-byte entry
// and 12 to 24 bytes of index), a rejection 8 more, for its user.
//
// Limits: `full()` says when no further id may be remembered for ever; it is asked before, what is
// remembered is not refused. Of rejections the oldest goes when there are too many.

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "actors/memory/block_vector.h"
#include "actors/memory/dense_index.h"
#include "storage/snapshot/snapshot_entries.h"

namespace stampede::actors {

class DecidedRequests {
 public:
  using Known = storage::KnownDecision;
  using Rejection = storage::KnownRejection;
  using Kind = storage::KnownKind;
  static constexpr std::uint32_t kEntriesMax = (1u << 31) - 1;  // of each kind

  DecidedRequests(std::uint64_t orders_max, std::uint64_t rejections_max);

  void prefetch(const storage::RequestHash& hash) const { index_.prefetch(index_hash(hash)); }
  // nullptr: the id was not decided, or rejected so long ago that it is forgotten. Valid until the
  // next entry is remembered.
  [[nodiscard]] const Known* find(const storage::RequestHash& hash) const {
    // An id whose rejection was forgotten and that was confirmed then has both once more rejections
    // are remembered than before: the order counts.
    const Known* rejection = nullptr;
    const auto found = index_.find(index_hash(hash), [&](std::uint32_t position) {
      const auto& known = at(position);  // element by element: == would call memcmp
      if (known.hash[0] != hash[0] || known.hash[1] != hash[1]) return false;
      if ((position & kRejection) == 0) return true;
      rejection = &known;
      return false;
    });
    return found == DenseIndex::kNone ? rejection : &known_[found];
  }
  [[nodiscard]] bool full() const { return known_.size() >= orders_max_; }

  // Of what is remembered for ever: entries are numbered from 0 on in the order of their lsns.
  static constexpr std::uint32_t kNone = DenseIndex::kNone;
  [[nodiscard]] std::uint32_t kept() const { return static_cast<std::uint32_t>(known_.size()); }
  [[nodiscard]] const Known& kept(std::uint32_t position) const { return known_[position]; }
  [[nodiscard]] std::uint32_t find_kept(const storage::RequestHash& hash) const;
  // `near`: a position that may be close to it.
  [[nodiscard]] std::uint32_t find_kept(storage::Lsn lsn, std::uint32_t near = kNone) const;

  void remember(const Known& known) {  // a confirmed order or a change of an item
    index_.insert(index_hash(known.hash), static_cast<std::uint32_t>(known_.size()));
    known_.push_back(known);
  }
  void remember_rejection(const Rejection& rejection);

  // Makes a piece of the memory that `orders` more will take, see OrderBook::make_room.
  bool make_room(std::uint64_t orders);
  [[nodiscard]] std::size_t memory_bytes() const {
    return known_.memory_bytes() + rejections_.memory_bytes() + index_.memory_bytes();
  }

  // --- snapshots
  void count(storage::SnapshotSummary& summary) const;
  void save(storage::SnapshotSink& sink) const;
  void reserve(const storage::SnapshotSummary& summary);
  // An entry of the section `known`, or of `rejections`. False: it cannot stand there.
  [[nodiscard]] bool load(const Known& known);
  [[nodiscard]] bool load(const Rejection& rejection);
  // The index's line of an entry that is still some way off in a block of such entries.
  void prefetch_ahead(std::string_view block, std::size_t entry_bytes) const;

 private:
  // Positions in index_ with this bit are those of rejections.
  static constexpr std::uint32_t kRejection = kEntriesMax + 1;
  static_assert(sizeof(Known) == 40 && sizeof(Rejection) == 48);

  static std::uint64_t index_hash(const storage::RequestHash& hash) { return hash[0]; }
  [[nodiscard]] const Known& at(std::uint32_t position) const {
    return (position & kRejection) != 0 ? rejections_[position & ~kRejection].decision
                                        : known_[position];
  }
  void forget_oldest_rejection();

  std::uint64_t orders_max_;
  std::uint64_t rejections_max_;
  BlockVector<Known> known_;           // for ever
  BlockVector<Rejection> rejections_;  // a ring once it is full
  std::size_t oldest_rejection_ = 0;
  DenseIndex index_;  // of both
};

}  // namespace stampede::actors
