// The rows of the rules of the sale, in the transactions of the lanes.

#include <doctest/doctest.h>

#include <algorithm>
#include <utility>

#include "test/storage/mysql/mysql_fixture.h"

using namespace stampede::test;
using stampede::storage::Fulfilment;
using stampede::storage::ItemSale;
using stampede::storage::Lsn;
using stampede::storage::RowKind;
using stampede::storage::StockReason;

namespace {

constexpr std::int64_t kPayBy = 1795257781203;  // 2026-11-21 10:43:01.203
constexpr const char* kPaid =
    "SELECT fulfilment,COALESCE(payment_id,'-'),COALESCE(fulfilled_at,'-'),lsn&((1<<40)-1) "
    "FROM orders ORDER BY order_id";
constexpr const char* kAllTables = "CHECKSUM TABLE orders,item,promo,stock_change";

std::string numbers(const std::vector<stampede::storage::RowFailure>& failures) {
  std::string text;
  for (const auto& failure : failures)
    text += std::to_string(static_cast<int>(failure.kind)) + ":" + std::to_string(failure.index) +
            ":" + std::to_string(failure.errnum) + " ";
  return text;
}

}  // namespace

TEST_CASE_FIXTURE(MysqlFixture, "an order keeps its promo and the end of its hold") {
  auto lane = writer();
  const auto batch = std::move(Batch()
                                   .sold(lsn(1), 7, kPayBy, 1, 2)
                                   .sold(lsn(2), 7, 0)
                                   .order(lsn(3), "plain")
                                   .sold(lsn(4), stampede::storage::kNoNumber, kPayBy));
  CHECK(applied(lane, batch).empty());
  CHECK(sql("SELECT order_id-(1<<40),COALESCE(promo_id,'-'),fulfilment,COALESCE(pay_by,'-'),"
            "total_cents,lsn FROM orders ORDER BY order_id") ==
        "1\t7\tunpaid\t2026-11-21 10:43:01.203\t19800\t0\n"
        "2\t7\tnone\t-\t9900\t0\n"
        "3\t-\tnone\t-\t9900\t0\n"
        "4\t-\tunpaid\t2026-11-21 10:43:01.203\t9900\t0");
  const auto before = sql(kAllTables);
  CHECK(applied(lane, batch).empty());
  CHECK(sql(kAllTables) == before);
}

TEST_CASE_FIXTURE(MysqlFixture, "an order is the same row whatever stands beside it in its batch") {
  auto lane = writer();
  CHECK(applied(lane, Batch().orders(lsn(1), 3)).empty());
  const auto alone = sql("SELECT * FROM orders ORDER BY order_id");
  run("DELETE FROM orders");
  lane = writer();  // the other one would miss what it wrote last
  CHECK(applied(lane, Batch().orders(lsn(1), 3).sold(lsn(9), 7, kPayBy)).empty());
  CHECK(sql("SELECT * FROM orders WHERE promo_id IS NULL ORDER BY order_id") == alone);
}

TEST_CASE_FIXTURE(MysqlFixture,
                  "what became of an order is no difference, its promo and hold are") {
  auto lane = writer();
  const auto order = std::move(Batch().sold(lsn(1), 7, kPayBy));
  CHECK(applied(lane, order).empty());
  CHECK(applied(lane, Batch().update(lsn(1), Fulfilment::paid, lsn(2), "pay-1")).empty());
  CHECK(applied(lane, order).empty());
  CHECK(sql(kPaid) == "paid\tpay-1\t2026-11-21 10:42:01.203118\t2");
  using Sold = std::pair<std::uint64_t, std::int64_t>;
  for (const auto& [promo, pay_by] :
       {Sold{8, kPayBy}, Sold{7, kPayBy + 1}, Sold{7, 0}, Sold{~0ULL, kPayBy}}) {
    const auto failures = applied(lane, Batch().sold(lsn(1), promo, pay_by));
    CHECK(numbers(failures) == "1:0:1062 ");
    CHECK(failures.at(0).message.find("promo_id='7' pay_by='2026-11-21 10:43:01.203'") !=
          std::string::npos);
  }
}

