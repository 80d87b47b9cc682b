// The step to the rules of the sale and back, wherever it is interrupted.

#include <doctest/doctest.h>

#include <atomic>
#include <chrono>
#include <thread>
#include <vector>

#include "storage/mysql/migrations.h"
#include "storage/mysql/mysql_session.h"
#include "test/storage/mysql/mysql_fixture.h"
#include "tools/ask/migrate.h"

using namespace stampede::test;
using stampede::storage::apply_migrations;
using stampede::storage::Database;
using stampede::storage::Errc;
using stampede::storage::MysqlSession;
using stampede::storage::SqlSession;
using stampede::storage::take_back_migrations;

namespace {

constexpr int kBefore = 2;
constexpr int kSale = 3;

// All that a schema is, as one text.
std::string schema() {
  return server().sql(
      "SELECT table_name,ordinal_position,column_name,column_type,is_nullable,"
      "COALESCE(column_default,'-'),extra,COALESCE(generation_expression,'-'),column_key "
      "FROM information_schema.columns WHERE table_schema='stampede' ORDER BY 1,2;"
      "SELECT table_name,index_name,seq_in_index,column_name FROM information_schema.statistics "
      "WHERE table_schema='stampede' ORDER BY 1,2,3;"
      "SELECT table_name,view_definition,security_type FROM information_schema.views "
      "WHERE table_schema='stampede' ORDER BY 1;"
      "SELECT version,name FROM stampede.schema_version ORDER BY 1");
}

const stampede::storage::Migration& step() {
  return stampede::storage::migrations()[kSale - 1];
}

void up() {
  const auto done = apply_migrations(server().admin());
  REQUIRE_MESSAGE(bool(done), (done ? "" : done.error().message));
}

void down(bool force = false) {
  const auto taken = take_back_migrations(server().admin(), kBefore, force);
  REQUIRE_MESSAGE(bool(taken), (taken ? "" : taken.error().message));
}

// Behind how many of its statements a killed program leaves another schema than before.
std::vector<std::size_t> places(std::string_view sql) {
  std::vector<std::size_t> found{0};
  std::size_t n = 0;
  for (const auto& statement : stampede::storage::statements_of(sql)) {
    ++n;
    bool changes = false;
    for (const char* word : {"EXECUTE", "CREATE", "DROP", "DELETE"})
      changes = changes || statement.starts_with(word);
    if (changes) found.push_back(n);
  }
  CHECK(n > found.size());
  return found;
}

// A server keeps what is added and dropped in an instant as a part of the rows, up to a limit.
void forget_dropped_columns(const MysqlFixture& fixture) {
  fixture.run("ALTER TABLE item FORCE; ALTER TABLE orders FORCE");
}

// As a program does it that is killed behind the n-th statement.
void begin(std::string_view sql, std::size_t statements) {
  auto session = MysqlSession::connect(server().admin(), SqlSession::Commit::each_statement);
  REQUIRE(bool(session));
  for (const auto& statement : stampede::storage::statements_of(sql)) {
    if (statements-- == 0) return;
    const auto outcome = (*session)->execute(statement);
    REQUIRE_MESSAGE(!outcome.failed, outcome.message);
  }
}

void rows_of_version_2(const MysqlFixture& fixture) {
  fixture.run(
      "INSERT INTO item(id,name,price_cents,total,amount,limit_per_user,max_qty,put_lsn,lsn) "
      "VALUES(1,'phone',9900,100,97,2,5,11,12),(2,'case',0,5,5,0,1,0,0);"
      "INSERT INTO orders(order_id,request_id,item_id,user_id,qty,unit_price_cents,decided_at) "
      "VALUES(12,'r1',1,'ann',3,9900,'2026-11-21 10:42:01.203118')");
}

std::string old_rows(const MysqlFixture& fixture) {
  return fixture.sql(
      "SELECT id,name,price_cents,total,amount,limit_per_user,max_qty,put_lsn,lsn FROM item "
      "ORDER BY id; SELECT order_id,request_id,item_id,user_id,qty,unit_price_cents,decided_at "
      "FROM orders; SELECT * FROM lane ORDER BY lane; SELECT * FROM meta");
}

}  // namespace

