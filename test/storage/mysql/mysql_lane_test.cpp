#include <doctest/doctest.h>

#include <thread>

#include "test/storage/mysql/mysql_fixture.h"

using namespace stampede::test;
using stampede::storage::Errc;
using stampede::storage::RowKind;

TEST_CASE_FIXTURE(MysqlFixture, "a first apply stores every row and counts one batch") {
  auto lane = writer();
  const auto failures =
      applied(lane, Batch().put(1, "phone", lsn(1)).amount(1, 100, lsn(1)).orders(lsn(2), 3));
  CHECK(failures.empty());
  CHECK(sql("SELECT order_id-(1<<40),request_id,item_id,user_id,qty,unit_price_cents,decided_at "
            "FROM orders ORDER BY order_id LIMIT 1") ==
        "2\trequest-" + std::to_string(lsn(2)) + "\t1\tuser-" + std::to_string(lsn(2)) +
            "\t1\t9900\t2026-11-21 10:42:01.203118");
  CHECK(number("SELECT COUNT(*) FROM orders") == 3);
  CHECK(sql("SELECT id,name,price_cents,total,amount,limit_per_user,max_qty,put_lsn-(1<<40),"
            "lsn-(1<<40) FROM item") == "1\tphone\t1250\t100\t100\t2\t5\t1\t1");
  CHECK(sql("SELECT epoch,applied_lsn-(1<<40),batches FROM lane WHERE lane=1") == "1\t4\t1");
}

TEST_CASE_FIXTURE(MysqlFixture, "a repeated batch changes no row and still counts as one") {
  auto lane = writer();
  const auto batch =
      std::move(Batch().put(1, "phone", lsn(1)).amount(1, 90, lsn(5)).orders(lsn(2), 200));
  CHECK(applied(lane, batch).empty());
  const auto before = sql("CHECKSUM TABLE orders,item");
  CHECK(applied(lane, batch).empty());
  CHECK(applied(lane, batch).empty());
  CHECK(sql("CHECKSUM TABLE orders,item") == before);
  CHECK(number("SELECT batches FROM lane WHERE lane=1") == 3);
}

TEST_CASE_FIXTURE(MysqlFixture, "batches that overlap add only what is new") {
  auto lane = writer();
  CHECK(applied(lane, Batch().orders(lsn(1), 50)).empty());
  CHECK(applied(lane, Batch().orders(lsn(26), 50)).empty());
  CHECK(number("SELECT COUNT(*) FROM orders") == 75);
}

TEST_CASE_FIXTURE(MysqlFixture, "amounts in reversed order keep the newest") {
  auto lane = writer();
  CHECK(applied(lane, Batch().amount(1, 70, lsn(30)).amount(2, 5, lsn(31))).empty());
  CHECK(applied(lane, Batch().amount(1, 80, lsn(20)).amount(2, 6, lsn(21))).empty());
  CHECK(applied(lane, Batch().amount(1, 60, lsn(41)).amount(1, 65, lsn(40))).empty());
  CHECK(sql("SELECT id,amount,lsn-(1<<40) FROM item ORDER BY id") == "1\t60\t41\n2\t5\t31");
}

TEST_CASE_FIXTURE(MysqlFixture, "an older ItemPut never overwrites a newer one") {
  auto lane = writer();
  CHECK(applied(lane, Batch().put(1, "new", lsn(9), 500)).empty());
  CHECK(applied(lane, Batch().put(1, "old", lsn(8), 100)).empty());
  CHECK(sql("SELECT name,total,put_lsn-(1<<40) FROM item") == "new\t500\t9");
}

TEST_CASE_FIXTURE(MysqlFixture, "an ItemPut and an amount do not disturb each other's guards") {
  auto lane = writer();
  CHECK(applied(lane, Batch().amount(1, 42, lsn(50))).empty());
  CHECK(applied(lane, Batch().put(1, "late", lsn(3))).empty());
  CHECK(sql("SELECT name,amount,put_lsn-(1<<40),lsn-(1<<40) FROM item") == "late\t42\t3\t50");
}

