#pragma once

// Name and place of every argument of a command, in the order of its log array: printing and
// parsing the line form walk the same list, so they cannot disagree. Pure; used by command_text.

#include <type_traits>

#include "storage/commands/command.h"

namespace stampede::storage {

// Marks a number that is written as 16 hex digits.
template <class Number>
struct AsHex {
  Number& value;
};

// fn(name, value) for each argument; value is a string_view, an integer, or AsHex.
template <class SomeCommand, class Fn>
void each_argument(SomeCommand& command, Fn fn) {
  auto& order = command.order;
  auto& put = command.put;
  switch (command.kind) {
    case CommandKind::order_insert:
      fn("request_id", order.request_id);
      fn("item", order.item);
      fn("user", order.user);
      fn("qty", order.qty);
      fn("unit_price_cents", order.unit_price_cents);
      fn("decided_at_us", order.decided_at_us);
      break;
    case CommandKind::item_amount_update:
      fn("item", command.amount.item);
      fn("amount", command.amount.amount);
      break;
    case CommandKind::item_put:
      fn("request_id", put.request_id);
      fn("item", put.item);
      fn("name", put.name);
      fn("price_cents", put.price_cents);
      fn("total", put.total);
      fn("limit_per_user", put.limit_per_user);
      fn("max_qty", put.max_qty);
      fn("content_hash",
         AsHex<std::remove_reference_t<decltype((put.content_hash))>>{put.content_hash});
      break;
    case CommandKind::invalid:
      break;
  }
}

}  // namespace stampede::storage
