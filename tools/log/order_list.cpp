#include <algorithm>
#include <chrono>
#include <cstdio>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <unordered_map>
#include <vector>

#include "actors/sale/request_hash.h"
#include "config/process/utc_text.h"
#include "storage/disk/posix_disk.h"
#include "storage/mysql/order_search.h"
#include "tools/log/log_files.h"
#include "tools/log/order_finder.h"
#include "tools/log/read_whole.h"

namespace stampede::tools {
namespace {

using nlohmann::json;
using std::chrono::steady_clock;
using storage::Command;
using storage::CommandKind;
using storage::Lsn;
using storage::RecordType;
using storage::Status;

struct ListedOrder {
  Lsn lsn = 0;
  std::string request_id;  // empty: nobody keeps it
  std::string user;        // likewise
  std::uint64_t item = 0;
  std::uint32_t qty = 0;
  std::int64_t unit_price_cents = 0;
  std::int64_t decided_us = 0;
  std::string state = "confirmed";
  std::string reason;
  std::string fulfilment = "none";
  bool stored = false;  // its row was seen
};

// By lsn; only the newest that fit are kept.
class NewestOrders {
 public:
  explicit NewestOrders(const OrderListWish& wish) : wish_(wish) {}

  void add(ListedOrder order) {
    orders_[order.lsn] = std::move(order);
    if (orders_.size() > wish_.limit) orders_.erase(orders_.begin());
  }
  [[nodiscard]] bool fits(std::uint64_t item, std::int64_t decided_us) const {
    if (wish_.item && *wish_.item != item) return false;
    const auto ms = decided_us / 1000;
    return (!wish_.since_ms || ms >= *wish_.since_ms) && (!wish_.until_ms || ms <= *wish_.until_ms);
  }
  [[nodiscard]] std::map<Lsn, ListedOrder>& all() { return orders_; }

 private:
  const OrderListWish& wish_;
  std::map<Lsn, ListedOrder> orders_;
};

bool wants_rejected(const OrderListWish& wish) {
  return wish.state.empty() || wish.state == "rejected";
}
bool wants_confirmed(const OrderListWish& wish) {
  return wish.state != "rejected";
}
// The word of the database for it; empty: any.
std::string fulfilment_of(const OrderListWish& wish) {
  return wish.state == "confirmed" || wish.state == "rejected" ? std::string{} : wish.state;
}

// What of the log fits, and what became of orders in it.
class OrderReader final : public storage::LogVisitor {
 public:
  OrderReader(const OrderListWish& wish, steady_clock::time_point until)
      : newest(wish), wish_(wish), until_(until) {}

  Status on_log(const storage::LogIdentity& identity) override {
    user_hash_ = actors::RequestHasher(identity.hash_key).user(wish_.user);
    return storage::Done{};
  }

  Status on_batch(const storage::BatchInfo& batch) override {
    late = late || steady_clock::now() >= until_;
    if (late) return storage::Error{storage::Errc::unavailable, "the time is over"};
    static_cast<void>(batch);
    return storage::Done{};
  }

  Status on_record(const storage::BatchInfo& batch, const storage::RecordView& record) override {
    if (record.type == RecordType::reject && wants_rejected(wish_)) reject(batch, record);
    if (record.type == RecordType::emit && wants_confirmed(wish_)) emit(record);
    return storage::Done{};
  }

  NewestOrders newest;
  std::unordered_map<Lsn, std::string> fulfilments;  // of orders that were updated
  bool late = false;

 private:
  void reject(const storage::BatchInfo& batch, const storage::RecordView& record) {
    storage::Rejection rejection;
    if (!decoder_.rejection(record.payload, rejection)) return;
    const bool of_user = wish_.user.empty() || rejection.user_hash == user_hash_;
    const auto at_us =
        rejection.decided_at_us != 0 ? rejection.decided_at_us : batch.wall_ns / 1000;
    if (!of_user || !newest.fits(rejection.item, at_us)) return;
    ListedOrder order;
    order.lsn = record.lsn;
    order.user = wish_.user;
    order.item = rejection.item;
    order.qty = rejection.qty;
    order.decided_us = at_us;
    order.state = "rejected";
    order.reason = to_text(rejection.reason);
    newest.add(std::move(order));
  }

