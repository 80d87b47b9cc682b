#include "tools/books/ledger.h"

#include <doctest/doctest.h>

#include "test/tools/books/ledger_script.h"

using namespace stampede;
using tools::at;
using tools::Ledger;
using Log = tools::LedgerScript;

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

TEST_CASE("a change of stock has its row in the journal, and old ones have none") {
  Log log(at(9));
  log.put(1, 10, 10);
  log.order("a", 9);
  log.put_with(1, 15, 14, {}, 5);
  log.put_with(1, 12, 11, {}, -3);
  log.put(1, 13, 12);
  CHECK(log.ledger.findings().count() == 0);
  REQUIRE(log.ledger.stock().size() == 2);
  CHECK(log.ledger.stock()[1].lsn == at(4));
  CHECK(log.ledger.stock()[1].change.delta == -3);
  log.put_with(1, 14, 13, {}, 2);  // it gets one
  CHECK(log.ledger.findings().count() == 1);
}

TEST_CASE("an order is held against the rules of its item") {
  Log log(at(9));
  log.put_with(1, 10, 10, {.description = "text", .promo_only = 1});
  log.promo(7, 500);
  log.promo_order("a", 9, 7, 500);
  CHECK(log.ledger.findings().count() == 0);
  CHECK(log.ledger.items().at(1).sale.description == "text");
  log.order("b", 8);
  CHECK(log.ledger.findings().count() == 1);
  log.put_with(1, 10, 8, {.closed = 1});
  log.order("c", 7);
  CHECK(log.ledger.findings().count() == 2);
  log.put_with(1, 10, 7, {});
  log.order("d", 6);
  CHECK(log.ledger.findings().count() == 2);
}

TEST_CASE("an order in a promo is held against what the promo was like when it was decided") {
  Log log(at(20));
  log.put(1, 100, 100);
  log.promo(7, 500);
  log.promo_order("a", 99, 7, 500, 1000);
  log.promo(7, 300, 1);
  log.promo_order("b", 98, 7, 300, 1999, 2);
  CHECK(log.ledger.findings().count() == 0);
  CHECK(log.ledger.promos().at(7).put_lsn == at(4));
  SUBCASE("at the price from before") {
    log.promo_order("c", 97, 7, 500);
  }
  SUBCASE("before its start") {
    log.promo_order("c", 97, 7, 300, 999);
  }
  SUBCASE("at its end") {
    log.promo_order("c", 97, 7, 300, 2000);
  }
  SUBCASE("over its limit") {
    log.promo_order("c", 97, 7, 300, 1500, 2);
  }
  SUBCASE("that is not there") {
    log.promo_order("c", 97, 8, 300);
  }
  log.ledger.close();
  CHECK(log.ledger.findings().count() == 1);
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