TEST_CASE_FIXTURE(MysqlFixture, "an order id that is stored with other content is a failure") {
  auto lane = writer();
  CHECK(applied(lane, Batch().order(lsn(7), "first", "ann")).empty());
  const auto failures = applied(
      lane, Batch().order(lsn(6), "six").order(lsn(7), "first", "bob").order(lsn(8), "eight"));
  REQUIRE(failures.size() == 1);
  CHECK(failures[0].kind == RowKind::order);
  CHECK(failures[0].index == 1);
  CHECK(failures[0].errnum == 1062);
  CHECK(failures[0].message.find("ALARM") != std::string::npos);
  CHECK(failures[0].message.find("OrderInsert 1.7") != std::string::npos);
  CHECK(failures[0].message.find("user_id='ann'") != std::string::npos);
  CHECK(failures[0].message.find("user_id='bob'") != std::string::npos);
  CHECK(sql("SELECT user_id FROM orders ORDER BY order_id") == "ann\nann\nann");
}

TEST_CASE_FIXTURE(MysqlFixture, "a difference in any column is found") {
  auto lane = writer();
  CHECK(applied(lane, Batch().order(lsn(1), "r1")).empty());
  for (const char* change : {"item_id=2", "qty=2", "unit_price_cents=1", "user_id='x'",
                             "decided_at='2026-11-21 10:42:01.203119'", "request_id='r9'"}) {
    CAPTURE(change);
    run(std::string("UPDATE orders SET ") + change);
    CHECK(applied(lane, Batch().order(lsn(1), "r1")).size() == 1);
    run("DELETE FROM orders");
    lane = writer();  // the other one would miss what it wrote last
    CHECK(applied(lane, Batch().order(lsn(1), "r1")).empty());
  }
}

TEST_CASE_FIXTURE(MysqlFixture, "a request id that another order has is a failure") {
  auto lane = writer();
  CHECK(applied(lane, Batch().order(lsn(1), "same")).empty());
  const auto failures = applied(lane, Batch().order(lsn(2), "same").order(lsn(3), "other"));
  REQUIRE(failures.size() == 1);
  CHECK(failures[0].index == 0);
  CHECK(failures[0].errnum == 1062);
  CHECK(failures[0].message.find("another order has this request id") != std::string::npos);
  CHECK(number("SELECT COUNT(*) FROM orders") == 2);
}

TEST_CASE_FIXTURE(MysqlFixture, "the same lsn with another amount or put is a failure") {
  auto lane = writer();
  CHECK(applied(lane, Batch().put(1, "a", lsn(4)).amount(1, 10, lsn(4))).empty());
  const auto failures = applied(lane, Batch().put(1, "b", lsn(4)).amount(1, 11, lsn(4)));
  REQUIRE(failures.size() == 2);
  CHECK(failures[0].kind == RowKind::put);
  CHECK(failures[0].message ==
        "ALARM: ItemPut 1.4 (item 1): the row holds other content under lsn 1.4: "
        "name='a' price_cents=1250 total=100 limit_per_user=2 max_qty=5; "
        "sent name='b' price_cents=1250 total=100 limit_per_user=2 max_qty=5. "
        "Nothing was changed; find out who else writes to this database");
  CHECK(failures[1].kind == RowKind::amount);
  CHECK(failures[1].message.find("amount=10") != std::string::npos);
  CHECK(sql("SELECT name,amount FROM item") == "a\t10");
}

