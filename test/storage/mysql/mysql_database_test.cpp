#include <doctest/doctest.h>

#include "test/storage/mysql/mysql_fixture.h"

using namespace stampede::test;
using stampede::storage::Database;
using stampede::storage::Errc;
using stampede::storage::LogUuid;
using stampede::storage::StoredOrder;

namespace {

Database open(const stampede::storage::DbOptions& options = server().node()) {
  auto database = Database::open(options);
  REQUIRE_MESSAGE(bool(database), (database ? "" : database.error().message));
  return std::move(*database);
}

constexpr LogUuid kMine{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 0x27, 0x5c, 13, 0xff, 0};
constexpr LogUuid kOther{9};

}  // namespace

TEST_CASE_FIXTURE(MysqlFixture, "a database belongs to the first log that adopts it") {
  auto database = open();
  CHECK(!database.log_uuid()->has_value());
  CHECK(bool(database.adopt(kMine, 1795257721203118)));
  CHECK(**database.log_uuid() == kMine);
  CHECK(bool(database.adopt(kMine, 5)));
  CHECK(sql("SELECT COUNT(*),MAX(created_at) FROM meta") == "1\t2026-11-21 10:42:01.203118");
  const auto stranger = database.adopt(kOther, 6);
  REQUIRE(!stranger);
  CHECK(stranger.error().code == Errc::corrupt);
  CHECK(stranger.error().message.find("0001020304") != std::string::npos);
  CHECK(**database.log_uuid() == kMine);
}

TEST_CASE_FIXTURE(MysqlFixture, "adopting starts the guards of an earlier log from zero") {
  auto lane = writer();
  CHECK(applied(lane, Batch().put(1, "kept", lsn(8)).amount(1, 77, lsn(9))).empty());
  auto database = open();
  CHECK(bool(database.adopt(kMine, 0)));
  CHECK(sql("SELECT name,amount,put_lsn,lsn FROM item") == "kept\t77\t0\t0");
  CHECK(sql("SELECT MAX(epoch),MAX(applied_lsn) FROM lane") == "0\t0");
  CHECK(bool(database.claim(1, 2)));
  CHECK(bool(database.adopt(kMine, 0)));  // later starts of the same log leave them alone
  CHECK(number("SELECT MIN(epoch) FROM lane") == 1);
}