TEST_CASE_FIXTURE(MysqlFixture, "an ItemPut sets the terms of the sale, and takes them back") {
  auto lane = writer();
  constexpr const char* kTerms =
      "SELECT name,description,image_url,hold_s,hold_low_s,low_stock_percent,unpaid_per_user_max,"
      "sale,open,total,amount,sold FROM item";
  auto first = std::move(Batch().put(1, "phone", lsn(1)).amount(1, 100, lsn(1)));
  CHECK(applied(lane, first).empty());
  CHECK(sql(kTerms) == "phone\t\t\t0\t0\t0\t0\talways\t1\t100\t100\t0");
  auto second = std::move(Batch().put(1, "phone", lsn(3)).amount(1, 60, lsn(4)));
  second.rows.puts[0].sale = ItemSale{.description = "a phone, \xe6\x89\x8b",
                                      .image_url = "https://shop.example/1.png?a='b'",
                                      .hold_s = 900,
                                      .hold_low_s = 60,
                                      .low_stock_percent = 10,
                                      .unpaid_per_user_max = 3,
                                      .promo_only = 1,
                                      .closed = 1};
  CHECK(applied(lane, second).empty());
  const std::string set =
      "phone\ta phone, \xe6\x89\x8b\thttps://shop.example/1.png?a='b'\t900\t60\t10\t3\tpromo_only"
      "\t0\t100\t60\t40";
  CHECK(sql(kTerms) == set);
  CHECK(applied(lane, second).empty());
  CHECK(applied(lane, first).empty());  // older
  CHECK(sql(kTerms) == set);
  CHECK(applied(lane, Batch().put(1, "phone", lsn(5))).empty());  // absolute: what it lacks is none
  CHECK(sql(kTerms) == "phone\t\t\t0\t0\t0\t0\talways\t1\t100\t60\t40");
}

TEST_CASE_FIXTURE(MysqlFixture, "a put of the same lsn with other terms of the sale is a failure") {
  auto lane = writer();
  CHECK(applied(lane, Batch().put(1, "phone", lsn(1))).empty());
  auto other = std::move(Batch().put(1, "phone", lsn(1)));
  other.rows.puts[0].sale.hold_s = 5;
  const auto failures = applied(lane, other);
  CHECK(numbers(failures) == "2:0:1062 ");
  CHECK(failures.at(0).message.find("max_qty=5 hold_s=5. Nothing") != std::string::npos);
}

TEST_CASE_FIXTURE(MysqlFixture, "the items' terms of the sale are read") {
  auto lane = writer();
  auto batch = std::move(Batch().put(1, "a", lsn(1)).put(2, "b", lsn(2)));
  batch.rows.puts[1].sale =
      ItemSale{.description = "text", .image_url = {}, .hold_s = 9, .promo_only = 1};
  CHECK(applied(lane, batch).empty());
  auto database = stampede::storage::Database::open(server().node());
  REQUIRE(bool(database));
  const auto items = database->items();
  REQUIRE_MESSAGE(bool(items), (items ? "" : items.error().message));
  CHECK(items->at(0).sale.description.empty());
  CHECK(!items->at(0).sale.promo_only);
  CHECK(!items->at(0).sale.closed);
  const auto sale = view_of(items->at(1).sale);
  CHECK(sale.description == "text");
  CHECK(sale.hold_s == 9);
  CHECK(sale.promo_only == 1);
  CHECK(sale.closed == 0);
}

