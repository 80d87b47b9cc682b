#pragma once

// Name and place of every argument of a command, in the order of its log array: encoder, decoder
// and both directions of the line form walk this list, so they cannot disagree. Pure.

#include <cstdint>
#include <type_traits>

#include "storage/commands/command.h"

namespace stampede::storage {

// Marks a hash: all 64 bits count, and it is printed as 16 hex digits. Every other unsigned number
// of 64 bits is below 2^63.
template <class Number>
struct AsHex {
  Number& value;
};

// fn(name, value) for each argument; value is a string_view, an integer, or AsHex. The terms of an
// item that were added later are no part of it: each_added_term().
template <class Some, class Fn>
constexpr void each_argument(Some& command, Fn&& fn) {
  using Type = std::remove_const_t<Some>;
  if constexpr (std::is_same_v<Type, OrderInsert>) {
    fn("request_id", command.request_id);
    fn("item", command.item);
    fn("user", command.user);
    fn("qty", command.qty);
    fn("unit_price_cents", command.unit_price_cents);
    fn("decided_at_us", command.decided_at_us);
  } else if constexpr (std::is_same_v<Type, ItemAmountUpdate>) {
    fn("item", command.item);
    fn("amount", command.amount);
  } else if constexpr (std::is_same_v<Type, ItemPut>) {
    fn("request_id", command.request_id);
    fn("item", command.item);
    each_first_term([&](const Term& term, auto& value) { fn(term.name, value); }, command.terms);
    using Hash = std::remove_reference_t<decltype((command.content_hash))>;
    fn("content_hash", AsHex<Hash>{command.content_hash});
  } else {
    static_assert(std::is_same_v<Type, Command>);
    if (command.kind == CommandKind::order_insert) each_argument(command.order, fn);
    if (command.kind == CommandKind::item_amount_update) each_argument(command.amount, fn);
    if (command.kind == CommandKind::item_put) each_argument(command.put, fn);
  }
}

// How many there are; an id text may come behind them in the array.
template <class Some>
constexpr std::uint32_t count_arguments(const Some& command) {
  std::uint32_t count = 0;
  each_argument(command, [&](std::string_view, const auto&) { ++count; });
  return count;
}
inline constexpr std::uint32_t kOrderArguments = count_arguments(OrderInsert{});
inline constexpr std::uint32_t kAmountArguments = count_arguments(ItemAmountUpdate{});
inline constexpr std::uint32_t kPutArguments = count_arguments(ItemPut{});

}  // namespace stampede::storage