TEST_CASE_FIXTURE(MysqlFixture, "adopting takes many items piece by piece, and tells of it") {
  (void)sql(
      "INSERT INTO item(id,name,total,amount,lsn,put_lsn) "
      "SELECT 7*seq,'Phone',5,5,seq,seq FROM seq_0_to_25000");
  auto database = open();
  int told = 0;
  const auto progress = [&] { ++told; };
  CHECK(database.items(progress)->size() == 25'001);
  CHECK(told == 2);
  CHECK(bool(database.adopt(kMine, 0, progress)));
  CHECK(told == 5);
  CHECK(number("SELECT COUNT(*) FROM item WHERE lsn=0 AND put_lsn=0") == 25'001);
}

TEST_CASE_FIXTURE(MysqlFixture,
                  "claiming takes every lane row, adds missing ones, never goes back") {
  auto database = open();
  CHECK(bool(database.claim(3, 4)));
  CHECK(bool(database.claim(3, 4)));
  CHECK(bool(database.claim(4, 2)));  // fewer lanes now: the others are taken all the same
  const auto lanes = database.lanes();
  REQUIRE(bool(lanes));
  REQUIRE(lanes->size() == 4);
  for (const auto& lane : *lanes) CHECK(lane.epoch == 4);
  CHECK(lanes->front().lane == 1);
  const auto before = sql("CHECKSUM TABLE lane");
  const auto older = database.claim(3, 6);
  REQUIRE(!older);
  CHECK(older.error().code == Errc::fenced);
  CHECK(older.error().message.find("epoch 4") != std::string::npos);
  CHECK(sql("CHECKSUM TABLE lane") == before);
}

TEST_CASE_FIXTURE(MysqlFixture, "a lane that has committed nothing is claimed at the others' end") {
  auto database = open();
  auto one = writer(1);
  auto two = writer(2);
  CHECK(applied(two, Batch().order(lsn(40), "b")).empty());
  CHECK(applied(one, Batch().order(lsn(30), "a")).empty());
  REQUIRE(bool(database.claim(2, 4)));
  CHECK(sql("SELECT GROUP_CONCAT(applied_lsn ORDER BY lane) FROM lane") ==
        std::to_string(lsn(30)) + ',' + std::to_string(lsn(40)) + ',' + std::to_string(lsn(40)) +
            ',' + std::to_string(lsn(40)));
}

TEST_CASE_FIXTURE(MysqlFixture, "the witness is the highest lsn of any lane") {
  auto database = open();
  CHECK(*database.witness() == 0);
  auto one = writer(1);
  auto two = writer(2);
  CHECK(applied(two, Batch().order(lsn(40), "b")).empty());
  CHECK(applied(one, Batch().order(lsn(30), "a")).empty());
  CHECK(*database.witness() == lsn(40));
}

TEST_CASE_FIXTURE(MysqlFixture, "items are read with all their fields") {
  run("INSERT INTO item(id,name,price_cents,total,amount,limit_per_user,max_qty,put_lsn,lsn) "
      "VALUES(2,'\xf0\x9f\x90\x8e horse',99,10,7,1,3,0,0),(1,'',0,0,0,0,5,0,0)");
  auto database = open();
  const auto items = database.items();
  REQUIRE(bool(items));
  REQUIRE(items->size() == 2);
  const auto& item = items->at(1);
  CHECK(item.id == 2);
  CHECK(item.terms.name == "\xf0\x9f\x90\x8e horse");
  CHECK(item.terms.price_cents == 99);
  CHECK(item.terms.total == 10);
  CHECK(item.amount == 7);
  CHECK(item.terms.limit_per_user == 1);
  CHECK(item.terms.max_qty == 3);
}

TEST_CASE_FIXTURE(MysqlFixture, "orders are read in order, over any number of pages") {
  auto lane = writer();
  for (std::size_t i = 0; i < 9; ++i) {
    CHECK(applied(lane, Batch().orders(lsn(1 + i * 5000), 5000)).empty());
  }
  auto database = open();
  CHECK(*database.order_count() == 45000);
  const auto count = [&](stampede::storage::Lsn after, stampede::storage::Lsn up_to) {
    std::size_t rows = 0;
    stampede::storage::Lsn last = after;
    CHECK(bool(database.each_order(after, up_to, [&](const StoredOrder& order) {
      if (order.order_id > last && order.request_id == "request-" + std::to_string(order.order_id))
        ++rows;
      last = order.order_id;
    })));
    return rows;
  };
  CHECK(count(0, UINT64_MAX) == 45000);
  CHECK(count(0, lsn(40000)) == 40000);
  CHECK(count(lsn(10), lsn(20)) == 10);
  CHECK(count(lsn(45000), UINT64_MAX) == 0);
}

TEST_CASE_FIXTURE(MysqlFixture, "a snapshot does not see what is written meanwhile") {
  auto lane = writer();
  auto database = open();
  CHECK(applied(lane, Batch().orders(lsn(1), 3)).empty());
  CHECK(bool(database.begin_snapshot()));
  CHECK(*database.order_count() == 3);
  CHECK(applied(lane, Batch().orders(lsn(4), 3)).empty());
  CHECK(*database.order_count() == 3);
  CHECK(bool(database.end_snapshot()));
  CHECK(*database.order_count() == 6);
}

TEST_CASE_FIXTURE(MysqlFixture, "opening says why it cannot, and what to try") {
  const auto message = [](const stampede::storage::DbOptions& options, Errc code) {
    const auto database = Database::open(options);
    REQUIRE(!database);
    CHECK(database.error().code == code);
    return database.error().message;
  };
  auto options = server().node();
  options.url = "mysql://node@localhost/stampede?socket=/nowhere/s.sock";
  const auto away = message(options, Errc::unavailable);
  CHECK(away.find("/nowhere/s.sock") != std::string::npos);
  CHECK(away.find("is the server running") != std::string::npos);
  options.url = "mysql://node@127.0.0.1:1/stampede";
  CHECK(message(options, Errc::unavailable).find("host 127.0.0.1 port 1") != std::string::npos);
  CHECK(message(server().as("root", "absent"), Errc::invalid).find("database name") !=
        std::string::npos);
  auto wrong = server().node();
  wrong.password = "wrong-word";
  const auto denied = message(wrong, Errc::invalid);
  CHECK(denied.find("db.password_file") != std::string::npos);
  CHECK(denied.find("wrong-word") == std::string::npos);
}

TEST_CASE_FIXTURE(MysqlFixture, "the server's death is unavailable, and a new Database works") {
  auto database = open();
  server().kill9();
  CHECK(database.witness().error().code == Errc::unavailable);
  CHECK(database.claim(2, 2).error().code == Errc::unavailable);
  CHECK(database.adopt(kMine, 0).error().code == Errc::unavailable);
  server().start();
  CHECK(*open().witness() == 0);
}
