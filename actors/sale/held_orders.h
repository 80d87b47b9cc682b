#pragma once

// The confirmed orders that need payment: what each has become, until when it may be paid, and
// which payments came. What may become of one, and what that does to stock and limits, is
// OrderBook's to decide.
//
// Owned by OrderBook; pure, one thread. Memory: an order 48 bytes for ever, 16 more while it is
// unpaid, or until its time to pay is over where others that came before are unpaid still; a
// payment 24 and 12 to 24 of index.

#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <optional>
#include <queue>
#include <string_view>
#include <tuple>
#include <vector>

#include "actors/memory/block_vector.h"
#include "actors/memory/dense_index.h"
#include "actors/sale/books.h"
#include "storage/commands/sale_commands.h"
#include "storage/snapshot/snapshot_entries.h"

namespace stampede::actors {

using storage::Fulfilment;

class HeldOrders {
 public:
  static constexpr std::uint32_t kNone = DenseIndex::kNone;

  struct Order {
    std::uint64_t user_on_item = 0;  // what its units count by, see RequestHasher
    std::uint64_t user_in_promo = 0;
    std::int64_t unit_price_cents = 0;
    std::uint64_t promo = storage::kNoNumber;
    std::int64_t at_ms = 0;   // unpaid: when the time to pay ends; else since when it is so
    std::uint32_t known = 0;  // its position in DecidedRequests; they ascend
    Fulfilment fulfilment = Fulfilment::unpaid;
    std::uint8_t counted = 0;   // as in storage::OrderSale
    bool among_unpaid = false;  // it is among UnpaidUnits
  };

  [[nodiscard]] std::size_t size() const { return orders_.size(); }
  [[nodiscard]] const Order& operator[](std::uint32_t at) const { return orders_[at]; }
  // Its position here, or kNone. `near`: a position that may be close to it.
  [[nodiscard]] std::uint32_t find(std::uint32_t known, std::uint32_t near = kNone) const;
  // Of the order that was paid last; kNone: none was.
  [[nodiscard]] std::uint32_t last_paid() const {
    return payments_.size() == 0 ? kNone : payments_[payments_.size() - 1].at;
  }
  // `lsn`: of the order, here and below.
  void add(const Order& order, storage::Lsn lsn);
  // Whether it may is asked before, see may_become(). It is never unpaid again.
  void become(std::uint32_t at, storage::Lsn lsn, Fulfilment fulfilment, std::int64_t at_ms);
  void set_among_unpaid(std::uint32_t at, bool among) { orders_[at].among_unpaid = among; }
  // Kept up to date, for whoever asks while orders come.
  void add_to(Books& books) const;
  [[nodiscard]] std::uint64_t unpaid() const { return unpaid_; }  // orders

  // The order, by its position here, that a payment of this id was for; kNone: none had it.
  [[nodiscard]] std::uint32_t paid_for(const storage::RequestHash& payment) const;
  void remember_payment(const storage::RequestHash& payment, std::uint32_t at);

  // The unpaid order whose time ended first, if it ended before now_ms. It looks at one order that
  // is settled meanwhile at the most, so that no call takes long: `more` says whether to ask again.
  struct Due {
    std::uint32_t at = kNone;
    bool more = false;
  };
  [[nodiscard]] Due due(std::int64_t now_ms);
  void pass_over_due();  // the order that due() gave stays unpaid

  [[nodiscard]] std::size_t memory_bytes() const;

  // --- snapshots: orders ascend, payments are in the order in which they came. `lsn_of(known)`:
  // of the order; `known_of(lsn)`: its position, kNone when there is no such order.
  void count(storage::SnapshotSummary& summary) const;
  void save(storage::SnapshotSink& sink,
            const std::function<storage::Lsn(std::uint32_t)>& lsn_of) const;
  void reserve(const storage::SnapshotSummary& summary) {
    payment_index_.reserve(summary.payments);
  }
  // The index's line of a payment that is still some way off in a block of them.
  void prefetch_payment_ahead(std::string_view block) const;
  [[nodiscard]] bool load(const storage::SnapshotHeld& entry, std::uint32_t known);
  [[nodiscard]] bool load(const storage::SnapshotPayment& entry, std::uint32_t known);

 private:
  void drop_settled();
  struct Payment {
    storage::RequestHash hash{};
    std::uint32_t at = 0;
  };
  struct Deadline {
    std::int64_t pay_by_ms = 0;
    std::uint32_t at = 0;
    friend bool operator>(const Deadline& one, const Deadline& other) {
      return std::tie(one.pay_by_ms, one.at) > std::tie(other.pay_by_ms, other.at);
    }
  };
  static_assert(sizeof(Order) == 48 && sizeof(Deadline) == 16);

  BlockVector<Order> orders_;
  BlockVector<Payment> payments_;
  DenseIndex payment_index_;
  // One for each order that was unpaid when it came; those that are settled go once they are first.
  std::priority_queue<Deadline, std::deque<Deadline>, std::greater<>> deadlines_;
  std::uint64_t unpaid_ = 0;
  std::uint64_t hash_ = 0;  // as in Books
};

// Whether an order that is `from` may become `to`.
[[nodiscard]] bool may_become(Fulfilment from, Fulfilment to);
// Its units: back to the item, taken again (late), or neither.
[[nodiscard]] int units_moved(Fulfilment from, Fulfilment to);

}  // namespace stampede::actors