TEST_CASE_FIXTURE(MysqlFixture, "a promo is put, repeated, and not overwritten by an older put") {
  auto lane = writer();
  constexpr const char* kPromo =
      "SELECT id,item_id,name,price_cents,starts_at,ends_at,limit_per_user,ticket,gate_factor,"
      "granted,hold_s,hold_low_s,low_stock_percent,unpaid_per_user_max,put_lsn&((1<<40)-1),"
      "lsn&((1<<40)-1) FROM promo";
  const auto put = std::move(Batch().promo(7, "half price", lsn(3)));
  CHECK(applied(lane, put).empty());
  const std::string row =
      "7\t1\thalf price\t990\t2026-11-21 10:42:01.203\t2026-11-21 10:42:21.203\t2\trequired\t5\t0"
      "\t300\t60\t10\t4\t3\t0";
  CHECK(sql(kPromo) == row);
  CHECK(applied(lane, put).empty());
  CHECK(applied(lane, Batch().promo(7, "older", lsn(2))).empty());
  CHECK(sql(kPromo) == row);
  auto newer = std::move(Batch().promo(7, "newer", lsn(9)));
  newer.rows.promos[0].put.ticket = 0;
  CHECK(applied(lane, newer).empty());
  CHECK(sql("SELECT name,ticket,put_lsn&((1<<40)-1) FROM promo") == "newer\tnone\t9");
  const auto failures = applied(lane, Batch().promo(7, "another", lsn(9)));
  CHECK(numbers(failures) == "4:0:1062 ");
  CHECK(failures.at(0).message.find("PromoPut 1.9 (promo 7): the row holds other content") !=
        std::string::npos);
}

TEST_CASE_FIXTURE(MysqlFixture, "what was granted and what was put do not disturb each other") {
  auto lane = writer();
  constexpr const char* kGranted =
      "SELECT item_id,name,granted,put_lsn&((1<<40)-1),lsn&((1<<40)-1) FROM promo";
  CHECK(applied(lane, Batch().grant(7, 12, lsn(8), 3)).empty());  // its put is still on its way
  CHECK(sql(kGranted) == "3\t\t12\t0\t8");
  CHECK(applied(lane, Batch().promo(7, "put", lsn(4), 3)).empty());
  CHECK(sql(kGranted) == "3\tput\t12\t4\t8");
  CHECK(applied(lane, Batch().grant(7, 11, lsn(7))).empty());
  CHECK(applied(lane, Batch().grant(7, 12, lsn(8))).empty());
  CHECK(sql(kGranted) == "3\tput\t12\t4\t8");
  CHECK(applied(lane, Batch().grant(7, 14, lsn(10)).grant(7, 13, lsn(9))).empty());
  CHECK(applied(lane, Batch().promo(7, "later", lsn(11), 3)).empty());
  CHECK(sql(kGranted) == "3\tlater\t14\t11\t10");
  CHECK(numbers(applied(lane, Batch().grant(7, 15, lsn(10)))) == "5:0:1062 ");
}

TEST_CASE_FIXTURE(MysqlFixture, "an order is updated, repeated, and not set back") {
  auto lane = writer();
  CHECK(applied(lane, Batch().sold(lsn(1), 7, kPayBy).sold(lsn(2), 7, kPayBy)).empty());
  const auto expired = std::move(Batch().update(lsn(1), Fulfilment::expired, lsn(5)));
  CHECK(applied(lane, expired).empty());
  const std::string untouched = "\nunpaid\t-\t-\t0";
  CHECK(sql(kPaid) == "expired\t-\t2026-11-21 10:42:01.203118\t5" + untouched);
  CHECK(applied(lane, expired).empty());
  CHECK(applied(lane, Batch().update(lsn(1), Fulfilment::paid, lsn(9), "late'\\")).empty());
  const std::string paid = "paid\tlate'\\\t2026-11-21 10:42:01.203118\t9" + untouched;
  CHECK(sql(kPaid) == paid);
  CHECK(applied(lane, expired).empty());  // older than the payment
  CHECK(sql(kPaid) == paid);
  const auto failures = applied(lane, Batch().update(lsn(1), Fulfilment::paid, lsn(9), "other"));
  CHECK(numbers(failures) == "6:0:1062 ");
  CHECK(failures.at(0).message.find("OrderUpdate 1.9 (order 1.1)") != std::string::npos);
}