TEST_CASE_FIXTURE(MysqlFixture, "one poison row in 500 fails alone, the other 499 are stored") {
  for (const std::size_t place : {std::size_t{0}, std::size_t{249}, std::size_t{499}}) {
    CAPTURE(place);
    run("DELETE FROM orders");
    Batch batch;
    batch.orders(lsn(1), 500);
    const std::string too_long(65, 'u');
    batch.rows.orders[place].user = too_long;
    auto lane = writer();
    const auto failures = applied(lane, batch);
    REQUIRE(failures.size() == 1);
    CHECK(failures[0].kind == RowKind::order);
    CHECK(failures[0].index == place);
    CHECK(failures[0].errnum == 1406);
    CHECK(failures[0].message.find("ALARM") != std::string::npos);
    CHECK(failures[0].message.find("user_id") != std::string::npos);
    CHECK(number("SELECT COUNT(*) FROM orders") == 499);
    CHECK(applied(lane, batch).size() == 1);
    CHECK(number("SELECT COUNT(*) FROM orders") == 499);
  }
}

TEST_CASE_FIXTURE(MysqlFixture, "poison rows of every kind in one batch fail, the rest is stored") {
  auto lane = writer();
  Batch batch;
  batch.orders(lsn(1), 20).order(lsn(21), "x", "u", 1, 1);
  batch.rows.orders[5].decided_at_us = 253402300800000000;                   // year 10000: 1292
  batch.rows.orders[20].qty = 3000000000;                                    // over INT: 1264
  batch.put(1, "fine", lsn(30)).put(2, "\xff\xfe", lsn(31));                 // not UTF-8: 1366
  batch.put(3, std::string(501, 'n'), lsn(32));                              // 1406
  batch.amount(1, 5, lsn(33)).amount(2, -1, lsn(34)).amount(3, 0, lsn(35));  // CHECK: 4025
  const auto failures = applied(lane, batch);
  std::string found;
  for (const auto& failure : failures) {
    found += std::to_string(static_cast<int>(failure.kind)) + ":" + std::to_string(failure.index) +
             ":" + std::to_string(failure.errnum) + " ";
  }
  CHECK(found.find("1:5:1292 ") != std::string::npos);
  CHECK(found.find("1:20:1264 ") != std::string::npos);
  CHECK(found.find("2:1:1300 ") != std::string::npos);
  CHECK(found.find("2:2:1406 ") != std::string::npos);
  CHECK(found.find("3:1:4025 ") != std::string::npos);
  CHECK(failures.size() == 5);
  CHECK(number("SELECT COUNT(*) FROM orders") == 19);
  CHECK(sql("SELECT id,name,amount FROM item ORDER BY id") == "1\tfine\t5\n3\t\t0");
}

TEST_CASE_FIXTURE(MysqlFixture, "a batch without rows still moves the witness") {
  auto lane = writer();
  Batch batch;
  batch.rows.witness = lsn(12);
  CHECK(applied(lane, batch).empty());
  CHECK(sql("SELECT applied_lsn-(1<<40),batches FROM lane WHERE lane=1") == "12\t1");
}

TEST_CASE_FIXTURE(MysqlFixture, "the largest values fit") {
  auto lane = writer();
  const std::uint64_t item = (std::uint64_t{1} << 63) - 1;
  const auto last = stampede::storage::make_lsn(stampede::storage::kEpochMax, 5);
  CHECK(applied(lane, Batch()
                          .order(last, std::string(64, 'r'), std::string(64, 'u'), item, 1000)
                          .put(item, std::string(500, 'n'), last, INT64_MAX)
                          .amount(item, INT64_MAX, last))
            .empty());
  CHECK(number("SELECT COUNT(*) FROM orders WHERE item_id=" + std::to_string(item)) == 1);
}