TEST_CASE_FIXTURE(MysqlFixture, "rows of the version before go up, mean the same, and come back") {
  down();
  rows_of_version_2(*this);
  const auto before = old_rows(*this);
  const auto schema_before = schema();
  up();
  CHECK(old_rows(*this) == before);
  CHECK(sql("SELECT description,image_url,hold_s,hold_low_s,low_stock_percent,unpaid_per_user_max,"
            "sale,open,sold FROM item ORDER BY id") ==
        "\t\t0\t0\t0\t0\talways\t1\t3\n\t\t0\t0\t0\t0\talways\t1\t0");
  CHECK(sql("SELECT promo_id,fulfilment,pay_by,payment_id,fulfilled_at,lsn,total_cents "
            "FROM orders") == "NULL\tnone\tNULL\tNULL\tNULL\t0\t29700");
  CHECK(sql("SELECT * FROM stock_journal") == "12\t1\t-3\torder\t12\t2026-11-21 10:42:01.203118");
  CHECK(bool(Database::open(server().node())));
  down();
  CHECK(old_rows(*this) == before);
  CHECK(schema() == schema_before);
  CHECK(Database::open(server().node()).error().code == Errc::version);
}

TEST_CASE_FIXTURE(MysqlFixture, "a step up that ends anywhere is completed by the next one") {
  const auto whole = schema();
  down();
  const auto before = schema();
  for (const auto n : places(step().sql)) {
    CAPTURE(n);
    forget_dropped_columns(*this);
    begin(step().sql, n);
    CHECK(Database::open(server().node()).error().code == Errc::version);
    up();
    CHECK(schema() == whole);
    down();
    begin(step().sql, n);
    down();  // or given up
    CHECK(schema() == before);
  }
}

TEST_CASE_FIXTURE(MysqlFixture, "a step back that ends anywhere is ended, or done again") {
  const auto whole = schema();
  down();
  const auto before = schema();
  for (const auto n : places(step().down)) {
    if (n == 0) continue;
    CAPTURE(n);
    forget_dropped_columns(*this);
    up();
    begin(step().down, n);
    CHECK(Database::open(server().node()).error().code == Errc::version);
    down();
    CHECK(schema() == before);
    up();
    begin(step().down, n);
    up();
    CHECK(schema() == whole);
    down();
  }
}

TEST_CASE_FIXTURE(MysqlFixture, "a server killed in the middle of a step goes on from there") {
  const auto whole = schema();
  down();
  rows_of_version_2(*this);
  const auto rows = old_rows(*this);
  // Not in this database, as far as the server knows: only its lock is in the way.
  auto blocker = MysqlSession::connect(server().admin(), SqlSession::Commit::explicitly,
                                       SqlSession::Schema::none);
  REQUIRE(bool(blocker));
  REQUIRE(!(*blocker)
               ->query("SELECT * FROM stampede.orders", [](const stampede::storage::SqlRow&) {})
               .failed);
  std::atomic<bool> failed = false;
  std::thread migrating([&] { failed = !apply_migrations(server().admin()); });
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(15);
  while (server().sql("SELECT COUNT(*) FROM information_schema.processlist "
                      "WHERE state LIKE '%metadata lock%'") == "0" &&
         std::chrono::steady_clock::now() < deadline) {
  }
  CHECK(sql("SELECT COUNT(*) FROM information_schema.columns WHERE table_schema='stampede' "
            "AND column_name IN ('sold','total_cents')") == "1");
  server().kill9();
  migrating.join();
  CHECK(failed);
  server().start();
  up();
  CHECK(schema() == whole);
  CHECK(old_rows(*this) == rows);
}

