#pragma once

// The sale in memory: items, stock, limits per user, and every request id that was decided.
// Pure and single-threaded: no clock, no I/O. decide_*() looks and changes nothing; apply_*() makes
// a decision true, live or from the log, through the same code.
//
// Checks of an order, in this order, so that a refused one changes nothing: known request id ->
// closed item -> item -> qty -> limit -> stock.
//
// Memory: an item 80 to 92 bytes and its name (a 64-byte entry, 12 to 24 bytes of index, its place
// among the ids; a whole backend measures 130, for the projection keeps its newest change, too), a
// confirmed order at most 64 (a 40-byte entry and 12 to 24 of index), a remembered rejection the
// same.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "actors/memory/block_vector.h"
#include "actors/memory/dense_index.h"
#include "actors/sale/codes.h"
#include "actors/sale/request.h"
#include "actors/sale/request_hash.h"
#include "storage/snapshot/snapshot_entries.h"

namespace stampede::actors {

struct OrderBookLimits {
  std::uint64_t orders_max = 20'000'000;  // decided ids that are never forgotten; then: overloaded
  std::uint64_t rejections_max = 2'000'000;  // the newest are remembered
};

// What an order is looked up by. Made for a whole batch before the first is decided, so that the
// index lines are on their way from memory meanwhile.
struct OrderKeys {
  storage::RequestHash request{};
  std::uint64_t content = 0;
};

struct OrderDecision {
  Code error = Code::none;  // nothing decided: unknown_item, bad_request, key_reused, …
  std::string_view field;   // of a bad_request
  bool known = false;       // decided before: `answer` is the old one, nothing to apply
  Answer answer;            // confirmed or rejected; lsn is set by apply
  std::int64_t unit_price_cents = 0;
  // Kept from the look-ups so that apply need not repeat them.
  storage::RequestHash request_hash{};
  std::uint64_t content_hash = 0;
  std::uint32_t item_position = 0;
};

struct ItemDecision {
  Code error = Code::none;
  std::string_view field;
  bool known = false;    // the same request id was decided before
  bool changed = false;  // false: the item is so already; nothing to apply
  Lsn lsn = 0;           // of the earlier decision, when known
  storage::ItemPut put;  // the item as it shall be; views point into the request or the book
  std::int64_t amount = 0;
  storage::RequestHash request_hash{};
  std::uint32_t item_position = 0;  // that it has or will get
};

// Sums over all items, for comparing memory, log and database (order-free).
struct Books {
  std::uint64_t confirmed = 0;  // orders
  std::uint64_t items = 0;
  std::uint64_t sold = 0;  // units
  std::uint64_t hash = 0;  // sum of books_hash(item, amount, sold)
};
std::uint64_t books_hash(std::uint64_t item, std::int64_t amount, std::int64_t sold);

class OrderBook {
 public:
  static constexpr std::uint32_t kEntriesMax = (1u << 31) - 1;  // of each kind
  OrderBook(const LogUuid& key, OrderBookLimits limits);

  // Asks for the lines of memory that decide_order() will look at first: it costs a miss each
  // otherwise, so batches do this for many orders before they decide the first.
  [[nodiscard]] OrderKeys keys(const Request& order) const;
  // The same for the item itself, once keys() was there for some other orders meanwhile.
  void prefetch_item(std::uint64_t id) const;
  [[nodiscard]] OrderDecision decide_order(const Request& order, const OrderKeys& keys) const;
  [[nodiscard]] OrderDecision decide_order(const Request& order) const {
    return decide_order(order, keys(order));
  }
  [[nodiscard]] ItemDecision decide_item_put(const Request& request) const;
  [[nodiscard]] ItemDecision decide_stock_change(const Request& request) const;
  // What is known of a request id: its answer, or unknown_request.
  [[nodiscard]] OrderDecision look_up(std::string_view request_id) const;

  // A live decision becomes true at `lsn`.
  void apply_order(const OrderDecision& decision, std::string_view user, Lsn lsn);
  void apply_item(const ItemDecision& decision, Lsn lsn);

  // The same from the log. False: the record contradicts the book (unknown item, stock below 0).
  [[nodiscard]] bool replay_set(const std::vector<storage::Command>& set, Lsn lsn);
  [[nodiscard]] bool replay_rejection(const storage::Rejection& rejection, Lsn lsn);

  // A decision of the log that is passed over: its request id keeps its answer, but nothing else of
  // it is applied, so its item (which may be unknown) is closed: no new decision on it, and what
  // the log says of it further is taken as it stands. Returns the item.
  std::uint64_t park_set(const std::vector<storage::Command>& set, Lsn lsn);
  void park_rejection(const storage::Rejection& rejection, Lsn lsn);

  // --- snapshots (order_book_snapshot.cpp): the whole book, entry by entry -----------------------
  // The order of the entries is that in which they came about, so equal books give equal bytes.
  void save(storage::SnapshotSink& sink) const;
  // How many entries save() gives; its own fields of a summary.
  void count(storage::SnapshotSummary& summary) const;
  // Makes room, so that loading does not grow the indexes again and again.
  void reserve(const storage::SnapshotSummary& summary);
  // Takes all entries of a block into a book that was new before the first one. Of more rejections
  // than are to be remembered the newest stay. False: they make no sense.
  [[nodiscard]] bool load(storage::SnapshotSection section, storage::EntryReader& in,
                          std::uint32_t entries);