  void emit(const storage::RecordView& record) {
    if (!decoder_.command_set(record.payload, set_)) return;
    for (const auto& command : set_) {
      if (command.kind == CommandKind::order_insert) insert(record.lsn, command);
      if (command.kind == CommandKind::order_update && command.sale)
        fulfilments[command.sale->update.order] =
            to_text(static_cast<storage::Fulfilment>(command.sale->update.fulfilment));
    }
  }

  void insert(Lsn lsn, const Command& command) {
    const auto& order = command.order;
    if (!wish_.user.empty() && order.user != wish_.user) return;
    if (!newest.fits(order.item, order.decided_at_us)) return;
    ListedOrder listed;
    listed.lsn = lsn;
    listed.request_id = order.request_id;
    listed.user = order.user;
    listed.item = order.item;
    listed.qty = order.qty;
    listed.unit_price_cents = order.unit_price_cents;
    listed.decided_us = order.decided_at_us;
    if (command.sale && command.sale->order.pay_by_ms != 0) listed.fulfilment = "unpaid";
    // What became of it is known only at the end of the log, so it may be one too many.
    if (fulfilment_of(wish_).empty() || may_become(listed)) newest.add(std::move(listed));
  }
  [[nodiscard]] bool may_become(const ListedOrder& order) const {
    return (fulfilment_of(wish_) == "none") == (order.fulfilment == "none");
  }