TEST_CASE_FIXTURE(MysqlFixture,
                  "only a payment's id is kept, of a cancel none, and byte for byte") {
  auto lane = writer();
  Batch orders;
  for (Lsn i = 1; i <= 4; ++i) orders.sold(lsn(i), 7, kPayBy);
  CHECK(applied(lane, orders).empty());
  const auto batch = std::move(Batch()
                                   .update(lsn(1), Fulfilment::cancelled, lsn(5), "cancel-1")
                                   .update(lsn(2), Fulfilment::refund_due, lsn(6), "pay-2")
                                   .update(lsn(3), Fulfilment::paid, lsn(7), "\xff' \xe6\x89\x8b")
                                   .update(lsn(4), Fulfilment::expired, lsn(8)));
  CHECK(applied(lane, batch).empty());
  CHECK(applied(lane, batch).empty());
  CHECK(sql("SELECT fulfilment,COALESCE(HEX(payment_id),'-') FROM orders ORDER BY order_id") ==
        "cancelled\t-\nrefund_due\t7061792D32\npaid\tFF2720E6898B\nexpired\t-");
}

TEST_CASE_FIXTURE(MysqlFixture, "of two updates of one order in a batch the newer one stays") {
  for (const bool newer_first : {false, true}) {
    CAPTURE(newer_first);
    run("DELETE FROM orders");
    auto lane = writer();
    CHECK(applied(lane, Batch().sold(lsn(1), 7, kPayBy)).empty());
    Batch both;
    if (newer_first) both.update(lsn(1), Fulfilment::paid, lsn(4), "p");
    both.update(lsn(1), Fulfilment::expired, lsn(3));
    if (!newer_first) both.update(lsn(1), Fulfilment::paid, lsn(4), "p");
    CHECK(applied(lane, both).empty());
    CHECK(applied(lane, both).empty());
    CHECK(sql("SELECT fulfilment,lsn&((1<<40)-1) FROM orders") == "paid\t4");
  }
}

TEST_CASE_FIXTURE(MysqlFixture, "an update of an order without a row fails alone, and makes none") {
  auto lane = writer();
  CHECK(applied(lane, Batch().sold(lsn(1), 7, kPayBy).sold(lsn(3), 7, kPayBy)).empty());
  const auto batch = std::move(Batch()
                                   .update(lsn(1), Fulfilment::paid, lsn(4), "a")
                                   .update(lsn(2), Fulfilment::paid, lsn(5), "b")
                                   .update(lsn(3), Fulfilment::paid, lsn(6), "c"));
  for (int i = 0; i < 2; ++i) {
    const auto failures = applied(lane, batch);
    CHECK(numbers(failures) == "6:1:1032 ");
    CHECK(failures.at(0).message.find(
              "ALARM: OrderUpdate 1.5 (order 1.2): there is no row of this order; sent "
              "fulfilment='paid' payment_id='b'") != std::string::npos);
    CHECK(sql("SELECT COUNT(*),SUM(fulfilment='paid') FROM orders") == "2\t2");
  }
  CHECK(applied(lane, Batch().sold(lsn(2), 7, kPayBy)).empty());  // there it is
  CHECK(applied(lane, batch).empty());
  CHECK(number("SELECT COUNT(*) FROM orders WHERE fulfilment='paid'") == 3);
}

