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
};

struct ItemPutRow {
  std::uint64_t item = 0;
  ItemTerms terms;
  Lsn put_lsn = 0;
};

struct AmountRow {
  std::uint64_t item = 0;
  std::int64_t amount = 0;  // absolute
  Lsn lsn = 0;
};

struct LaneBatch {
  std::vector<OrderRow> orders;
  std::vector<ItemPutRow> puts;
  std::vector<AmountRow> amounts;
  Lsn witness = 0;  // the highest lsn in it
};

enum class RowKind : std::uint8_t { order = 1, put = 2, amount = 3 };

// A row that the database refuses for good. The command stays owed (contract §7) and is an
// alarm: `message` names the row, what differs or what the server said.
struct RowFailure {
  RowKind kind = RowKind::order;
  std::size_t index = 0;  // into orders, puts or amounts of the batch
  unsigned errnum = 0;    // the server's; 1062 when a stored row has the same key, other content
  std::string message;
};

struct LaneOutcome {
  std::vector<RowFailure> failures;  // everything else of the batch is committed
};

}  // namespace stampede::storage
