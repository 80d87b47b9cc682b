#pragma once

// Name and place of every argument of a command, in the order of its log array: encoder, decoder
// and both directions of the line form walk this list, so they cannot disagree. Pure.

#include <cstdint>
#include <limits>
#include <type_traits>

#include "storage/commands/command.h"

namespace stampede::storage {

// Marks a hash: all 64 bits count, and it is printed as 16 hex digits. Every other unsigned number
// of 64 bits is below 2^63.
template <class Number>
struct AsHex {
  Number& value;
};

// What format 2 added is bounded. Number: signed or not; an absent one is kNoNumber.
template <class Number>
struct Within {
  Number& value;
  std::int64_t min = 0;
  std::int64_t max = std::numeric_limits<std::int64_t>::max();
  bool may_be_nil = false;
};
template <class Text>
struct WithinText {
  Text& value;
  std::size_t min = 0;
  std::size_t max = 0;
  bool may_be_nil = false;  // and is, when it is empty
};
// Bytes, printed as hex.
template <class Text>
struct WithinBytes {
  Text& value;
  std::size_t min = 0;
  std::size_t max = 0;
  bool may_be_nil = false;
};

namespace arguments {

inline constexpr std::int64_t kIdMax = std::numeric_limits<std::int64_t>::max();
inline constexpr std::int64_t kTimeMsMax = 253'402'300'799'999;  // the end of the year 9999
inline constexpr std::int64_t kTimeUsMax = kTimeMsMax * 1000 + 999;
inline constexpr std::int64_t kHoldMax = 86'400;
inline constexpr std::int64_t kLimitMax = 1'000'000'000;
inline constexpr std::int64_t kGateFactorMax = 1'000'000;

template <class Number>
Within<Number> up_to(std::int64_t max, Number& value) {
  return {value, 0, max, false};
}
template <class Number>
Within<Number> one_of(std::int64_t min, std::int64_t max, Number& value) {
  return {value, min, max, false};
}
template <class Number>
Within<Number> id(Number& value) {
  return up_to(kIdMax, value);
}
template <class Number>
Within<Number> id_or_nil(Number& value) {
  return {value, 0, kIdMax, true};
}
template <class Text>
WithinText<Text> text(std::size_t min, std::size_t max, Text& value) {
  return {value, min, max, false};
}
template <class Text>
WithinText<Text> text_or_nil(std::size_t max, Text& value) {
  return {value, 1, max, true};
}
template <class Text>
WithinBytes<Text> bytes(std::size_t size, Text& value) {
  return {value, size, size, false};
}
template <class Text>
WithinBytes<Text> bytes_or_nil(std::size_t size, Text& value) {
  return {value, size, size, true};
}
template <class Text>
WithinBytes<Text> bytes_up_to(std::size_t max, Text& value) {
  return {value, 0, max, false};
}

}  // namespace arguments

// fn(name, value) for each; value is a wrapper of above. The terms of an item come in the order of
// sale_terms.h.
template <class Some, class Fn>
void each_sale_argument(Some& sale, Fn&& fn) {
  using namespace arguments;
  using Type = std::remove_const_t<Some>;
  if constexpr (std::is_same_v<Type, OrderSale>) {
    fn("promo", id_or_nil(sale.promo));
    fn("pay_by_ms", up_to(kTimeMsMax, sale.pay_by_ms));
    fn("counted", up_to(3, sale.counted));
  } else if constexpr (std::is_same_v<Type, ItemSale>) {
    fn("decided_at_us", up_to(kTimeUsMax, sale.decided_at_us));
    fn("description", text(0, 4000, sale.description));
    fn("image_url", text(0, 500, sale.image_url));
    fn("hold_s", up_to(kHoldMax, sale.hold_s));
    fn("hold_low_s", up_to(kHoldMax, sale.hold_low_s));
    fn("low_stock_percent", up_to(100, sale.low_stock_percent));
    fn("unpaid_per_user_max", up_to(kLimitMax, sale.unpaid_per_user_max));
    fn("promo_only", up_to(1, sale.promo_only));
    fn("closed", up_to(1, sale.closed));
  } else {
    static_assert(std::is_same_v<Type, Rejection>);
    fn("promo", id_or_nil(sale.promo));
    fn("decided_at_us", up_to(kTimeUsMax, sale.decided_at_us));
  }
}

// The same for the commands of the sale.
template <class Some, class Fn>
void each_command_argument(Some& some, Fn&& fn) {
  using namespace arguments;
  using Type = std::remove_const_t<Some>;
  using Hash = std::conditional_t<std::is_const_v<Some>, const std::uint64_t, std::uint64_t>;
  if constexpr (std::is_same_v<Type, PromoPut>) {
    fn("request_id", text(1, 64, some.request_id));
    fn("promo", id(some.promo));
    fn("item", id(some.item));
    fn("name", text(1, kItemNameBytesMax, some.name));
    fn("price_cents", id(some.price_cents));
    fn("starts_at_ms", up_to(kTimeMsMax, some.starts_at_ms));
    fn("ends_at_ms", up_to(kTimeMsMax, some.ends_at_ms));
    fn("limit_per_user", up_to(kLimitMax, some.limit_per_user));
    fn("ticket", up_to(1, some.ticket));
    fn("gate_factor", up_to(kGateFactorMax, some.gate_factor));
    fn("hold_s", up_to(kHoldMax, some.hold_s));
    fn("hold_low_s", up_to(kHoldMax, some.hold_low_s));
    fn("low_stock_percent", up_to(100, some.low_stock_percent));
    fn("unpaid_per_user_max", up_to(kLimitMax, some.unpaid_per_user_max));
    fn("content_hash", AsHex<Hash>{some.content_hash});
    fn("decided_at_us", up_to(kTimeUsMax, some.decided_at_us));
  } else if constexpr (std::is_same_v<Type, TicketGrant>) {
    fn("promo", id(some.promo));
    fn("item", id(some.item));
    fn("granted", id(some.granted));
    fn("user", text(1, 64, some.user));
    fn("ticket", text(1, 64, some.ticket));
    fn("expires_at_ms", up_to(kTimeMsMax, some.expires_at_ms));
    fn("decided_at_us", up_to(kTimeUsMax, some.decided_at_us));
  } else if constexpr (std::is_same_v<Type, OrderUpdate>) {
    fn("order", one_of(1, kIdMax, some.order));
    fn("item", id(some.item));
    fn("fulfilment", one_of(2, 5, some.fulfilment));
    fn("action_id", text_or_nil(64, some.action_id));
    fn("amount_cents", id(some.amount_cents));
    fn("decided_at_us", up_to(kTimeUsMax, some.decided_at_us));
  } else {
    static_assert(std::is_same_v<Type, StockChange>);
    fn("item", id(some.item));
    fn("delta", one_of(-kStockMax, kStockMax, some.delta));
    fn("reason", one_of(1, 4, some.reason));
    fn("order", id_or_nil(some.order));
    fn("decided_at_us", up_to(kTimeUsMax, some.decided_at_us));
  }
}

// The same for the control records.
template <class Some, class Fn>
void each_control_argument(Some& some, Fn&& fn) {
  using namespace arguments;
  using Type = std::remove_const_t<Some>;
  using Hash = std::conditional_t<std::is_const_v<Some>, const std::uint64_t, std::uint64_t>;
  if constexpr (std::is_same_v<Type, HaRecord>) {
    fn("gen", one_of(1, kIdMax, some.gen));
    fn("cluster", text(1, kShortTextBytesMax, some.cluster));
    fn("cluster_id", AsHex<Hash>{some.cluster_id});
    fn("log_uuid", bytes(kUuidBytes, some.log_uuid));
    fn("mode", one_of(1, 2, some.mode));
    fn("leader", bytes(kUuidBytes, some.leader));
    fn("epoch", up_to(static_cast<std::int64_t>(kEpochMax), some.epoch));
    fn("standby", bytes_or_nil(kUuidBytes, some.standby));
    fn("level", up_to(0xFFFF, some.level));
    fn("paused", up_to(1, some.paused));
  } else if constexpr (std::is_same_v<Type, HashRecord>) {
    fn("lsn", id(some.lsn));
    fn("items", id(some.items));
    fn("confirmed", id(some.confirmed));
    fn("hash", bytes(kUuidBytes, some.hash));
  } else if constexpr (std::is_same_v<Type, ConfigRecord>) {
    fn("name", text(1, kShortTextBytesMax, some.name));
    fn("version", one_of(1, kIdMax, some.version));
    fn("sha256", bytes(kSha256Bytes, some.sha256));
    fn("value", bytes_up_to(kConfigBytesMax, some.value));
    fn("decided_at_us", up_to(kTimeUsMax, some.decided_at_us));
  } else if constexpr (std::is_same_v<Type, ClaimRecord>) {
    fn("request_id_hash", bytes(kUuidBytes, some.request_hash));
    fn("content_hash", AsHex<Hash>{some.content_hash});
    fn("shard", up_to(1023, some.shard));
    fn("decided_at_us", up_to(kTimeUsMax, some.decided_at_us));
  } else {
    static_assert(std::is_same_v<Type, RevokeRecord>);
    fn("token_hash", bytes(kUuidBytes, some.token_hash));
    fn("user_hash", AsHex<Hash>{some.user_hash});
    fn("expires_at_ms", up_to(kTimeMsMax, some.expires_at_ms));
    fn("reason", one_of(1, 4, some.reason));
    fn("decided_at_us", up_to(kTimeUsMax, some.decided_at_us));
  }
}

template <class Some>
inline constexpr bool kIsControl =
    std::is_same_v<Some, HaRecord> || std::is_same_v<Some, HashRecord> ||
    std::is_same_v<Some, ConfigRecord> || std::is_same_v<Some, ClaimRecord> ||
    std::is_same_v<Some, RevokeRecord>;

// For either.
template <class Some, class Fn>
void each_bounded_argument(Some& some, Fn&& fn) {
  if constexpr (kIsControl<std::remove_const_t<Some>>)
    each_control_argument(some, fn);
  else
    each_command_argument(some, fn);
}

template <class Some>
std::uint32_t count_bounded(const Some& some) {
  std::uint32_t count = 0;
  each_bounded_argument(some, [&](std::string_view, const auto&) { ++count; });
  return count;
}

// fn(part) with the part of the sale that belongs to a command of this kind: of a kind of its own,
// or what stands behind the arguments of an older one.
template <class Sale, class Fn>
void with_sale_command(CommandKind kind, Sale& sale, Fn&& fn) {
  if (kind == CommandKind::promo_put) fn(sale.promo);
  if (kind == CommandKind::ticket_grant) fn(sale.ticket);
  if (kind == CommandKind::order_update) fn(sale.update);
  if (kind == CommandKind::stock_change) fn(sale.stock);
}
template <class Sale, class Fn>
void with_sale_array(CommandKind kind, Sale& sale, Fn&& fn) {
  if (kind == CommandKind::order_insert) fn(sale.order);
  if (kind == CommandKind::item_put) fn(sale.item);
}

// fn(name, value) for each argument; value is a string_view, an integer, or AsHex. What format 2
// added is no part of it.
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

// How many there are.
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
