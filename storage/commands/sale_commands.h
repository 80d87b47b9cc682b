#pragma once

// What the rules of the sale add to the log's commands (feature level `sale`); bytes and bounds in
// storage/log_format.md. Values; texts point into what they were decoded from.

#include <cstdint>
#include <limits>
#include <string>
#include <string_view>

#include "storage/commands/item_terms.h"
#include "storage/lsn.h"

namespace stampede::storage {

inline constexpr std::uint64_t kNoNumber = std::numeric_limits<std::uint64_t>::max();  // nil

// Behind the arguments of an OrderInsert.
struct OrderSale {
  std::uint64_t promo = kNoNumber;
  std::int64_t pay_by_ms = 0;  // 0: needs no payment
  // Bit 0: it counts against the item's limit of its user, bit 1: against the promo's.
  std::uint32_t counted = 0;
};

// Behind the arguments of an ItemPut; its terms are those of sale_terms.h. What is 0 or empty means
// nothing.
template <class Text>
struct BasicItemSale {
  std::int64_t decided_at_us = 0;
  Text description{};
  Text image_url{};
  std::uint32_t hold_s = 0;
  std::uint32_t hold_low_s = 0;
  std::uint32_t low_stock_percent = 0;
  std::uint32_t unpaid_per_user_max = 0;
  std::uint32_t promo_only = 0;  // 1: sold through promos only
  std::uint32_t closed = 0;      // 1: not sold at all
};
using ItemSale = BasicItemSale<std::string_view>;
using OwnedItemSale = BasicItemSale<std::string>;

// Business key: the promo. Absolute but for what was granted: TicketGrant.
struct PromoPut {
  std::string_view request_id;
  std::uint64_t promo = 0;
  std::uint64_t item = 0;
  std::string_view name;
  std::int64_t price_cents = 0;
  std::int64_t starts_at_ms = 0;
  std::int64_t ends_at_ms = 0;
  std::uint32_t limit_per_user = 0;
  std::uint32_t ticket = 0;  // 1: an order needs one
  std::uint32_t gate_factor = 0;
  std::uint32_t hold_s = 0;
  std::uint32_t hold_low_s = 0;
  std::uint32_t low_stock_percent = 0;
  std::uint32_t unpaid_per_user_max = 0;
  std::uint64_t content_hash = 0;
  std::int64_t decided_at_us = 0;
};

// Business key: the promo; `granted` is all that were given so far, this one included.
struct TicketGrant {
  std::uint64_t promo = 0;
  std::uint64_t item = 0;
  std::uint64_t granted = 0;
  std::string_view user;
  std::string_view ticket;  // its id: the request id of the order that may use it
  std::int64_t expires_at_ms = 0;
  std::int64_t decided_at_us = 0;
};

enum class Fulfilment : std::uint8_t {
  none = 0,
  unpaid = 1,
  paid = 2,
  expired = 3,
  cancelled = 4,
  refund_due = 5,
};

constexpr std::string_view to_text(Fulfilment fulfilment) {
  switch (fulfilment) {
    case Fulfilment::none:
      return "none";
    case Fulfilment::unpaid:
      return "unpaid";
    case Fulfilment::paid:
      return "paid";
    case Fulfilment::expired:
      return "expired";
    case Fulfilment::cancelled:
      return "cancelled";
    case Fulfilment::refund_due:
      return "refund_due";
  }
  return "unknown";
}

// Business key: the order. What it became: paid … refund_due.
struct OrderUpdate {
  Lsn order = 0;
  std::uint64_t item = 0;
  std::uint32_t fulfilment = 0;
  std::string_view action_id;  // of the payment, of the cancel; empty: nil, it expired
  std::int64_t amount_cents = 0;
  std::int64_t decided_at_us = 0;
};

enum class StockReason : std::uint8_t {
  invalid = 0,
  add = 1,
  expired = 2,
  cancelled = 3,
  late_payment = 4,
};

// Business key: its own lsn. One row of the stock journal.
struct StockChange {
  std::uint64_t item = 0;
  std::int64_t delta = 0;
  std::uint32_t reason = 0;
  std::uint64_t order = kNoNumber;  // lsn of the order that it comes from
  std::int64_t decided_at_us = 0;
};

// One of them, by the kind of the command that it belongs to.
struct SaleArguments {
  OrderSale order;
  ItemSale item;
  PromoPut promo;
  TicketGrant ticket;
  OrderUpdate update;
  StockChange stock;
};

}  // namespace stampede::storage