TEST_CASE_FIXTURE(MysqlFixture,
                  "a step back names what it would lose, and loses it by force only") {
  using stampede::tools::migrate_down;
  run("INSERT INTO promo(id) VALUES(7),(8); INSERT INTO item(id,hold_s) VALUES(1,300),(2,0);"
      "INSERT INTO stock_change VALUES(30,1,5,'add',NULL,'2026-11-21');"
      "INSERT INTO orders(order_id,request_id,item_id,user_id,qty,unit_price_cents,decided_at,"
      "promo_id,fulfilment) VALUES(10,'a',1,'u',1,1,'2026-11-21',7,'paid'),"
      "(11,'b',1,'u',1,1,'2026-11-21',7,'paid'),(12,'c',1,'u',1,1,'2026-11-21',NULL,'paid'),"
      "(13,'d',1,'u',1,1,'2026-11-21',NULL,'refund_due'),"
      "(14,'e',1,'u',1,1,'2026-11-21',NULL,'unpaid'),(15,'f',1,'u',1,1,'2026-11-21',NULL,'unpaid'),"
      "(16,'g',1,'u',1,1,'2026-11-21',NULL,'none')");
  run("INSERT INTO account(user_id,created_at) VALUES('ann','2026-11-21')");
  const auto whole = schema();
  const auto before = sql("CHECKSUM TABLE item,orders,promo,stock_change,account");
  const auto refused = take_back_migrations(server().admin(), kBefore, false);
  REQUIRE_MESSAGE(bool(refused), (refused ? "" : refused.error().message));
  CHECK(refused->steps.empty());
  std::string lost;
  for (const auto& one : refused->lost) lost += one + "; ";
  CHECK(
      lost ==
      "promo: 2 rows; orders (unpaid): 2 rows; orders (paid): 3 rows; orders (refund due): 1 row; "
      "orders (through a promo): 2 rows; stock_change: 1 row; account: 1 row; "
      "item (with terms of the sale): 1 row; ");
  CHECK(migrate_down(server().admin(), kBefore, false, true) == 6);
  CHECK(schema() == whole);
  CHECK(sql("CHECKSUM TABLE item,orders,promo,stock_change,account") == before);
  // What an interrupted step has not dropped yet is still named.
  begin(step().down, 3);
  CHECK(take_back_migrations(server().admin(), kBefore, false)->lost.size() == 7);
  CHECK(migrate_down(server().admin(), kBefore, true, false) == 0);
  CHECK(number("SELECT MAX(version) FROM schema_version") == kBefore);
  CHECK(number("SELECT COUNT(*) FROM orders") == 7);
  CHECK(migrate_down(server().admin(), kBefore, false, false) == 0);  // nothing is left to do
}

TEST_CASE_FIXTURE(MysqlFixture, "each row alone keeps the schema from going back") {
  for (const char* row :
       {"INSERT INTO promo(id) VALUES(1)", "INSERT INTO account(user_id,created_at) VALUES('a',0)",
        "INSERT INTO stock_change VALUES(1,1,1,'add',NULL,'2026-11-21')",
        "UPDATE orders SET promo_id=0", "UPDATE orders SET fulfilment='expired'",
        "UPDATE item SET description='x' WHERE id=2", "UPDATE item SET image_url='x'",
        "UPDATE item SET hold_s=1", "UPDATE item SET hold_low_s=1",
        "UPDATE item SET low_stock_percent=1", "UPDATE item SET unpaid_per_user_max=1",
        "UPDATE item SET sale='promo_only'", "UPDATE item SET open=0"}) {
    CAPTURE(row);
    forget_dropped_columns(*this);
    up();
    run("DELETE FROM item; DELETE FROM orders");
    rows_of_version_2(*this);
    run("SET sql_mode=''; " + std::string(row));
    const auto refused = take_back_migrations(server().admin(), kBefore, false);
    REQUIRE_MESSAGE(bool(refused), (refused ? "" : refused.error().message));
    CHECK(refused->lost.size() == 1);
    CHECK(number("SELECT MAX(version) FROM schema_version") == kSale);
    down(true);
  }
}

