// The judge is judged: a database that fits the log, and then every way in which it may not.

#include "tools/books/books_check.h"

#include <doctest/doctest.h>

#include <string>

#include "storage/mysql/database.h"
#include "storage/mysql/migrations.h"
#include "test/support/private_mariadb.h"
#include "test/tools/books/ledger_script.h"

using namespace stampede;
using storage::CommandKind;
using tools::at;
using tools::BooksDifference;
using tools::LedgerScript;

namespace {

test::PrivateMariaDb& server() {
  static test::PrivateMariaDb mariadb;
  return mariadb;
}

std::string number(storage::Lsn lsn) {
  return std::to_string(lsn);
}

// Item 1 with 10 units, orders a (lsn 2), b (3, two units) and c (4): all of it in the database.
struct Fixture {
  Fixture() : log(at(4)) {
    server().run("DROP DATABASE IF EXISTS stampede; CREATE DATABASE stampede");
    REQUIRE(storage::apply_migrations(server().admin()));
    log.put(1, 10, 10);
    log.order("a", 9);
    log.order("b", 7, "bob", 2);
    log.order("c", 6);
    log.order("later", 5);
    sql("INSERT INTO item(id,name,price_cents,total,amount,limit_per_user,max_qty,put_lsn,lsn) "
        "VALUES(1,'Phone',0,10,6,0,5," +
        number(at(1)) + "," + number(at(4)) + ")");
    row(2, "a", "ann", 1);
    row(3, "b", "bob", 2);
    row(4, "c", "ann", 1);
  }

  static void sql(const std::string& text) { server().run("USE stampede; " + text); }
  static void row(std::uint64_t counter, const std::string& id, const std::string& user, int qty) {
    sql("INSERT INTO orders(order_id,request_id,item_id,user_id,qty,unit_price_cents,decided_at) "
        "VALUES(" +
        number(at(counter)) + ",'" + id + "',1,'" + user + "'," + std::to_string(qty) +
        ",0,NOW())");
  }
  void all_executed() {
    log.executed(CommandKind::item_put, 0, at(1), at(1));
    log.executed(CommandKind::order_insert, 0, at(2), at(4));
    log.executed(CommandKind::item_amount_update, 1, at(1), at(5));
  }
  BooksDifference compare() {
    log.ledger.close();
    auto database = storage::Database::open(server().admin());
    REQUIRE(bool(database));
    auto difference = tools::compare_books(*database, log.ledger, at(4));
    REQUIRE(bool(difference));
    return *difference;
  }
  bool stored() {
    tools::BooksWait from;
    auto database = storage::Database::open(server().admin());
    REQUIRE(bool(database));
    const auto all = tools::all_stored(*database, log.ledger, from, at(4));
    REQUIRE(bool(all));
    first_missing = from.order;
    return *all;
  }

  LedgerScript log;
  storage::Lsn first_missing = 0;
};

}  // namespace

TEST_CASE_FIXTURE(Fixture, "a database that fits the log has no findings") {
  all_executed();
  const auto difference = compare();
  CHECK(difference.findings.count() == 0);
  CHECK(difference.rows == 3);
  CHECK(difference.pending == 0);
  CHECK(stored());
}

TEST_CASE_FIXTURE(Fixture, "rows that came after the position do not matter") {
  all_executed();
  row(5, "later", "ann", 1);
  sql("UPDATE item SET amount=5, lsn=" + number(at(5)));
  sql("INSERT INTO item(id,name,price_cents,total,amount,limit_per_user,max_qty,put_lsn,lsn) "
      "VALUES(2,'New',1,1,1,0,1," +
      number(at(9)) + "," + number(at(9)) + ")");
  const auto difference = compare();
  CHECK(difference.findings.count() == 0);
  CHECK(difference.rows == 3);
}