TEST_CASE_FIXTURE(MysqlFixture, "two lanes write side by side") {
  constexpr std::size_t kBatches = 20;
  constexpr std::size_t kRows = 200;
  const auto work = [this](int lane) {
    auto out = writer(lane);
    std::size_t done = 0;
    for (std::size_t i = 0; i < kBatches; ++i) {
      const auto first = lsn(1 + (2 * i + static_cast<std::size_t>(lane - 1)) * kRows);
      const auto batch = std::move(Batch()
                                       .orders(first, kRows)
                                       .amount(static_cast<std::uint64_t>(lane),
                                               static_cast<std::int64_t>(1000 - i), first));
      const auto outcome = out.apply(batch.rows);
      if (outcome && outcome->failures.empty()) ++done;
    }
    return done;
  };
  std::size_t done_by_two = 0;
  std::jthread two([&] { done_by_two = work(2); });
  const std::size_t done_by_one = work(1);
  two.join();
  CHECK(done_by_one == kBatches);
  CHECK(done_by_two == kBatches);
  CHECK(number("SELECT COUNT(*) FROM orders") == 2 * kBatches * kRows);
  CHECK(number("SELECT SUM(batches) FROM lane") == 2 * kBatches);
}

TEST_CASE_FIXTURE(MysqlFixture, "columns that somebody added, moved or hid change nothing") {
  run("ALTER TABLE orders ADD COLUMN note VARCHAR(20) NULL FIRST;"
      "ALTER TABLE orders MODIFY COLUMN user_id VARBINARY(64) NOT NULL AFTER decided_at;"
      "ALTER TABLE orders ADD COLUMN twice INT AS (qty*2) AFTER order_id;"
      "ALTER TABLE orders ADD COLUMN seen DATETIME INVISIBLE NOT NULL DEFAULT NOW() FIRST;"
      "ALTER TABLE item ADD COLUMN shelf INT NOT NULL DEFAULT 3 FIRST;"
      "ALTER TABLE item MODIFY COLUMN lsn BIGINT UNSIGNED NOT NULL DEFAULT 0 FIRST;"
      "ALTER TABLE lane ADD COLUMN note INT FIRST; ALTER TABLE meta ADD COLUMN note INT FIRST;"
      "ALTER TABLE schema_version ADD COLUMN note INT FIRST");
  auto lane = writer();
  const auto batch =
      std::move(Batch().put(1, "phone", lsn(1)).amount(1, 100, lsn(1)).orders(lsn(2), 3));
  CHECK(applied(lane, batch).empty());
  CHECK(applied(lane, batch).empty());  // compared with what is stored
  CHECK(sql("SELECT order_id-(1<<40),request_id,item_id,user_id,qty,twice FROM orders LIMIT 1") ==
        "2\trequest-" + std::to_string(lsn(2)) + "\t1\tuser-" + std::to_string(lsn(2)) + "\t1\t2");
  CHECK(sql("SELECT id,name,total,amount,shelf,lsn-(1<<40) FROM item") ==
        "1\tphone\t100\t100\t3\t1");
  auto database = stampede::storage::Database::open(server().node());
  REQUIRE(bool(database));
  CHECK(bool(database->adopt(stampede::storage::LogUuid{1}, 0)));
  CHECK((*database->items()).at(0).terms.name == "phone");
}

TEST_CASE_FIXTURE(MysqlFixture, "no statement is longer than the server takes") {
  for (const char* limit : {"8192", "65536", "1048576"}) {
    const ServerSetting packet("max_allowed_packet", limit);
    run("DELETE FROM orders; DELETE FROM item; UPDATE lane SET batches=0");
    auto lane = writer();
    Batch batch;
    for (stampede::storage::Lsn i = 1; i <= 3000; ++i) {
      batch.order(lsn(i), std::string(60, 'r') + std::to_string(i), std::string(60, '\xe5'));
      if (i <= 400) batch.put(i, std::string(400, '\xc3') + "\xa4", lsn(i)).amount(i, 1, lsn(i));
    }
    for (auto& put : batch.rows.puts) put.terms.name = put.terms.name.substr(399);
    CHECK(applied(lane, batch).empty());
    CHECK(applied(lane, batch).empty());
    CHECK(number("SELECT COUNT(*) FROM orders") == 3000);
    CHECK(number("SELECT COUNT(*) FROM item WHERE amount=1") == 400);
    CHECK(number("SELECT batches FROM lane WHERE lane=1") == 2);
  }
}

