#pragma once

// Where the rows are of which a lane knows that it has committed them last. Values only.

#include <string_view>

#include "storage/mysql/database.h"

namespace stampede::storage {

struct LastTable {
  std::string_view table;
  std::string_view key;    // its column
  std::string_view guard;  // the column that only grows; empty: the row never changes
  std::string_view name;   // of a row, for people
  bool by_lsn = false;     // the key: its oldest rows may be moved to an archive
};

// By LastKind.
inline constexpr LastTable kLastTables[] = {
    {"orders", "order_id", "", "order", true},
    {"orders", "order_id", "lsn", "order", true},
    {"item", "id", "lsn", "item"},
    {"promo", "id", "put_lsn", "promo"},
    {"stock_change", "lsn", "", "stock_change", true},
    {"promo", "id", "lsn", "promo"},
};
static_assert(std::size(kLastTables) == kLastKinds);

}  // namespace stampede::storage