TEST_CASE_FIXTURE(Fixture, "an executed order without a row is lost") {
  all_executed();
  sql("DELETE FROM orders WHERE request_id='b'");
  const auto difference = compare();
  CHECK(difference.lost == 1);
  CHECK(difference.findings.count() == 1);
  CHECK_FALSE(stored());
  CHECK(first_missing == at(3));
}

TEST_CASE_FIXTURE(Fixture, "an owed order without a row is pending, and not wrong") {
  sql("DELETE FROM orders WHERE request_id='c'");
  sql("UPDATE item SET amount=7, lsn=" + number(at(3)));
  log.executed(CommandKind::item_put, 0, at(1), at(1));
  log.executed(CommandKind::order_insert, 0, at(2), at(3));
  log.executed(CommandKind::item_amount_update, 1, at(1), at(3));
  const auto difference = compare();
  CHECK(difference.findings.count() == 0);
  CHECK(difference.lost == 0);
  CHECK(difference.pending == 2);  // the order and the amount
  CHECK(difference.wait.order == at(4));
  CHECK_FALSE(stored());
}

TEST_CASE_FIXTURE(Fixture, "an order that the database refused is named") {
  all_executed();
  log.order("bad", 4);
  LedgerScript refused(at(3));
  refused.put(1, 10, 10);
  refused.order("a", 9);
  refused.order("b", 7, "bob", 2);
  refused.failed(CommandKind::order_insert, 0, at(3));
  refused.ledger.close();
  sql("DELETE FROM orders WHERE order_id>=" + number(at(3)));
  auto database = storage::Database::open(server().admin());
  REQUIRE(bool(database));
  const auto difference = tools::compare_books(*database, refused.ledger, at(3));
  REQUIRE(bool(difference));
  CHECK(difference->findings.count() >= 1);
  CHECK(difference->lost == 0);
  CHECK(refused.ledger.failed() == 1);
}

TEST_CASE_FIXTURE(Fixture, "a row that the log does not know is found") {
  all_executed();
  row(1, "stranger", "ann", 1);
  const auto difference = compare();
  CHECK(difference.strangers == 1);
  CHECK(difference.findings.count() == 1);
}

TEST_CASE_FIXTURE(Fixture, "a row with any other content is found") {
  all_executed();
  const char* change = nullptr;
  SUBCASE("request id") {
    change = "request_id='x'";
  }
  SUBCASE("item") {
    change = "item_id=2";
  }
  SUBCASE("user") {
    change = "user_id='eve'";
  }
  SUBCASE("qty") {
    change = "qty=3";
  }
  SUBCASE("price") {
    change = "unit_price_cents=1";
  }
  sql(std::string("UPDATE orders SET ") + change + " WHERE request_id='b'");
  const auto difference = compare();
  CHECK(difference.findings.count() == 1);
  CHECK(difference.lost == 0);
}

TEST_CASE_FIXTURE(Fixture, "an item with any other content is found") {
  all_executed();
  const char* change = nullptr;
  SUBCASE("amount") {
    change = "amount=7";
  }
  SUBCASE("older amount, said to be newer") {
    change = "amount=9, lsn=lsn-1";
  }
  SUBCASE("name") {
    change = "name='Fone'";
  }
  SUBCASE("price") {
    change = "price_cents=1";
  }
  SUBCASE("total") {
    change = "total=11";
  }
  SUBCASE("limit") {
    change = "limit_per_user=1";
  }
  SUBCASE("most in one order") {
    change = "max_qty=9";
  }
  sql(std::string("UPDATE item SET ") + change);
  CHECK(compare().findings.count() == 1);
}

TEST_CASE_FIXTURE(Fixture, "an item that is gone or a stranger is found") {
  all_executed();
  sql("UPDATE item SET id=2");
  CHECK(compare().findings.count() == 2);
  CHECK_FALSE(stored());
}

