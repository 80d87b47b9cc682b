#pragma once

// The rows of one lane batch, and what became of them. Values only: whoever plans batches includes
// this and nothing of the database. Filled by the lane from log bytes; the views stay valid while
// the batch is applied.

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "storage/commands/item_terms.h"
#include "storage/commands/sale_commands.h"
#include "storage/lsn.h"

namespace stampede::storage {

struct OrderRow {
  Lsn order_id = 0;
  std::string_view request_id;
  std::uint64_t item = 0;
  std::string_view user;
  std::uint32_t qty = 0;
  std::int64_t unit_price_cents = 0;
  std::int64_t decided_at_us = 0;  // microseconds since 1970-01-01 UTC
  std::uint64_t promo = kNoNumber;
  std::int64_t pay_by_ms = 0;  // 0: needs no payment; else it is unpaid until an OrderUpdate
};

struct ItemPutRow {
  std::uint64_t item = 0;
  ItemTerms terms;
  Lsn put_lsn = 0;
  ItemSale sale{};  // absolute as the terms; its decided_at_us is in no column
};

struct AmountRow {
  std::uint64_t item = 0;
  std::int64_t amount = 0;  // absolute
  Lsn lsn = 0;
};

// Its request_id, content_hash and decided_at_us are in no column.
struct PromoPutRow {
  PromoPut put;
  Lsn put_lsn = 0;
};

// Of it only promo, item and granted are in a column.
struct TicketGrantRow {
  TicketGrant grant;
  Lsn lsn = 0;
};

// Its amount_cents is in no column, its action_id only when it is a payment's.
struct OrderUpdateRow {
  OrderUpdate update;
  Lsn lsn = 0;
};

struct StockChangeRow {
  StockChange change;
  Lsn lsn = 0;
};

// Written in this order, so that a row is there when its update comes. Of rows with one key and
// kind the one with the highest lsn wins, in whatever order they come, in one batch or in several.
struct LaneBatch {
  std::vector<OrderRow> orders;
  std::vector<ItemPutRow> puts;
  std::vector<AmountRow> amounts;
  std::vector<PromoPutRow> promos;
  std::vector<TicketGrantRow> grants;
  std::vector<OrderUpdateRow> updates;
  std::vector<StockChangeRow> stock;
  Lsn witness = 0;  // the highest lsn in it

  void clear() {  // keeps the memory
    orders.clear();
    puts.clear();
    amounts.clear();
    promos.clear();
    grants.clear();
    updates.clear();
    stock.clear();
    witness = 0;
  }
};

enum class RowKind : std::uint8_t {
  order = 1,
  put = 2,
  amount = 3,
  promo = 4,
  grant = 5,
  update = 6,
  stock = 7,
};
inline constexpr std::size_t kRowKinds = 7;

// A row that the database refuses for good. The command stays owed (contract §7) and is an
// alarm: `message` names the row, what differs or what the server said.
struct RowFailure {
  RowKind kind = RowKind::order;
  std::size_t index = 0;  // into the batch's rows of the kind
  // The server's; 1062 when a stored row has the same key, other content; 1032 when the row that is
  // to be updated is not there.
  unsigned errnum = 0;
  std::string message;
};

struct LaneOutcome {
  std::vector<RowFailure> failures;  // everything else of the batch is committed
};

}  // namespace stampede::storage
