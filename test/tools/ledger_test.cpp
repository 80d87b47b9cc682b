#include "tools/ledger.h"

#include <doctest/doctest.h>

#include <string>

#include "storage/command.h"

using namespace stampede;
using storage::Lsn;
using tools::Ledger;

namespace {

// Feeds a ledger as the log's reader does.
class Log {
 public:
  explicit Log(Lsn up_to) : ledger(up_to) {}

  void put(std::uint64_t item, std::int64_t total, std::int64_t amount, std::uint32_t limit = 0) {
    storage::ItemPut put;
    put.request_id = "put";
    put.item = item;
    put.name = "Phone";
    put.total = total;
    put.limit_per_user = limit;
    put.max_qty = 5;
    payload_.clear();
    storage::encode_item_set(payload_, put, {item, amount});
    record(storage::RecordType::emit, ++lsn);
  }
  void order(const std::string& id, std::int64_t left, const std::string& user = "ann",
             std::uint32_t qty = 1, std::uint64_t item = 1) {
    storage::OrderInsert order;
    order.request_id = id;
    order.item = item;
    order.user = user;
    order.qty = qty;
    payload_.clear();
    storage::encode_order_set(payload_, order, {item, left});
    record(storage::RecordType::emit, ++lsn);
  }
  void executed(storage::CommandKind kind, std::uint32_t position, Lsn from, Lsn to) {
    outcome(storage::RecordType::exec, {1, kind, position, {from, to}});
  }
  void failed(storage::CommandKind kind, std::uint32_t position, Lsn of) {
    outcome(storage::RecordType::fail, {1, kind, position, {of, 1406}});
  }

  Ledger ledger;
  Lsn lsn = storage::make_lsn(1, 0);

 private:
  void outcome(storage::RecordType type, const storage::Outcome& what) {
    payload_.clear();
    storage::encode_outcome(payload_, what);
    record(type, 0);
  }
  void record(storage::RecordType type, Lsn at) {
    storage::RecordView view;
    view.type = type;
    view.lsn = at;
    view.payload = payload_;
    const auto taken = ledger.on_record({}, view);
    REQUIRE(bool(taken));
  }
  std::string payload_;
};

constexpr Lsn at(std::uint64_t counter) {
  return storage::make_lsn(1, counter);
}

}  // namespace

TEST_CASE("orders and stock are added up to the position asked for") {
  Log log(at(3));
  log.put(1, 10, 10);
  log.order("a", 9);
  log.order("b", 7, "bob", 2);
  log.order("c", 6);  // after the position
  log.ledger.close();
  CHECK(log.ledger.findings().count() == 0);
  CHECK(log.ledger.orders().size() == 2);
  const auto& item = log.ledger.items().at(1);
  CHECK(item.amount == 7);
  CHECK(item.sold == 3);
  CHECK(item.lsn == at(3));
  CHECK(item.put_lsn == at(1));
  CHECK(log.ledger.last_lsn() == at(4));
  CHECK(log.ledger.oversold() == 0);
}

TEST_CASE("an item taken over half sold, and a change of stock, fit") {
  Log log(at(9));
  log.put(1, 10, 4);
  log.order("a", 3);
  log.put(1, 15, 8);
  log.order("b", 7);
  log.ledger.close();
  CHECK(log.ledger.findings().count() == 0);
  CHECK(log.ledger.items().at(1).sold_before == 6);
}

TEST_CASE("one request id with two orders is found") {
  Log log(at(9));
  log.put(1, 10, 10);
  log.order("a", 9);
  log.order("b", 8);
  log.order("a", 7);
  log.ledger.close();
  CHECK(log.ledger.doubled() == 1);
  CHECK(log.ledger.findings().count() == 1);
}

TEST_CASE("stock that does not add up is found") {
  Log log(at(9));
  log.put(1, 10, 10);
  log.order("a", 8);
  log.ledger.close();
  CHECK(log.ledger.findings().count() == 1);
}

TEST_CASE("selling more than there was is found") {
  Log log(at(9));
  log.put(1, 1, 1);
  log.order("a", 0);
  log.order("b", -1);
  log.order("c", -2);
  log.ledger.close();
  CHECK(log.ledger.oversold() == 2);
  CHECK(log.ledger.findings().count() >= 1);
}

TEST_CASE("a user above the limit is found") {
  Log log(at(9));
  log.put(1, 10, 10, 2);
  log.order("a", 8, "ann", 2);
  log.order("b", 6, "bob", 2);
  log.ledger.close();
  CHECK(log.ledger.over_limit() == 0);
  Log over(at(9));
  over.put(1, 10, 10, 2);
  over.order("a", 8, "ann", 2);
  over.order("b", 7, "ann", 1);
  over.ledger.close();
  CHECK(over.ledger.over_limit() == 1);
}

TEST_CASE("what is owed follows the outcomes to the end of the log") {
  Log log(at(3));
  log.put(1, 10, 10);
  log.order("a", 9);
  log.order("b", 8);
  log.executed(storage::CommandKind::item_put, 0, at(1), at(1));
  log.executed(storage::CommandKind::order_insert, 0, at(2), at(2));
  log.failed(storage::CommandKind::order_insert, 0, at(3));
  log.executed(storage::CommandKind::item_amount_update, 1, at(3), at(3));
  log.ledger.close();
  CHECK(log.ledger.owed_order(at(2)) == Ledger::Owed::no);
  CHECK(log.ledger.owed_order(at(3)) == Ledger::Owed::failed);
  CHECK(log.ledger.owed_put(1) == Ledger::Owed::no);
  CHECK(log.ledger.owed_amount(1) == Ledger::Owed::no);
  CHECK(log.ledger.failed() == 1);
}