namespace {

// Promo 7 (lsn 2) of item 1 and an order in it (lsn 3), with their rows.
struct PromoFixture {
  PromoFixture() : log(at(9)) {
    server().run("DROP DATABASE IF EXISTS stampede; CREATE DATABASE stampede");
    REQUIRE(storage::apply_migrations(server().admin()));
    log.put(1, 10, 10);
    log.promo(7, 500, 2);
    log.promo_order("p", 9, 7, 500);
    log.executed(CommandKind::item_put, 0, at(1), at(1));
    log.executed(CommandKind::order_insert, 0, at(3), at(3));
    log.executed(CommandKind::item_amount_update, 1, at(1), at(3));
    Fixture::sql(
        "INSERT INTO item(id,name,price_cents,total,amount,limit_per_user,max_qty,put_lsn,lsn) "
        "VALUES(1,'Phone',0,10,9,0,5," +
        number(at(1)) + "," + number(at(3)) + ")");
    Fixture::sql(
        "INSERT INTO promo(id,item_id,name,price_cents,starts_at,ends_at,limit_per_user,put_lsn) "
        "VALUES(7,1,'Half price',500,'1970-01-01 00:00:01','1970-01-01 00:00:02',2," +
        number(at(2)) + ")");
    Fixture::sql(
        "INSERT INTO orders(order_id,request_id,item_id,user_id,qty,unit_price_cents,decided_at,"
        "promo_id) VALUES(" +
        number(at(3)) + ",'p',1,'ann',1,500,NOW(),7)");
  }
  void executed() { log.executed(CommandKind::promo_put, 0, at(2), at(2)); }
  BooksDifference compare() {
    log.ledger.close();
    auto database = storage::Database::open(server().admin());
    REQUIRE(bool(database));
    auto difference = tools::compare_books(*database, log.ledger, at(9));
    REQUIRE(bool(difference));
    tools::BooksWait from;
    const auto all = tools::all_stored(*database, log.ledger, from, at(9));
    REQUIRE(bool(all));
    stored = *all;
    return *difference;
  }
  LedgerScript log;
  bool stored = false;
};

}  // namespace

TEST_CASE_FIXTURE(PromoFixture, "promos and the orders in them are compared with the log") {
  executed();
  std::uint64_t findings = 1;
  bool there = true;
  const char* change = "DO 0";
  SUBCASE("as they are") {
    findings = 0;
  }
  SUBCASE("another item") {
    change = "UPDATE promo SET item_id=2";
  }
  SUBCASE("another bound of the promo") {
    change = "UPDATE promo SET unpaid_per_user_max=2";
  }
  SUBCASE("another hold of the item") {
    change = "UPDATE item SET hold_s=9";
  }
  SUBCASE("another description") {
    change = "UPDATE item SET description='other'";
  }
  SUBCASE("an item that is closed in the database alone") {
    change = "UPDATE item SET open=0";
  }
  SUBCASE("another price") {
    change = "UPDATE promo SET price_cents=1";
  }
  SUBCASE("another name") {
    change = "UPDATE promo SET name='Third price'";
  }
  SUBCASE("another start") {
    change = "UPDATE promo SET starts_at='1970-01-01 00:00:01.001'";
  }
  SUBCASE("another end") {
    change = "UPDATE promo SET ends_at='1970-01-01 00:00:03'";
  }
  SUBCASE("another limit") {
    change = "UPDATE promo SET limit_per_user=3";
  }
  SUBCASE("an older one") {
    change = "UPDATE promo SET put_lsn=put_lsn-1";
    there = false;
  }
  SUBCASE("one that is gone") {
    change = "DELETE FROM promo";
    there = false;
  }
  SUBCASE("a stranger") {
    change = "INSERT INTO promo(id,put_lsn) VALUES(8,1)";
  }
  SUBCASE("an order in none") {
    change = "UPDATE orders SET promo_id=NULL";
  }
  SUBCASE("an order in another one") {
    change = "UPDATE orders SET promo_id=8";
  }
  Fixture::sql(change);
  CHECK(compare().findings.count() == findings);
  CHECK(stored == there);
}

