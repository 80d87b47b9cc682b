#pragma once

// What an operator wants of an item. Values; views point into the bytes it was read from.

#include <cstdint>

#include "actors/sale/request.h"

namespace stampede::actors {

enum class ItemAction : std::uint8_t { invalid = 0, add = 1, set = 2, open = 3, close = 4 };

struct ItemRequest {
  ItemAction action = ItemAction::invalid;
  storage::ItemPut put;  // request_id, item, and the terms that are given
  ItemSale sale;
  std::uint32_t given = 0;  // set: bit n: term n of storage::each_settable_term()
};

}  // namespace stampede::actors
