#pragma once

// What the operator of an item may say beside the terms of item_terms.h: the rules of its sale, and
// what a page about it shows. One list, each_sale_term(), walked by everybody who reads, writes,
// checks, changes or shows them; their bounds in the log are those of command_arguments.h. Apart
// from the first terms, so that an item that says none of it, and an order of it, carry none of it:
// all of them 0 or empty is not written at all.
// Pure; value types, any thread.

#include <string>
#include <string_view>
#include <type_traits>

#include "storage/commands/item_terms.h"
#include "storage/commands/sale_commands.h"

namespace stampede::storage {

inline constexpr std::int64_t kHoldSecondsMax = 86'400;

inline constexpr Term kDescriptionTerm{
    .name = "description", .max = 4000, .help = "Description, up to 4000 bytes of UTF-8"};
inline constexpr Term kImageTerm{
    .name = "image_url", .max = 500, .help = "Address of a picture, up to 500 bytes"};
inline constexpr Term kHoldTerm{
    .name = "hold_s",
    .max = kHoldSecondsMax,
    .help = "Seconds in which an order must be paid; 0: none is needed"};
inline constexpr Term kHoldLowTerm{
    .name = "hold_low_s",
    .max = kHoldSecondsMax,
    .help = "The same while less than --low-stock-percent is left; 0: no other"};
inline constexpr Term kLowStockTerm{
    .name = "low_stock_percent", .max = 100, .help = "Percent of the total below which it is low"};
inline constexpr Term kUnpaidTerm{
    .name = "unpaid_per_user_max",
    .max = 1'000'000'000,
    .help = "Units that one user may have unpaid at a time; 0: no bound",
    .flag_max = 1'000'000};
inline constexpr Term kPromoOnlyTerm{.name = "promo_only",
                                     .max = 1,
                                     .flag = "--sale",
                                     .help = "always, or promo_only: sold through promos alone"};
inline constexpr Term kClosedTerm{.name = "closed", .max = 1};

// fn(term, values…) for each term; the values are those of the given objects, none to all kinds of
// BasicItemSale.
template <class Fn, class... Sales>
constexpr void each_sale_term(Fn&& fn, Sales&... sales) {
  fn(kDescriptionTerm, sales.description...);
  fn(kImageTerm, sales.image_url...);
  fn(kHoldTerm, sales.hold_s...);
  fn(kHoldLowTerm, sales.hold_low_s...);
  fn(kLowStockTerm, sales.low_stock_percent...);
  fn(kUnpaidTerm, sales.unpaid_per_user_max...);
  fn(kPromoOnlyTerm, sales.promo_only...);
  fn(kClosedTerm, sales.closed...);
}

// fn(term, values…) for each term that an operator may change: `ones` have an item's terms as
// put.terms, and sale. How many units there are is `item stock`'s to change, whether it is sold
// at all `item open|close`'s.
template <class Fn, class... Ones>
constexpr void each_settable_term(Fn&& fn, Ones&... ones) {
  const auto some = [&](const Term& term, auto&... values) {
    if (&term != &kTotalTerm && &term != &kClosedTerm) fn(term, values...);
  };
  each_term(some, ones.put.terms...);
  each_sale_term(some, ones.sale...);
}

inline constexpr std::uint32_t kSaleTerms = [] {
  std::uint32_t count = 0;
  each_sale_term([&](const Term&) { ++count; });
  return count;
}();

// How many of them have to be written: none behind the last that is not 0 or empty.
template <class Text>
std::uint32_t sale_terms(const BasicItemSale<Text>& sale) {
  std::uint32_t needed = 0;
  std::uint32_t at = 0;
  each_sale_term(
      [&](const Term&, const auto& value) {
        ++at;
        if (value != std::remove_cvref_t<decltype(value)>{}) needed = at;
      },
      sale);
  return needed;
}

// fn(term, values…) for the first `count` of them.
template <class Fn, class... Sales>
constexpr void each_sale_term_of(std::uint32_t count, Fn&& fn, Sales&... sales) {
  each_sale_term(
      [&](const Term& term, auto&... values) {
        if (count == 0) return;
        --count;
        fn(term, values...);
      },
      sales...);
}

// Whether one says what the other does, whenever that was decided.
template <class One, class Other>
bool same_terms(const BasicItemSale<One>& one, const BasicItemSale<Other>& other) {
  bool same = true;
  each_sale_term([&](const Term&, const auto& a, const auto& b) { same = same && a == b; }, one,
                 other);
  return same;
}

inline ItemSale view_of(const OwnedItemSale& sale) {
  ItemSale view;
  view.decided_at_us = sale.decided_at_us;
  each_sale_term([](const Term&, auto& to, const auto& from) { to = from; }, view, sale);
  return view;
}
inline OwnedItemSale copy_of(const ItemSale& sale) {
  OwnedItemSale copy;
  copy.decided_at_us = sale.decided_at_us;
  each_sale_term([](const Term&, auto& to, const auto& from) { to = from; }, copy, sale);
  return copy;
}

}  // namespace stampede::storage
