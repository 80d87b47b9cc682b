#include "tools/log/remembered_orders.h"

#include <utility>

namespace stampede::tools {

using storage::Lsn;
using storage::Status;

storage::Result<RememberedOrders> read_remembered(storage::Disk& disk, const std::string& dir) {
  const auto beginning = log_beginning(disk, dir);
  if (!beginning) return beginning.error();
  RememberedOrders orders;
  orders.beginning = *beginning;
  if (beginning->is_start()) return orders;
  auto contents = read_snapshot(disk, dir, beginning->snapshot);
  if (!contents) return contents.error();
  orders.contents = std::move(*contents);
  return orders;
}

namespace {

std::string name_of(Lsn order) {
  return "order " + storage::to_text(order) + " (" + std::to_string(order) + ")";
}

// What the log says of it was written a moment ago.
void look_at_payment(RememberedOrders& orders, const RememberedHolds& holds,
                     const storage::StoredOrder& row, const actors::RequestHasher& hasher) {
  const auto hold = holds.find(row.order_id);
  if (hold == holds.end() || row.lsn >= orders.beginning.speaks_from()) return;
  const auto how = differs(hold->second, row, hasher);
  if (!how.empty() && ++orders.other_payments == 1)
    orders.first_other_payment = name_of(row.order_id) + ", is " + how;
}

Status look_at_stock(storage::Database& database, RememberedOrders& orders,
                     const RememberedHolds& holds) {
  RememberedStock stock;
  const auto read =
      database.each_stock_change(0, orders.contents.header.position.last_lsn,
                                 [&](const storage::StockChangeRow& row) { stock.add(row); });
  if (!read) return read;
  stock.each_difference(holds, [&](Lsn order, const RememberedHold& hold, std::int64_t sum) {
    if (++orders.other_stock > 1) return;
    orders.first_other_stock = name_of(order) + " of item " + std::to_string(hold.item) +
                               ", gave " + std::to_string(hold.units_back) +
                               " units back, and has rows of " + std::to_string(sum);
  });
  return storage::Done{};
}

}  // namespace

Status look_for_remembered(storage::Database& database, RememberedOrders& orders) {
  const Lsn end = orders.beginning.speaks_from();
  if (end == 0) return storage::Done{};
  const actors::RequestHasher hasher(orders.contents.header.position.hash_key);
  const auto& all = orders.contents.orders;
  std::size_t next = 0;
  orders.missing = orders.differing = orders.other_payments = orders.other_stock = 0;
  const auto holds = remembered_holds(orders.contents);
  const auto missing = [&] {
    if (++orders.missing == 1) orders.first_missing = all[next].lsn;
    orders.last_missing = all[next++].lsn;
  };
  const auto read = database.each_order(0, end - 1, [&](const storage::StoredOrder& row) {
    while (next < all.size() && all[next].lsn < row.order_id) missing();
    if (next == all.size() || all[next].lsn != row.order_id) return;
    if (all[next++].content != remembered_content(hasher, row)) ++orders.differing;
    look_at_payment(orders, holds, row, hasher);
  });
  if (!read) return read;
  while (next < all.size() && all[next].lsn < end) missing();
  orders.count = next;
  return look_at_stock(database, orders, holds);
}

std::vector<std::string> RememberedOrders::violations() const {
  std::vector<std::string> out;
  const std::string from = storage::to_text(beginning.speaks_from());
  if (missing > 0) {
    out.push_back(std::to_string(missing) + " orders, lsn " + storage::to_text(first_missing) +
                  " … " + storage::to_text(last_missing) +
                  ", are not in the database, and the segments that held their texts are gone: the "
                  "log speaks from lsn " +
                  from +
                  " on. Restore a backup of the database that holds them and run this again");
  }
  if (differing > 0) {
    out.push_back(std::to_string(differing) + " orders before lsn " + from +
                  " have rows of other content");
  }
  const std::string advice =
      ", and the segments that held what is missing are gone: the log speaks from lsn " + from +
      " on. Restore a newer backup of the database and run this again";
  if (other_payments > 0)
    out.push_back(
        "of " + std::to_string(other_payments) +
        " orders the database has another state of payment than the snapshot; the first, " +
        first_other_payment + advice);
  if (other_stock > 0)
    out.push_back("the rows in `stock_change` of " + std::to_string(other_stock) +
                  " orders do not add up; the first, " + first_other_stock + advice);
  return out;
}

}  // namespace stampede::tools
