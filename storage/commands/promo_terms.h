#pragma once

// The terms of a promo: what its operator says of it. One list, each_promo_term(), walked by
// everybody who reads, checks, changes or shows them; their bounds in the log are those of
// command_arguments.h. New ones join it at its end: the places of the others are in hashes.
// Pure; value types, any thread.

#include <cstdint>
#include <string>

#include "storage/commands/item_terms.h"
#include "storage/commands/sale_commands.h"
#include "storage/commands/sale_terms.h"

namespace stampede::storage {

inline constexpr std::int64_t kPromoTimeMsMax = 253'402'300'799'999;  // the end of the year 9999

inline constexpr Term kPromoItemTerm{
    .name = "item", .required = true, .help = "The item that is offered"};
inline constexpr Term kPromoNameTerm{.name = "name",
                                     .min = 1,
                                     .max = kItemNameBytesMax,
                                     .required = true,
                                     .help = "Name, 1 to 500 bytes of UTF-8"};
inline constexpr Term kPromoPriceTerm{
    .name = "price_cents", .max = kPriceCentsMax, .required = true, .help = "Price of one unit"};
inline constexpr Term kPromoStartsTerm{.name = "starts_at_ms",
                                       .max = kPromoTimeMsMax,
                                       .required = true,
                                       .flag = "--starts",
                                       .help = "From when on it sells: RFC 3339, now, or +5m"};
inline constexpr Term kPromoEndsTerm{.name = "ends_at_ms",
                                     .max = kPromoTimeMsMax,
                                     .required = true,
                                     .flag = "--ends",
                                     .help = "From when on it sells no more, likewise"};
inline constexpr Term kPromoLimitTerm{.name = "limit_per_user",
                                      .max = 1'000'000'000,
                                      .help = "Units one user may buy in it; 0: no limit",
                                      .flag_max = 1'000'000};

inline constexpr Term kPromoTicketTerm{
    .name = "ticket", .max = 1, .help = "An order needs a ticket; --ticket=none: it needs none"};
inline constexpr Term kPromoGateTerm{
    .name = "gate_factor",
    .max = 1'000'000,
    .help = "So many tickets are given for each unit that the item has in all; default 5",
    .said_min = 1};

inline constexpr std::uint32_t kGateFactorDefault = 5;  // where a promo says none

// How many tickets a promo may give while its item has `total` units in all.
constexpr std::uint64_t gate_of(const PromoPut& put, std::int64_t total) {
  const std::uint64_t factor = put.gate_factor == 0 ? kGateFactorDefault : put.gate_factor;
  return factor * static_cast<std::uint64_t>(total);
}
static_assert(kStockMax < INT64_MAX / kPromoGateTerm.max, "a gate is a number of 63 bits");

constexpr std::string_view ticket_text(std::uint32_t ticket) {
  return ticket != 0 ? "required" : "none";
}

// fn(term, values…) for each term; the values are those of the given PromoPuts.
template <class Fn, class... Puts>
constexpr void each_promo_term(Fn&& fn, Puts&... puts) {
  fn(kPromoItemTerm, puts.item...);
  fn(kPromoNameTerm, puts.name...);
  fn(kPromoPriceTerm, puts.price_cents...);
  fn(kPromoStartsTerm, puts.starts_at_ms...);
  fn(kPromoEndsTerm, puts.ends_at_ms...);
  fn(kPromoLimitTerm, puts.limit_per_user...);
  fn(kHoldTerm, puts.hold_s...);
  fn(kHoldLowTerm, puts.hold_low_s...);
  fn(kLowStockTerm, puts.low_stock_percent...);
  fn(kUnpaidTerm, puts.unpaid_per_user_max...);
  fn(kPromoTicketTerm, puts.ticket...);
  fn(kPromoGateTerm, puts.gate_factor...);
}

// Whether one says what the other does.
inline bool same_terms(const PromoPut& one, const PromoPut& other) {
  bool same = true;
  each_promo_term([&](const Term&, const auto& a, const auto& b) { same = same && a == b; }, one,
                  other);
  return same;
}

// A PromoPut with a name of its own and without its request id.
struct OwnedPromo {
  PromoPut put;  // its texts are empty
  std::string name;

  OwnedPromo() = default;
  explicit OwnedPromo(const PromoPut& from) : put(from), name(from.name) {
    put.request_id = put.name = {};
  }
  [[nodiscard]] PromoPut view() const {  // as long as this stands where it does
    auto put_with_name = put;
    put_with_name.name = name;
    return put_with_name;
  }
};

}  // namespace stampede::storage