TEST_CASE_FIXTURE(MysqlFixture, "a batch that the server cannot take is sent again in parts") {
  // No transaction of more than 100 orders; the error number is one that nobody knows.
  run("CREATE TRIGGER small BEFORE INSERT ON orders FOR EACH ROW "
      "SET @s=(SELECT SUM(batches) FROM lane), @n=IF(@b=@s,@n+1,1), @b=@s, "
      "@x=IF(@n>100,(SELECT 1 UNION SELECT 2),0)");
  auto lane = writer();
  const auto batch = std::move(Batch().orders(lsn(1), 1000));
  int refusals = 0;
  while (refusals < 20) {
    const auto outcome = lane.apply(batch.rows);
    if (outcome) break;
    CHECK(outcome.error().message.find("1242") != std::string::npos);
    ++refusals;
  }
  CHECK(refusals == 4);  // 1000, 500, 250, 125
  CHECK(number("SELECT COUNT(*) FROM orders") == 1000);
  run("DROP TRIGGER small");
  for (int i = 1; i <= 60; ++i) CHECK(applied(lane, Batch().orders(lsn(1000 * i), 1000)).empty());
  const auto batches = number("SELECT SUM(batches) FROM lane");
  CHECK(applied(lane, Batch().orders(lsn(100000), 1000)).empty());
  CHECK(number("SELECT SUM(batches) FROM lane") == batches + 1);  // whole again
}

TEST_CASE_FIXTURE(MysqlFixture, "texts cross unchanged whatever a server prefers") {
  const std::string name = "\xe6\x89\x8b\xe6\x9c\xba \xf0\x9f\x98\x80";
  stampede::storage::Lsn at = 1;
  for (const char* connect :
       {"'SET NAMES utf8'", "'SET NAMES latin1'", "'SET character_set_results=gbk'",
        "'SET sql_select_limit=0, sql_safe_updates=1, autocommit=0'", "'SET completion_type=2'",
        "'SET completion_type=1'"}) {
    const ServerSetting init("init_connect", connect);
    run("DELETE FROM item");
    auto lane = writer();
    const auto batch = std::move(Batch().put(1, name, lsn(at)).amount(1, 5, lsn(at)));
    CHECK(applied(lane, batch).empty());
    CHECK(applied(lane, batch).empty());
    auto database = stampede::storage::Database::open(server().node());
    REQUIRE(bool(database));
    const auto items = database->items();
    REQUIRE(bool(items));
    REQUIRE(items->size() == 1);
    CHECK(items->front().terms.name == name);
    CHECK(sql("SELECT HEX(name) FROM item") == "E6898BE69CBA20F09F9880");
    ++at;
  }
}

TEST_CASE_FIXTURE(MysqlFixture, "a server that bounds what a SELECT looks at is read") {
  const ServerSetting small("max_join_size", "100");
  auto lane = writer();
  CHECK(applied(lane, Batch().orders(lsn(1), 1000)).empty());
  auto database = stampede::storage::Database::open(server().node());
  REQUIRE(bool(database));
  const auto count = database->order_count();
  REQUIRE(bool(count));
  CHECK(*count == 1000);
}

TEST_CASE_FIXTURE(MysqlFixture, "a column of another character set takes the same text or none") {
  run("ALTER TABLE item MODIFY name VARCHAR(500) CHARACTER SET latin1 NOT NULL DEFAULT ''");
  auto lane = writer();
  const auto batch = std::move(Batch().put(1, "Caf\xc3\xa9", lsn(1)));
  CHECK(applied(lane, batch).empty());
  CHECK(applied(lane, batch).empty());
  CHECK(sql("SELECT HEX(name) FROM item") == "436166E9");
  const auto failures = applied(lane, Batch().put(2, "\xe6\x89\x8b", lsn(2)));
  REQUIRE(failures.size() == 1);
  CHECK(failures[0].errnum == 1366);
}
