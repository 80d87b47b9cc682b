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

Status look_for_remembered(storage::Database& database, RememberedOrders& orders) {
  const Lsn end = orders.beginning.speaks_from();
  if (end == 0) return storage::Done{};
  const actors::RequestHasher hasher(orders.contents.header.position.hash_key);
  const auto& all = orders.contents.orders;
  std::size_t next = 0;
  orders.missing = orders.differing = 0;
  const auto missing = [&] {
    if (++orders.missing == 1) orders.first_missing = all[next].lsn;
    orders.last_missing = all[next++].lsn;
  };
  const auto read = database.each_order(0, end - 1, [&](const storage::StoredOrder& row) {
    while (next < all.size() && all[next].lsn < row.order_id) missing();
    if (next == all.size() || all[next].lsn != row.order_id) return;
    if (all[next++].content != remembered_content(hasher, row)) ++orders.differing;
  });
  if (!read) return read;
  while (next < all.size() && all[next].lsn < end) missing();
  orders.count = next;
  return storage::Done{};
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
  return out;
}

}  // namespace stampede::tools