  // Makes a piece of the memory that further `orders` will take, be they confirmed or rejected, so
  // that it is not made while they come: the kernel clears what it gives, and on a virtual machine
  // the host may have to find it first (0.3 to 10 us for 4 KiB). A piece takes a millisecond at
  // the most, some more if the host has to find it. False: all of it is there.
  bool make_room(std::uint64_t orders);

  [[nodiscard]] std::size_t item_count() const { return items_.size(); }
  [[nodiscard]] std::optional<ItemRow> item(std::uint64_t id) const;
  // Items are numbered from 0 on in the order in which they came, for ever.
  [[nodiscard]] ItemRow item_at(std::uint32_t position) const { return row(items_[position]); }
  [[nodiscard]] std::uint32_t position_of(std::uint64_t id) const;  // the item exists
  // Up to `limit` items with id >= from in ascending order; the id after the page, if any.
  std::optional<std::uint64_t> page(std::uint64_t from, std::size_t limit,
                                    std::vector<ItemRow>& rows) const;
  [[nodiscard]] std::uint64_t confirmed() const { return confirmed_; }
  [[nodiscard]] Books books() const;
  [[nodiscard]] std::size_t memory_bytes() const;

 private:
  struct Name {
    std::uint32_t offset = 0;  // into names_
    std::uint32_t size = 0;
  };
  struct alignas(64) Item {  // what an order needs of it is one line of memory
    std::uint64_t id = 0;
    std::int64_t amount = 0;
    Lsn seq = 0;
    Lsn put_lsn = 0;
    storage::BasicItemTerms<Name> terms{};
  };
  using KnownKind = storage::KnownKind;
  using Known = storage::KnownDecision;
  static_assert(sizeof(Known) == 40);
  struct UserCount {
    std::uint64_t key;
    std::uint64_t qty;
  };

  // Positions in known_index_ with this bit are those of rejections.
  static constexpr std::uint32_t kRejection = kEntriesMax + 1;
  [[nodiscard]] const Known& known_at(std::uint32_t position) const {
    return (position & kRejection) != 0 ? rejections_[position & ~kRejection] : known_[position];
  }
  [[nodiscard]] const Known* find_known(const storage::RequestHash& hash) const;
  [[nodiscard]] Code refusal(const Request& order, std::uint32_t position) const;
  [[nodiscard]] Answer answer_of(const Known& known) const;
  [[nodiscard]] std::uint32_t find_item(std::uint64_t id) const;
  [[nodiscard]] std::uint64_t bought(std::uint64_t user_key) const;
  [[nodiscard]] ItemRow row(const Item& item) const;
  [[nodiscard]] ItemTerms terms_of(const Item& item) const;
  [[nodiscard]] std::string_view text_at(Name name) const;
  // A decision of the log as it is remembered.
  [[nodiscard]] Known confirmed_order(const storage::OrderInsert& order,
                                      std::uint32_t item_position, Lsn lsn) const;
  [[nodiscard]] static Known rejected_order(const storage::Rejection& rejection,
                                            std::uint32_t item_position, Lsn lsn);
  void remember(const Known& known);
  void remember_rejection(const Known& known);
  void forget_oldest_rejection();
  void count_user(std::uint64_t user_key, std::uint32_t qty);
  void confirm(std::uint32_t item_position, std::string_view user, std::uint32_t qty, Lsn lsn);
  std::uint32_t put_item(const storage::ItemPut& put);
  std::uint32_t add_item(std::uint64_t id);
  // What an item of the log may be: an order could not be decided on another.
  [[nodiscard]] static bool can_keep(const ItemTerms& terms) {
    return terms.max_qty > 0 && terms.max_qty <= kQtyMax && terms.name.size() <= kItemNameBytesMax;
  }
  void set_terms(Item& item, const ItemTerms& terms);
  void keep(Name& kept, std::string_view text);
  void prefetch_known(std::string_view rest) const;
  bool load_item(storage::EntryReader& in);
  bool load_user(storage::EntryReader& in);
  bool load_decision(storage::EntryReader& in, storage::SnapshotSection section);
  std::uint32_t close_item(std::uint64_t id);
  [[nodiscard]] bool is_closed(std::uint64_t id) const;
  ItemDecision decide_change(const Request& request, std::uint64_t content_hash) const;

  RequestHasher hasher_;
  OrderBookLimits limits_;
  BlockVector<Item> items_;
  DenseIndex item_index_;
  std::vector<std::uint32_t> items_by_id_;  // positions, ascending by item id
  std::vector<std::uint64_t> closed_;       // ids of items with a parked decision; hardly ever any
  std::string names_;
  BlockVector<Known> known_;       // confirmed orders and item changes, for ever
  BlockVector<Known> rejections_;  // a ring once it is full
  std::size_t oldest_rejection_ = 0;
  DenseIndex known_index_;        // of both
  BlockVector<UserCount> users_;  // only for items that have a limit
  DenseIndex user_index_;
  std::uint64_t confirmed_ = 0;
};

}  // namespace stampede::actors