TEST_CASE_FIXTURE(MysqlFixture, "the steps go back to the first, which cannot be taken back") {
  const auto taken = take_back_migrations(server().admin(), 1, false);
  REQUIRE_MESSAGE(bool(taken), (taken ? "" : taken.error().message));
  REQUIRE(taken->steps.size() == 2);
  CHECK(taken->steps[0].name == "sale");
  CHECK(taken->steps[1].name == "lane_owner");
  CHECK(number("SELECT MAX(version) FROM schema_version") == 1);
  CHECK(number("SELECT COUNT(*) FROM information_schema.columns WHERE table_schema='stampede' "
               "AND table_name='lane'") == 4);
  up();
  CHECK(bool(Database::open(server().node())));
  const auto refused = take_back_migrations(server().admin(), 0, true);
  REQUIRE(!refused);
  CHECK(refused.error().code == Errc::invalid);
  CHECK(refused.error().message.find("tables") != std::string::npos);
}

TEST_CASE_FIXTURE(MysqlFixture, "while a backend holds the lanes no step goes up or back") {
  down();
  auto lane = writer();
  CHECK(bool(lane.look()));  // as a lane of an older program does, once a second
  const auto before = schema();
  const auto refused = apply_migrations(server().admin());
  REQUIRE(!refused);
  CHECK(refused.error().code == Errc::locked);
  CHECK(refused.error().message.find("of user 'node'") != std::string::npos);
  CHECK(refused.error().message.find("stop the nodes") != std::string::npos);
  CHECK(stampede::tools::migrate_up(server().admin(), false) == 6);
  CHECK(schema() == before);
  lane.disconnect();
  up();
  CHECK(applied(lane, Batch().order(lsn(1), "r")).empty());
  CHECK(take_back_migrations(server().admin(), kBefore, true).error().code == Errc::locked);
  CHECK(bool(apply_migrations(server().admin())));  // nothing to do is nothing to refuse
  lane.disconnect();
  down();
}

TEST_CASE_FIXTURE(MysqlFixture, "sessions of others do not matter while no lane has an owner") {
  run("UPDATE lane SET epoch=0");
  down();
  auto lane = writer(1, 0);
  CHECK(bool(lane.look()));
  up();
}

TEST_CASE_FIXTURE(MysqlFixture, "two migrations at once wait for each other, with lanes owned") {
  down();
  std::size_t steps[2] = {100, 100};
  const auto migrate = [&](std::size_t i) {
    if (const auto done = apply_migrations(server().admin())) steps[i] = done->size();
  };
  std::thread other([&] { migrate(1); });
  migrate(0);
  other.join();
  CHECK(steps[0] + steps[1] == 1);
}

TEST_CASE_FIXTURE(MysqlFixture, "the nodes' user reads and writes the sale's tables, and no more") {
  for (const char* statement :
       {"SELECT * FROM stock_journal", "INSERT INTO promo(id) VALUES(1)",
        "UPDATE promo SET granted=1", "INSERT INTO stock_change VALUES(1,1,1,'add',NULL,NOW())",
        "INSERT INTO account(user_id,created_at) VALUES('a',NOW())", "UPDATE account SET locked=1",
        "SELECT password FROM account", "UPDATE orders SET fulfilment='paid'"}) {
    CAPTURE(statement);
    CHECK_NOTHROW((void)server().sql(std::string("USE stampede; ") + statement, "node"));
  }
  for (const char* statement :
       {"DELETE FROM promo", "DELETE FROM stock_change", "DELETE FROM account",
        "DROP VIEW stock_journal", "CREATE VIEW v AS SELECT 1", "DROP TABLE account",
        "CREATE OR REPLACE VIEW stock_journal AS SELECT 1", "DELETE FROM stock_journal",
        "INSERT INTO stock_journal VALUES(1,1,1,'add',NULL,NOW())", "TRUNCATE promo",
        "ALTER TABLE promo ADD x INT", "CREATE TEMPORARY TABLE t(i INT)"}) {
    CAPTURE(statement);
    CHECK_THROWS((void)server().sql(std::string("USE stampede; ") + statement, "node"));
  }
}