namespace {

constexpr const char* kSecond = "'1970-01-01 00:00:02.000003'";
constexpr std::int64_t kSecondUs = 2'000'003;

// Item 1; order p (lsn 2) is paid (4), order c (3) was cancelled (5); all of it in the database.
struct HoldFixture {
  HoldFixture() {
    server().run("DROP DATABASE IF EXISTS stampede; CREATE DATABASE stampede");
    REQUIRE(storage::apply_migrations(server().admin()));
    Fixture::sql(
        "INSERT INTO item(id,name,price_cents,total,amount,limit_per_user,max_qty,put_lsn,lsn) "
        "VALUES(1,'Phone',0,10,9,0,5," +
        number(at(1)) + "," + number(at(5)) + ")");
    row(2, "p", "'paid','pay-1'", 4);
    row(3, "c", "'cancelled',NULL", 5);
    Fixture::sql("INSERT INTO stock_change VALUES(" + number(at(5)) + ",1,1,'cancelled'," +
                 number(at(3)) + "," + kSecond + ")");
  }
  static void row(std::uint64_t counter, const std::string& id, const std::string& became,
                  std::uint64_t lsn) {
    Fixture::sql(
        "INSERT INTO orders(order_id,request_id,item_id,user_id,qty,unit_price_cents,decided_at,"
        "pay_by,fulfilment,payment_id,fulfilled_at,lsn) VALUES(" +
        number(at(counter)) + ",'" + id + "',1,'ann',1,500,NOW(),'1970-01-01 00:00:09'," + became +
        "," + kSecond + "," + number(at(lsn)) + ")");
  }
  // The log has it all, or a snapshot stands for it.
  void tell(tools::Ledger& ledger, LedgerScript& log, bool by_snapshot) const {
    if (by_snapshot) return ledger.begin_with(snapshot());
    log.put(1, 10, 10);
    log.held_order("p", 9, 500, 9000);
    log.held_order("c", 8, 500, 9000);
    log.payment(at(2), "pay-1", 500, kSecondUs);
    log.cancel(at(3), 9, kSecondUs);
    log.executed(CommandKind::item_put, 0, at(1), at(1));
    log.executed(CommandKind::order_insert, 0, at(2), at(3));
    log.executed(CommandKind::item_amount_update, 1, at(1), at(5));
    log.executed(CommandKind::order_update, 0, at(4), at(5));
    log.executed(CommandKind::stock_change, 2, at(5), at(5));
  }
  [[nodiscard]] tools::SnapshotContents snapshot() const {
    const actors::RequestHasher hasher{storage::LogUuid{}};
    tools::SnapshotContents contents;
    contents.header.position.last_lsn = at(5);
    storage::ItemRow item;
    item.id = 1;
    item.terms.name = "Phone";
    item.terms.total = 10;
    item.terms.max_qty = 5;
    item.amount = 9;
    item.put_lsn = at(1);
    item.lsn = at(5);
    contents.items.push_back(item);
    for (const auto& [counter, id] : {std::pair{2, "p"}, {3, "c"}}) {
      const storage::StoredOrder row{at(static_cast<std::uint64_t>(counter)), id, 1, 1, "ann", 500};
      contents.orders.push_back(
          {row.order_id, tools::remembered_content(hasher, row), hasher.id(id)[0], 0, 1});
    }
    using storage::Fulfilment;
    for (const auto& [counter, became] :
         {std::pair{2, Fulfilment::paid}, {3, Fulfilment::cancelled}})
      contents.held.push_back({.lsn = at(static_cast<std::uint64_t>(counter)),
                               .unit_price_cents = 500,
                               .at_ms = kSecondUs / 1000,
                               .fulfilment = became});
    contents.payments.push_back({hasher.id("pay-1"), at(2)});
    return contents;
  }
  BooksDifference compare(bool by_snapshot) {
    LedgerScript log(at(9));
    tell(log.ledger, log, by_snapshot);
    log.ledger.close();
    INFO((log.ledger.findings().count() == 0 ? "" : log.ledger.findings().texts().front()));
    CHECK(log.ledger.findings().count() == 0);
    auto database = storage::Database::open(server().admin());
    REQUIRE(bool(database));
    auto difference = tools::compare_books(*database, log.ledger, at(9));
    REQUIRE(bool(difference));
    return *difference;
  }
};

}  // namespace

