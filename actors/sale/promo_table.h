#pragma once

// The promos: offers of one item each, with a price and a window of time. Windows of one item do
// not overlap, which is OrderBook's to see to. Of a promo that a newer PromoPut replaced nothing is
// kept but what its orders did.
//
// Owned by OrderBook; pure, one thread. Memory: a promo about 300 bytes and its name.

#include <cstddef>
#include <cstdint>
#include <limits>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "actors/sale/books.h"
#include "actors/sale/request.h"
#include "storage/commands/sale_commands.h"
#include "storage/snapshot/snapshot_entries.h"

namespace stampede::actors {

class PromoTable {
 public:
  static constexpr std::size_t kPromosMax = 10'000;

  struct Promo {
    storage::PromoPut put;  // as it was put last; request_id is empty, name is of `name`
    std::string name;
    Lsn put_lsn = 0;
    std::int64_t last_order_ms = -1;  // when the newest order in it was decided
    std::uint64_t granted = 0;        // tickets
    Lsn grant_lsn = 0;                // of the newest of them

    [[nodiscard]] storage::PromoPut terms() const {
      auto terms = put;
      terms.name = name;
      return terms;
    }
    [[nodiscard]] PromoState state(std::int64_t now_ms) const {
      const bool never = put.ends_at_ms <= put.starts_at_ms;  // ended before it began
      if (never || now_ms >= put.ends_at_ms) return PromoState::ended;
      return now_ms < put.starts_at_ms ? PromoState::coming : PromoState::running;
    }
  };

  [[nodiscard]] std::size_t size() const { return promos_.size(); }
  [[nodiscard]] bool full() const { return promos_.size() >= kPromosMax; }
  [[nodiscard]] const Promo* find(std::uint64_t id) const;  // null: none
  // Another promo of the same item with a moment in common; null: none.
  [[nodiscard]] const Promo* overlapping(const storage::PromoPut& put) const;
  // The one of this item that is running, else the next to start; null: none.
  [[nodiscard]] const Promo* to_show(std::uint64_t item, std::int64_t now_ms) const;
  // Whether `is` says so of one of the item's promos, asked for each that ever had a window.
  template <class Is>
  [[nodiscard]] bool any_of_item(std::uint64_t item, Is&& is) const {
    auto at = windows_.lower_bound({item, std::numeric_limits<std::int64_t>::min()});
    for (; at != windows_.end() && at->first.first == item; ++at)
      if (is(at->second)) return true;
    return false;
  }
  // Up to `limit` promos with id >= from in ascending order; the id after the page, if any.
  std::optional<std::uint64_t> page(std::uint64_t from, std::size_t limit,
                                    std::vector<const Promo*>& promos) const;

  void put(const storage::PromoPut& put, Lsn lsn);
  // It has given `granted` tickets by now; the promo exists, here and below.
  void note_grant(std::uint64_t id, std::uint64_t granted, Lsn lsn);
  // An order in it was decided.
  void note_order(std::uint64_t id, std::int64_t decided_at_ms);

  void add_to(Books& books) const;
  [[nodiscard]] std::size_t memory_bytes() const;

  // --- snapshots: entries in ascending order of ids
  void count(storage::SnapshotSummary& summary) const;
  void save(storage::SnapshotSink& sink) const;
  void save_grants(storage::SnapshotSink& sink) const;           // whose section comes later
  [[nodiscard]] bool load(const storage::SnapshotPromo& entry);  // false: it cannot be
  [[nodiscard]] bool load(const storage::SnapshotGrant& entry);

 private:
  using Window = std::pair<std::uint64_t, std::int64_t>;  // item, start

  std::map<std::uint64_t, Promo> promos_;
  std::map<Window, std::uint64_t> windows_;  // ids of promos, but for empty windows
};

}  // namespace stampede::actors