TEST_CASE_FIXTURE(MysqlFixture, "a change of the stock is one row by its lsn") {
  auto lane = writer();
  const auto batch = std::move(Batch()
                                   .stock(1, 50, StockReason::add, lsn(2))
                                   .stock(1, 2, StockReason::expired, lsn(5), lsn(3))
                                   .stock(2, 1, StockReason::cancelled, lsn(6), lsn(4))
                                   .stock(2, -1, StockReason::late_payment, lsn(7), lsn(4)));
  CHECK(applied(lane, batch).empty());
  const std::string rows =
      "2\t1\t50\tadd\t-\t2026-11-21 10:42:01.203118\n"
      "5\t1\t2\texpired\t3\t2026-11-21 10:42:01.203118\n"
      "6\t2\t1\tcancelled\t4\t2026-11-21 10:42:01.203118\n"
      "7\t2\t-1\tlate_payment\t4\t2026-11-21 10:42:01.203118";
  constexpr const char* kStock =
      "SELECT lsn-(1<<40),item_id,delta,reason,COALESCE(order_id-(1<<40),'-'),at "
      "FROM stock_change ORDER BY lsn";
  CHECK(sql(kStock) == rows);
  CHECK(applied(lane, batch).empty());
  CHECK(applied(lane, Batch().stock(1, 50, StockReason::add, lsn(2))).empty());
  CHECK(sql(kStock) == rows);
  const auto failures = applied(lane, Batch().stock(1, 51, StockReason::add, lsn(2)));
  CHECK(numbers(failures) == "7:0:1062 ");
  CHECK(failures.at(0).message.find("StockChange 1.2 (item 1)") != std::string::npos);
  CHECK(sql(kStock) == rows);
}

TEST_CASE_FIXTURE(MysqlFixture, "rows of every kind in one batch are one transaction") {
  auto lane = writer();
  Batch batch;
  batch.put(1, "phone", lsn(1)).amount(1, 99, lsn(6)).promo(7, "half", lsn(2));
  batch.grant(7, 1, lsn(3)).sold(lsn(4), 7, kPayBy).order(lsn(5), "plain");
  batch.update(lsn(4), Fulfilment::expired, lsn(6))
      .stock(1, 1, StockReason::expired, lsn(6), lsn(4));
  CHECK(applied(lane, batch).empty());
  CHECK(sql("SELECT applied_lsn-(1<<40),batches FROM lane WHERE lane=1") == "6\t1");
  CHECK(sql("SELECT fulfilment FROM orders ORDER BY order_id") == "expired\nnone");
  CHECK(sql("SELECT granted,name FROM promo") == "1\thalf");
  const auto before = sql(kAllTables);
  CHECK(applied(lane, batch).empty());
  CHECK(applied(lane, batch).empty());
  CHECK(sql(kAllTables) == before);
}

TEST_CASE_FIXTURE(MysqlFixture, "wrong values of every kind fail alone, the rest is stored") {
  constexpr std::int64_t kYear10000 = 253402300800000;
  auto lane = writer();
  Batch batch;
  batch.sold(lsn(1), 7, kPayBy).sold(lsn(2), 7, kYear10000).sold(lsn(3), ~0ULL - 1, kPayBy);
  batch.order(lsn(4), "plain");
  batch.put(1, "a", lsn(5)).put(2, "b", lsn(6)).put(3, "c", lsn(7));
  const std::string too_long(4001, 'd');
  batch.rows.puts[1].sale.description = too_long;
  batch.rows.puts[2].sale.hold_s = 4000000000;
  batch.promo(7, "fine", lsn(8)).promo(8, "\xff\xfe", lsn(9)).promo(9, "late", lsn(10));
  batch.rows.promos[2].put.ends_at_ms = kYear10000;
  batch.grant(7, 1, lsn(11)).grant(8, ~0ULL, lsn(12));
  batch.update(lsn(1), Fulfilment::paid, lsn(13), std::string(65, 'p'));
  batch.update(lsn(4), static_cast<Fulfilment>(9), lsn(14));
  batch.update(lsn(2), Fulfilment::paid, lsn(15), "of a row that is refused");
  batch.update(lsn(3), Fulfilment::paid, lsn(16), "fine");
  batch.update(lsn(4), Fulfilment::paid, lsn(17), "at no time");
  batch.rows.updates.back().update.decided_at_us = kYear10000 * 1000;
  batch.stock(1, 1, static_cast<StockReason>(5), lsn(17)).stock(1, 1, StockReason::add, lsn(18));
  for (int i = 0; i < 2; ++i) {
    const auto found = numbers(applied(lane, batch));
    CAPTURE(found);
    for (const char* one :
         {"1:1:1292 ", "2:1:1406 ", "2:2:1264 ", "4:1:1300 ", "4:2:1292 ", "5:1:1264 ", "6:0:1406 ",
          "6:1:1265 ", "6:2:1032 ", "6:4:1292 ", "7:0:1265 "})
      CHECK_MESSAGE(found.find(one) != std::string::npos, one);
    CHECK(std::count(found.begin(), found.end(), ' ') == 11);
    CHECK(sql("SELECT order_id-(1<<40),fulfilment FROM orders ORDER BY order_id") ==
          "1\tunpaid\n3\tpaid\n4\tnone");
    CHECK(sql("SELECT id,name FROM item ORDER BY id") == "1\ta");
    CHECK(sql("SELECT id,name,granted FROM promo ORDER BY id") == "7\tfine\t1");
    CHECK(sql("SELECT lsn-(1<<40) FROM stock_change") == "18");
  }
}