TEST_CASE_FIXTURE(HoldFixture, "what orders became and the units that came back are compared") {
  std::uint64_t findings = 1;
  std::uint64_t by_snapshot = 1;  // which does not know all of it
  std::string change;
  SUBCASE("as they are") {
    findings = by_snapshot = 0;
    change = "DO 0";
  }
  SUBCASE("another payment") {
    change = "UPDATE orders SET payment_id='pay-2' WHERE request_id='p'";
  }
  SUBCASE("no payment") {
    change = "UPDATE orders SET payment_id=NULL WHERE request_id='p'";
  }
  SUBCASE("a payment of an order that was given back") {
    change = "UPDATE orders SET payment_id='c' WHERE request_id='c'";
  }
  SUBCASE("another moment") {
    change = "UPDATE orders SET fulfilled_at='1970-01-01 00:00:03' WHERE request_id='p'";
  }
  SUBCASE("no moment") {
    change = "UPDATE orders SET fulfilled_at=NULL WHERE request_id='c'";
  }
  SUBCASE("another microsecond") {
    change = "UPDATE orders SET fulfilled_at='1970-01-01 00:00:02.000004' WHERE request_id='p'";
    by_snapshot = 0;
  }
  SUBCASE("another end of the hold") {
    change = "UPDATE orders SET pay_by=NULL WHERE request_id='p'";
    by_snapshot = 0;
  }
  SUBCASE("another state") {
    change = "UPDATE orders SET fulfilment='expired' WHERE request_id='c'";
  }
  SUBCASE("a change of the stock that is gone") {
    change = "DELETE FROM stock_change";
  }
  SUBCASE("of another size") {
    change = "UPDATE stock_change SET delta=2";
  }
  SUBCASE("of another reason") {
    change = "UPDATE stock_change SET reason='expired'";
    by_snapshot = 0;
  }
  SUBCASE("of another moment") {
    change = "UPDATE stock_change SET at='1970-01-01 00:00:02'";
    by_snapshot = 0;
  }
  SUBCASE("of another order") {
    change = "UPDATE stock_change SET order_id=" + number(at(7));
    by_snapshot = 2;
  }
  SUBCASE("of another item") {
    change = "UPDATE stock_change SET item_id=2";
  }
  SUBCASE("one more") {
    change = "INSERT INTO stock_change VALUES(7,1,1,'cancelled'," + number(at(3)) + "," +
             std::string(kSecond) + ")";
  }
  Fixture::sql(change);
  CHECK(compare(false).findings.count() == findings);
  CHECK(compare(true).findings.count() == by_snapshot);
}

