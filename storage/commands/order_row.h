#pragma once

// The row of a confirmed order, from its command. Pure.

#include "storage/commands/batch_rows.h"
#include "storage/commands/command.h"

namespace stampede::storage {

// `insert` is an OrderInsert, `order_id` its lsn. Texts point to where the command's do.
inline OrderRow order_row(Lsn order_id, const Command& insert) {
  const auto& order = insert.order;
  OrderRow row{order_id,  order.request_id,       order.item,         order.user,
               order.qty, order.unit_price_cents, order.decided_at_us};
  if (insert.sale) {
    row.promo = insert.sale->order.promo;
    row.pay_by_ms = insert.sale->order.pay_by_ms;
  }
  return row;
}

}  // namespace stampede::storage