TEST_CASE_FIXTURE(MysqlFixture, "the largest values of the sale fit") {
  constexpr std::int64_t kEnd = 253402300799999;  // of the year 9999
  const std::uint64_t id = (std::uint64_t{1} << 63) - 1;
  auto lane = writer();
  Batch batch;
  batch.sold(lsn(1), id, kEnd, 1, 1000)
      .update(lsn(1), Fulfilment::paid, lsn(2), std::string(64, 'p'));
  batch.rows.orders[0].unit_price_cents = INT64_MAX;
  batch.put(id, "i", lsn(3)).promo(id, std::string(500, 'n'), lsn(4), id).grant(id, id, lsn(5));
  const std::string description(4000, 'd');
  const std::string url(500, 'u');
  batch.rows.puts[0].sale = ItemSale{.description = description,
                                     .image_url = url,
                                     .hold_s = 86400,
                                     .hold_low_s = 86400,
                                     .low_stock_percent = 100,
                                     .unpaid_per_user_max = 1'000'000'000};
  batch.rows.promos[0].put.price_cents = INT64_MAX;
  batch.rows.promos[0].put.starts_at_ms = 0;
  batch.rows.promos[0].put.ends_at_ms = kEnd;
  batch.rows.promos[0].put.gate_factor = 1'000'000;
  batch.stock(1, 1'000'000'000'000, StockReason::add, lsn(6), id);
  for (int i = 0; i < 2; ++i)
    for (const auto& failure : applied(lane, batch)) FAIL_CHECK(failure.message);
  CHECK(sql("SELECT promo_id,pay_by,fulfilment,total_cents FROM orders") ==
        std::to_string(id) + "\t9999-12-31 23:59:59.999\tpaid\tNULL");
  const std::int64_t largest = INT64_MAX / 1000;
  for (const std::int64_t price : {largest, largest + 1, std::int64_t{0}, -largest, INT64_MIN}) {
    CAPTURE(price);
    run("DELETE FROM orders");
    lane = writer();
    Batch order;
    order.sold(lsn(1), id, kEnd, 1, 1000);
    order.rows.orders[0].unit_price_cents = price;
    for (int i = 0; i < 2; ++i)
      for (const auto& failure : applied(lane, order)) FAIL_CHECK(failure.message);
    const bool fits = price <= largest && price >= -largest;
    CHECK(sql("SELECT total_cents FROM orders") == (fits ? std::to_string(price * 1000) : "NULL"));
  }
}

TEST_CASE_FIXTURE(MysqlFixture, "no statement of the sale is longer than the server takes") {
  const ServerSetting packet("max_allowed_packet", "8192");
  auto lane = writer();
  Batch batch;
  constexpr Lsn kRows = 600;
  for (Lsn i = 1; i <= kRows; ++i) {
    batch.sold(lsn(i), 7, kPayBy)
        .update(lsn(i), Fulfilment::paid, lsn(kRows + i), std::string(60, '\xe5'));
    batch.stock(1, 1, StockReason::add, lsn(kRows + i));
    if (i <= 60) batch.promo(i, std::string(400, 'n'), lsn(i)).grant(i, i, lsn(i));
    if (i <= 60) batch.put(i, "item", lsn(i));
  }
  const std::string description(4000, 'd');
  for (auto& put : batch.rows.puts) put.sale.description = description;
  CHECK(applied(lane, batch).empty());
  CHECK(applied(lane, batch).empty());
  CHECK(sql("SELECT COUNT(*),SUM(fulfilment='paid') FROM orders") == "600\t600");
  CHECK(number("SELECT COUNT(*) FROM stock_change") == 600);
  CHECK(sql("SELECT COUNT(*),SUM(granted=id) FROM promo") == "60\t60");
  CHECK(number("SELECT COUNT(*) FROM item WHERE description<>''") == 60);
  CHECK(number("SELECT batches FROM lane WHERE lane=1") == 2);
}

TEST_CASE_FIXTURE(MysqlFixture, "the journal of the stock adds up, and is the orders'") {
  auto lane = writer();
  Batch batch;
  batch.put(1, "phone", lsn(1), 150).amount(1, 150, lsn(1)).stock(1, 50, StockReason::add, lsn(2));
  batch.sold(lsn(3), 7, kPayBy, 1, 3).sold(lsn(4), 7, kPayBy, 1, 2).order(lsn(5), "r", "bob", 1, 5);
  batch.update(lsn(3), Fulfilment::expired, lsn(6))
      .stock(1, 3, StockReason::expired, lsn(6), lsn(3));
  batch.update(lsn(4), Fulfilment::cancelled, lsn(7), "c");
  batch.stock(1, 2, StockReason::cancelled, lsn(7), lsn(4));
  batch.update(lsn(3), Fulfilment::paid, lsn(8), "p");
  batch.stock(1, -3, StockReason::late_payment, lsn(8), lsn(3)).amount(1, 142, lsn(8));
  batch.put(2, "case", lsn(9), 10).amount(2, 9, lsn(10)).order(lsn(10), "s", "bob", 2);
  CHECK(applied(lane, batch).empty());
  CHECK(sql("SELECT i.id,i.total+SUM(j.delta),i.amount,i.sold FROM item i "
            "JOIN stock_journal j ON j.item_id=i.id GROUP BY i.id ORDER BY i.id") ==
        "1\t142\t142\t8\n2\t9\t9\t1");
  CHECK(sql("SELECT lsn-(1<<40),item_id,delta,reason,order_id-(1<<40) FROM stock_journal "
            "ORDER BY lsn") ==
        "3\t1\t-3\torder\t3\n4\t1\t-2\torder\t4\n5\t1\t-5\torder\t5\n6\t1\t3\texpired\t3\n"
        "7\t1\t2\tcancelled\t4\n8\t1\t-3\tlate_payment\t3\n10\t2\t-1\torder\t10");
}

TEST_CASE_FIXTURE(MysqlFixture, "adopting starts the guards of a promo from zero, too") {
  auto lane = writer();
  CHECK(applied(lane, Batch().promo(7, "kept", lsn(8)).grant(7, 3, lsn(9))).empty());
  auto database = stampede::storage::Database::open(server().node());
  REQUIRE(bool(database));
  CHECK(bool(database->adopt(stampede::storage::LogUuid{1}, 0)));
  CHECK(sql("SELECT name,granted,put_lsn,lsn FROM promo") == "kept\t3\t0\t0");
}
