#pragma once

// What a snapshot remembers of the orders that need payment, and what their rows must say for it.
// Values; no I/O.

#include <cstdint>
#include <map>
#include <string>

#include "tools/log/log_beginning.h"

namespace stampede::tools {

struct RememberedHold {
  std::uint64_t item = 0;  // 0: the order is not remembered
  std::uint32_t qty = 0;
  storage::Fulfilment fulfilment = storage::Fulfilment::unpaid;
  std::int64_t at_ms = 0;       // unpaid: when the time to pay ends; else when it became that
  std::uint64_t payment = 0;    // half of its id's keyed hash; 0: none paid
  std::int64_t units_back = 0;  // the sum of its StockChanges up to the snapshot
  std::int64_t units_owed = 0;  // of those, the ones that were owed to the database
};
using RememberedHolds = std::map<storage::Lsn, RememberedHold>;  // by order

RememberedHolds remembered_holds(const SnapshotContents& contents);

// What the row says otherwise, in words; empty: nothing.
std::string differs(const RememberedHold& hold, const storage::StoredOrder& row,
                    const actors::RequestHasher& hasher);

// The sum of the StockChanges of each order, and the first orders that have another one than is
// remembered.
class RememberedStock {
 public:
  void add(const storage::StockChangeRow& row) {
    if (row.change.order != storage::kNoNumber) sums_[row.change.order] += row.change.delta;
  }
  // fn(order, hold, sum) for each.
  template <class Fn>
  void each_difference(const RememberedHolds& holds, Fn fn) const {
    for (const auto& [order, hold] : holds) {
      const auto found = sums_.find(order);
      const auto sum = found == sums_.end() ? 0 : found->second;
      if (sum != hold.units_back && sum != hold.units_back - hold.units_owed) fn(order, hold, sum);
    }
  }
  // fn(order) for each that is not remembered at all.
  template <class Fn>
  void each_stranger(const RememberedHolds& holds, Fn fn) const {
    for (const auto& [order, sum] : sums_)
      if (!holds.contains(order)) fn(order);
  }

 private:
  std::map<storage::Lsn, std::int64_t> sums_;
};

}  // namespace stampede::tools