  const OrderListWish& wish_;
  steady_clock::time_point until_;
  std::uint64_t user_hash_ = 0;
  storage::CommandDecoder decoder_;
  std::vector<Command> set_;
};

struct Found {
  std::map<Lsn, ListedOrder> orders;
  std::string database;    // why it was not asked; empty: it was
  bool complete = true;    // else the time was over
  Lsn looked_down_to = 0;  // in the database; 0: to its end, or not at all
};

storage::OrderFilter filter_of(const OrderListWish& wish) {
  storage::OrderFilter filter;
  filter.user = wish.user;
  filter.item = wish.item;
  filter.fulfilment = fulfilment_of(wish);
  if (wish.since_ms) filter.since_us = *wish.since_ms * 1000;
  if (wish.until_ms) filter.until_us = *wish.until_ms * 1000 + 999;
  return filter;
}

// The newest of the database's rows, too. What was found in both is stored.
void look_in_database(const storage::DbOptions& database, const OrderListWish& wish,
                      steady_clock::time_point until, Found& found) {
  auto search = storage::OrderSearch::open(database, filter_of(wish));
  if (!search) {
    found.database = search.error().message;
    return;
  }
  std::size_t rows = 0;
  bool more = true;
  while (more && rows < wish.limit) {
    if (steady_clock::now() >= until) {
      found.complete = false;
      break;
    }
    const auto looked = search->next(wish.limit - rows, [&](const storage::FoundOrder& row) {
      ++rows;
      found.orders[row.order_id] = {row.order_id,
                                    row.request_id,
                                    row.user,
                                    row.item,
                                    row.qty,
                                    row.unit_price_cents,
                                    row.decided_at_us,
                                    "confirmed",
                                    {},
                                    row.fulfilment,
                                    true};
    });
    if (!looked) {
      found.database = looked.error().message;
      return;
    }
    more = *looked;
  }
  found.looked_down_to = search->looked_down_to();
}

// The database lags behind the log, which says what became of an order last.
void settle(Found& found, const OrderReader& log, const OrderListWish& wish) {
  const auto wanted = fulfilment_of(wish);
  for (auto at = found.orders.begin(); at != found.orders.end();) {
    auto& order = at->second;
    const auto newer = log.fulfilments.find(order.lsn);
    if (newer != log.fulfilments.end()) order.fulfilment = newer->second;
    const bool fits = wanted.empty() || order.fulfilment == wanted;
    at = fits ? std::next(at) : found.orders.erase(at);
  }
  while (found.orders.size() > wish.limit) found.orders.erase(found.orders.begin());
}

// Whether the database was looked at where its row would be, so that it lacks one that was not
// seen.
bool was_looked_for(const Found& found, const ListedOrder& order) {
  return found.database.empty() && (found.complete || order.lsn >= found.looked_down_to);
}

json order_json(const Found& found, const ListedOrder& order) {
  const auto text = [](const std::string& value) {
    return value.empty() ? json(nullptr) : json(value);
  };
  json map = {{"request_id", text(order.request_id)},
              {"lsn", storage::to_text(order.lsn)},
              {"state", order.state},
              {"item", order.item},
              {"user", text(order.user)},
              {"qty", order.qty},
              {"decided_at", config::utc_text(order.decided_us / 1000)}};
  if (order.state == "rejected") {
    map["reason"] = order.reason;
  } else {
    map["order_id"] = std::to_string(order.lsn);
    map["unit_price_cents"] = order.unit_price_cents;
    map["fulfilment"] = order.fulfilment;
    map["stored"] = order.stored || was_looked_for(found, order) ? json(order.stored) : json();
  }
  return map;
}

void print(const Found& found, std::ostream& out) {
  char line[512];
  std::snprintf(line, sizeof line, "%-24s %-12s %-10s %-12s %8s %5s  %-20s %s\n", "DECIDED", "LSN",
                "STATE", "", "ITEM", "QTY", "USER", "REQUEST");
  if (!found.orders.empty()) out << line;
  for (auto at = found.orders.rbegin(); at != found.orders.rend(); ++at) {
    const auto& order = at->second;
    const bool rejected = order.state == "rejected";
    const char* stored = order.stored                   ? ""
                         : was_looked_for(found, order) ? "not stored"
                                                        : "not asked";
    const auto more = rejected                     ? order.reason
                      : order.fulfilment != "none" ? order.fulfilment
                                                   : std::string(stored);
    std::snprintf(line, sizeof line, "%-24s %-12s %-10s %-12s %8s %5u  %-20s %s\n",
                  config::utc_text(order.decided_us / 1000).c_str(),
                  storage::to_text(order.lsn).c_str(), order.state.c_str(), more.c_str(),
                  std::to_string(order.item).c_str(), order.qty,
                  order.user.empty() ? "-" : order.user.c_str(),
                  order.request_id.empty() ? "-" : order.request_id.c_str());
    out << line;
  }
  if (found.orders.empty()) out << "no order fits\n";
}

void say_what_is_missing(const Found& found, const LogBeginning& beginning,
                         const OrderListWish& wish, std::ostream& err) {
  if (!found.database.empty())
    err << "stampede order list: the database was not asked, these are the log's: "
        << found.database << '\n';
  if (!found.complete)
    err << "stampede order list: the time was over; older orders were not looked at: give a longer "
           "--timeout, or --until an earlier time\n";
  if (wants_rejected(wish) && !beginning.is_start())
    err << "rejections are listed from lsn " << storage::to_text(beginning.speaks_from())
        << " on: the log begins there\n";
}

int exit_of(const Found& found) {
  if (!found.database.empty()) return kExitNoConnection;
  return found.complete ? kExitDone : kExitTimedOut;
}

}  // namespace

int run_order_list(const ToolOptions& options, const storage::DbOptions& database,
                   const OrderListWish& wish, std::ostream& out, std::ostream& err) {
  const auto dir = existing_log_dir(options, {});
  if (!dir) return report_error(err, dir.error());
  const auto began = steady_clock::now();
  const auto until = began + std::chrono::milliseconds(wish.timeout_ms);
  let_others_go_first();
  storage::PosixDisk disk;
  std::unique_ptr<OrderReader> log;
  const auto beginning = read_whole(disk, *dir, log, [&](const LogBeginning&) {
    return std::make_unique<OrderReader>(wish, steady_clock::now() + (until - began) / 2);
  });
  if (!beginning && !log->late) return report_error(err, beginning.error());
  Found found;
  found.complete = !log->late;
  found.orders = std::move(log->newest.all());
  if (wants_confirmed(wish)) look_in_database(database, wish, until, found);
  settle(found, *log, wish);
  if (options.json) {
    const bool partly = !found.complete && found.looked_down_to != 0;
    json report = {
        {"orders", json::array()},
        {"complete", found.complete && found.database.empty()},
        {"looked_down_to", partly ? json(storage::to_text(found.looked_down_to)) : json(nullptr)}};
    for (auto at = found.orders.rbegin(); at != found.orders.rend(); ++at)
      report["orders"].push_back(order_json(found, at->second));
    out << report.dump(-1, ' ', false, json::error_handler_t::replace) << '\n';
  } else {
    print(found, out);
  }
  say_what_is_missing(found, beginning ? *beginning : LogBeginning{}, wish, err);
  return exit_of(found);
}

}  // namespace stampede::tools