TEST_CASE_FIXTURE(HoldFixture, "what waits knows StockChanges, and what payments became") {
  LedgerScript log(at(9));
  log.put(1, 10, 10);
  log.held_order("p", 9, 500, 9000);
  log.held_order("c", 8, 500, 9000);
  log.payment(at(2), "pay-1", 500, kSecondUs);
  log.cancel(at(3), 9, kSecondUs);
  log.held_order("last", 8, 500, 9000);
  log.ledger.close();
  auto database = storage::Database::open(server().admin());
  REQUIRE(bool(database));
  const auto compare = [&] {
    auto difference = tools::compare_books(*database, log.ledger, at(9));
    REQUIRE(bool(difference));
    return *difference;
  };
  const auto stored = [&](tools::BooksWait& from) {
    const auto all = tools::all_stored(*database, log.ledger, from, at(9));
    REQUIRE(bool(all));
    return *all;
  };
  Fixture::sql("UPDATE item SET amount=8, lsn=" + number(at(6)));
  Fixture::sql("UPDATE orders SET fulfilment='unpaid',payment_id=NULL,fulfilled_at=NULL,lsn=" +
               number(at(2)) + " WHERE request_id='p'");
  Fixture::sql("DELETE FROM stock_change");
  auto from = compare().wait;
  CHECK(from.order == at(2));  // it is there, but unpaid
  CHECK(from.stock == at(5));
  row(6, "last", "'unpaid',NULL", 6);
  Fixture::sql("UPDATE orders SET fulfilled_at=NULL WHERE request_id='last'");
  CHECK_FALSE(stored(from));
  CHECK(from.order == at(2));
  Fixture::sql("UPDATE orders SET fulfilment='paid',payment_id='pay-1',fulfilled_at=" +
               std::string(kSecond) + ",lsn=" + number(at(4)) + " WHERE request_id='p'");
  CHECK_FALSE(stored(from));
  CHECK(from.order > at(9));
  CHECK(from.stock == at(5));
  CHECK(compare().pending == 1);
  Fixture::sql("INSERT INTO stock_change VALUES(" + number(at(5)) + ",1,1,'cancelled'," +
               number(at(3)) + "," + kSecond + ")");
  CHECK(stored(from));
  CHECK(compare().pending == 0);
  CHECK(compare().findings.count() == 0);
}

TEST_CASE_FIXTURE(HoldFixture, "what was owed when the snapshot was made is pending, not wrong") {
  auto contents = snapshot();
  storage::CommandDecoder decoder;
  std::vector<storage::Command> set;
  std::string payload;
  storage::encode_update_set(
      payload,
      {at(3), 1, static_cast<std::uint32_t>(storage::Fulfilment::cancelled), "c", 0, kSecondUs},
      {1, 9},
      {1, 1, static_cast<std::uint32_t>(storage::StockReason::cancelled), at(3), kSecondUs});
  REQUIRE(decoder.command_set(payload, set));
  REQUIRE(bool(contents.owed.emit(at(5), payload, set)));
  tools::Ledger ledger(at(9));
  ledger.begin_with(std::move(contents));
  ledger.close();
  auto database = storage::Database::open(server().admin());
  REQUIRE(bool(database));
  const auto told = [&] {
    auto difference = tools::compare_books(*database, ledger, at(9));
    REQUIRE(bool(difference));
    for (const auto& text : difference->findings.texts()) MESSAGE(text);
    tools::BooksWait from;
    const auto all = tools::all_stored(*database, ledger, from, at(9));
    REQUIRE(bool(all));
    CHECK(*all == (difference->pending == 0));
    CHECK(difference->findings.count() == 0);
    return difference->pending;
  };
  CHECK(told() == 0);
  Fixture::sql("DELETE FROM stock_change");
  CHECK(told() == 1);
  Fixture::sql("UPDATE orders SET fulfilment='unpaid',fulfilled_at=NULL,lsn=" + number(at(3)) +
               " WHERE request_id='c'");
  CHECK(told() == 2);
}

TEST_CASE_FIXTURE(HoldFixture, "a payment of a snapshot is known when it pays another order") {
  LedgerScript log(at(9));
  log.ledger.begin_with(snapshot());
  log.lsn = at(5);
  log.held_order("other", 8, 500, 9000);
  log.payment(at(6), "pay-1", 500, kSecondUs);
  log.ledger.close();
  REQUIRE(log.ledger.findings().count() == 1);
  CHECK(log.ledger.findings().texts().front() ==
        "lsn 1.7: order 1.6 was paid by the payment of order 1.2");
}

TEST_CASE_FIXTURE(PromoFixture, "a promo that is owed is pending, and not wrong") {
  Fixture::sql("DELETE FROM promo");
  const auto difference = compare();
  CHECK(difference.findings.count() == 0);
  CHECK(difference.pending == 1);
  CHECK_FALSE(stored);
}
