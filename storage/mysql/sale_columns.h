#pragma once

// Which column of the database holds what of the sale's commands, for the statements that write
// them, and for comparing what is stored. Pure.

#include <cstdint>
#include <string>
#include <string_view>

#include "storage/commands/promo_terms.h"
#include "storage/commands/sale_commands.h"
#include "storage/mysql/sql_text.h"

namespace stampede::storage {

inline constexpr std::string_view kPromoOnly = "promo_only";  // of item.sale

// fn(name, value, otherwise) for each column of `item`: value is a string_view or an int64_t, and
// `otherwise` the column's default.
template <class Fn>
void each_item_column(const ItemSale& sale, Fn&& fn) {
  using Number = std::int64_t;
  using Text = std::string_view;
  fn(Text("description"), sale.description, Text());
  fn(Text("image_url"), sale.image_url, Text());
  fn(Text("hold_s"), Number{sale.hold_s}, Number{0});
  fn(Text("hold_low_s"), Number{sale.hold_low_s}, Number{0});
  fn(Text("low_stock_percent"), Number{sale.low_stock_percent}, Number{0});
  fn(Text("unpaid_per_user_max"), Number{sale.unpaid_per_user_max}, Number{0});
  fn(Text("sale"), sale.promo_only != 0 ? kPromoOnly : Text("always"), Text("always"));
  fn(Text("open"), Number{sale.closed != 0 ? 0 : 1}, Number{1});
}

// fn(name, value) for each column of `promo` that a PromoPut sets, beside key and guard.
template <class Fn>
void each_promo_column(const PromoPut& put, Fn&& fn) {
  using Number = std::int64_t;
  using Text = std::string_view;
  std::string starts;
  std::string ends;
  append_datetime_ms(starts, put.starts_at_ms);
  append_datetime_ms(ends, put.ends_at_ms);
  fn(Text("item_id"), static_cast<Number>(put.item));
  fn(Text("name"), put.name);
  fn(Text("price_cents"), put.price_cents);
  fn(Text("starts_at"), Text(starts));
  fn(Text("ends_at"), Text(ends));
  fn(Text("limit_per_user"), Number{put.limit_per_user});
  fn(Text("ticket"), ticket_text(put.ticket));
  fn(Text("gate_factor"), Number{put.gate_factor});
  fn(Text("hold_s"), Number{put.hold_s});
  fn(Text("hold_low_s"), Number{put.hold_low_s});
  fn(Text("low_stock_percent"), Number{put.low_stock_percent});
  fn(Text("unpaid_per_user_max"), Number{put.unpaid_per_user_max});
}

// Of an unknown one: a text that the column refuses.
constexpr std::string_view fulfilment_text(std::uint32_t fulfilment) {
  return fulfilment > UINT8_MAX ? "unknown" : to_text(static_cast<Fulfilment>(fulfilment));
}

constexpr std::string_view reason_text(std::uint32_t reason) {
  if (reason > UINT8_MAX) return "unknown";
  switch (static_cast<StockReason>(reason)) {
    case StockReason::add:
      return "add";
    case StockReason::expired:
      return "expired";
    case StockReason::cancelled:
      return "cancelled";
    case StockReason::late_payment:
      return "late_payment";
    case StockReason::invalid:
      break;
  }
  return "unknown";
}

constexpr std::uint32_t parse_reason(std::string_view text) {
  for (const auto reason :
       {StockReason::add, StockReason::expired, StockReason::cancelled, StockReason::late_payment})
    if (reason_text(static_cast<std::uint32_t>(reason)) == text)
      return static_cast<std::uint32_t>(reason);
  return 0;
}

// Of an OrderUpdate: empty, which is NULL, unless it is a payment's. A cancel's id names no
// payment.
constexpr std::string_view payment_id(const OrderUpdate& update) {
  const auto fulfilment = static_cast<Fulfilment>(update.fulfilment);
  const bool payment = fulfilment == Fulfilment::paid || fulfilment == Fulfilment::refund_due;
  return payment ? update.action_id : std::string_view{};
}

}  // namespace stampede::storage
