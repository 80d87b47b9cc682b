#pragma once

// The items: what each is (its terms), how many units are left, and which decisions changed it
// last. An item is named by its position: they are numbered from 0 on in the order in which they
// came, for ever. What may be done to one is OrderBook's to decide.
//
// What an order of most items never looks at, the terms of its sale, stands apart, and only for
// items that say any. Such an item has max_qty 0 in its line, its own beside those terms: so
// whoever judges a quantity by the line alone, as most orders are, comes to look there.
//
// Owned by OrderBook; pure, one thread. Memory: an item 64 bytes and its name, 12 to 24 bytes of
// index and 4 to 8 of order; one with terms of the sale about 200 more and its texts.
//
// Limits: full() says when no further item may be added; all names together fit 4 GiB (asserted).

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "actors/memory/block_vector.h"
#include "actors/memory/dense_index.h"
#include "actors/memory/mix.h"
#include "actors/memory/prefetch.h"
#include "actors/sale/books.h"
#include "actors/sale/id_order.h"
#include "actors/sale/request.h"
#include "storage/snapshot/snapshot_entries.h"

namespace stampede::actors {

class ItemTable {
 public:
  static constexpr std::uint32_t kNone = DenseIndex::kNone;
  static constexpr std::uint32_t kItemsMax = (1u << 31) - 1;

  struct Name {
    std::uint32_t offset = 0;  // into names_
    std::uint32_t size = 0;
  };
  struct alignas(64) Item {  // what an order needs of it is one line of memory
    std::uint64_t id = 0;
    std::int64_t amount = 0;  // units left
    Lsn seq = 0;              // of the last change of any kind
    Lsn put_lsn = 0;          // of the last ItemPut
    // Changed by set_terms() alone. max_qty 0: see sale().
    storage::BasicItemTerms<Name> terms{};
  };

  [[nodiscard]] std::size_t size() const { return items_.size(); }
  [[nodiscard]] bool full() const { return items_.size() + 1 >= kItemsMax; }
  [[nodiscard]] std::uint32_t find(std::uint64_t id) const {  // its position, or kNone
    return index_.find(mix(id), [&](std::uint32_t at) { return items_[at].id == id; });
  }
  [[nodiscard]] const Item& operator[](std::uint32_t position) const { return items_[position]; }
  [[nodiscard]] Item& operator[](std::uint32_t position) { return items_[position]; }

  // Asks for the lines of memory that find() looks at first: the index's, then, once that is there,
  // the item's.
  void prefetch_index(std::uint64_t id) const { index_.prefetch(mix(id)); }
  void prefetch_item(std::uint64_t id) const {
    const auto at = index_.likely(mix(id));
    if (at != kNone) prefetch_line(&items_[at]);
  }

  std::uint32_t add(std::uint64_t id);  // one that is not there; without terms and units
  void set_terms(Item& item, const ItemTerms& terms, const ItemSale& sale = {});
  // What an item of the log may be: an order could not be decided on another.
  [[nodiscard]] static bool can_keep(const ItemTerms& terms) {
    return terms.max_qty > 0 && terms.max_qty <= kQtyMax && terms.name.size() <= kItemNameBytesMax;
  }

  // The terms of its sale; null: it says none.
  [[nodiscard]] const storage::OwnedItemSale* sale(const Item& item) const {
    const auto* more = item.terms.max_qty != 0 ? nullptr : more_of(item);
    return more == nullptr ? nullptr : &more->sale;
  }
  [[nodiscard]] std::uint32_t max_qty(const Item& item) const {
    const auto* more = item.terms.max_qty != 0 ? nullptr : more_of(item);
    return more == nullptr ? item.terms.max_qty : more->max_qty;
  }

  // Views in these hold until the next set_terms().
  [[nodiscard]] ItemTerms terms(const Item& item) const;
  [[nodiscard]] ItemSale sale_terms(const Item& item) const {
    const auto* said = sale(item);
    return said == nullptr ? ItemSale{} : view_of(*said);
  }
  [[nodiscard]] ItemRow row(const Item& item) const {
    return {item.id, terms(item), item.amount, item.seq, {}, sale_terms(item)};
  }
  // Up to `limit` items with id >= from in ascending order; the id after the page, if any.
  std::optional<std::uint64_t> page(std::uint64_t from, std::size_t limit,
                                    std::vector<ItemRow>& rows) const;
  void add_to(Books& books) const;
  [[nodiscard]] std::size_t memory_bytes() const;

  // --- snapshots: entries in the order of positions
  void count(storage::SnapshotSummary& summary) const { summary.items = items_.size(); }
  void save(storage::SnapshotSink& sink) const;
  void reserve(const storage::SnapshotSummary& summary);
  [[nodiscard]] bool load(const storage::SnapshotItem& entry);  // false: it cannot be

 private:
  struct More {
    std::uint32_t max_qty = 0;
    storage::OwnedItemSale sale;
  };
  [[nodiscard]] const More* more_of(const Item& item) const {
    const auto found = more_.find(item.id);
    return found == more_.end() ? nullptr : &found->second;
  }
  [[nodiscard]] std::string_view text_at(Name name) const;
  void keep(Name& kept, std::string_view text);
  void drop_old_names();
  [[nodiscard]] std::size_t more_bytes() const;

  BlockVector<Item> items_;
  DenseIndex index_;
  IdOrder by_id_;
  std::string names_;
  std::size_t old_names_ = 0;                     // bytes of it that nobody has any more
  std::unordered_map<std::uint64_t, More> more_;  // by item
};

}  // namespace stampede::actors
