#pragma once

// How much each user has bought of each item that has a limit; items without one take no entry. A
// user on an item is a keyed hash of both (RequestHasher::user_on_item). Owned by OrderBook; pure,
// one thread. No bound of its own: at most one entry per confirmed order.

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "actors/memory/block_vector.h"
#include "actors/memory/dense_index.h"
#include "actors/sale/entries_ahead.h"
#include "config/process/invariant.h"
#include "storage/snapshot/snapshot_entries.h"

namespace stampede::actors {

class UserTotals {
 public:
  [[nodiscard]] std::uint64_t bought(std::uint64_t key) const {
    const auto at = find(key);
    return at == DenseIndex::kNone ? 0 : totals_[at].qty;
  }
  // Asks for the line of memory that the others look at first.
  void prefetch(std::uint64_t key) const { index_.prefetch(key); }
  void add(std::uint64_t key, std::uint32_t qty) {
    const auto at = find(key);
    if (at == DenseIndex::kNone)
      append({key, qty});
    else
      totals_[at].qty += qty;
  }
  // Units that the user gives back; no more than he has.
  void subtract(std::uint64_t key, std::uint32_t qty) {
    const auto at = find(key);
    STAMPEDE_ASSERT(at != DenseIndex::kNone && totals_[at].qty >= qty,
                    "only what was counted is given back");
    totals_[at].qty -= qty;
  }
  [[nodiscard]] std::size_t memory_bytes() const {
    return totals_.memory_bytes() + index_.memory_bytes();
  }

  // --- snapshots: entries in the order in which they came about
  void count(storage::SnapshotSummary& summary) const { summary.users = totals_.size(); }
  void save(storage::SnapshotSink& sink) const {
    storage::EntryWriter out(sink.level());
    for (std::size_t i = 0; i < totals_.size(); ++i)
      sink.add(storage::SnapshotSection::users, encode(out, totals_[i]));
  }
  void reserve(const storage::SnapshotSummary& summary) { index_.reserve(summary.users); }
  // The index's line of an entry that is still some way off in a block of them.
  void prefetch_ahead(std::string_view block) const {
    look_at_entry_ahead(block, sizeof(storage::SnapshotUser),
                        [this](auto key) { index_.prefetch(key); });
  }
  void append(const storage::SnapshotUser& total) {
    index_.insert(total.key, static_cast<std::uint32_t>(totals_.size()));
    totals_.push_back(total);
  }

 private:
  [[nodiscard]] std::uint32_t find(std::uint64_t key) const {
    return index_.find(key, [&](std::uint32_t at) { return totals_[at].key == key; });
  }

  BlockVector<storage::SnapshotUser> totals_;
  DenseIndex index_;
};

}  // namespace stampede::actors
