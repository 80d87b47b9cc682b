// What goes wrong between a lane and its server, and that the same batch is applied exactly once.

#include <doctest/doctest.h>

#include <atomic>
#include <chrono>
#include <optional>
#include <thread>

#include "config/faults/failpoint.h"
#include "storage/mysql/mysql_session.h"
#include "test/storage/mysql/mysql_fixture.h"

using namespace stampede::test;
using stampede::storage::DbOptions;
using stampede::storage::Errc;
using stampede::storage::LaneOutcome;
using stampede::storage::LaneWriter;
using stampede::storage::MysqlSession;
using stampede::storage::Result;

namespace {

Batch small_batch() {
  return std::move(Batch().orders(lsn(1), 100).amount(1, 50, lsn(100)).amount(2, 60, lsn(99)));
}

// A second connection that holds locks.
std::unique_ptr<MysqlSession> open_admin() {
  auto session = MysqlSession::connect(server().admin(), MysqlSession::Commit::explicitly);
  REQUIRE(bool(session));
  return std::move(*session);
}

void execute(MysqlSession& session, const std::string& sql) {
  const auto outcome = sql.starts_with("SELECT")
                           ? session.query(sql, [](const stampede::storage::SqlRow&) {})
                           : session.execute(sql);
  REQUIRE_MESSAGE(!outcome.failed, outcome.message);
}

// Asks the counter: information_schema.innodb_trx is a copy that the server renews only when nobody
// has read it for 0.1 s, so whoever asks in a loop sees the first answer for ever.
void wait_for_lock_wait() {
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(30);
  while (server().sql("SELECT variable_value FROM information_schema.global_status "
                      "WHERE variable_name='Innodb_row_lock_current_waits'") == "0") {
    REQUIRE(std::chrono::steady_clock::now() < deadline);
  }
}

// Applies in a thread of its own, so that the test can interfere. The session goes with the thread.
class Applying {
 public:
  Applying(DbOptions options, const Batch& batch)
      : thread_([this, options, &batch] {
          LaneWriter writer(options, 1, 1);
          outcome_ = writer.apply(batch.rows);
        }) {}
  Result<LaneOutcome> result() {
    thread_.join();
    return *outcome_;
  }

 private:
  std::optional<Result<LaneOutcome>> outcome_;
  std::jthread thread_;
};

void check_applied_once(const MysqlFixture& fixture) {
  CHECK(fixture.number("SELECT COUNT(*) FROM orders") == 100);
  CHECK(fixture.sql("SELECT id,amount FROM item ORDER BY id") == "1\t50\n2\t60");
}

void check_nothing_stored(const MysqlFixture& fixture) {
  CHECK(fixture.number("SELECT COUNT(*) FROM orders") == 0);
  CHECK(fixture.number("SELECT SUM(batches) FROM lane") == 0);
}

}  // namespace

TEST_CASE_FIXTURE(MysqlFixture, "a writer of an older epoch is fenced and changes nothing") {
  auto old_writer = writer(1, 1);
  CHECK(applied(old_writer, small_batch()).empty());
  auto database = stampede::storage::Database::open(server().node());
  REQUIRE(bool(database));
  REQUIRE(bool(database->claim(2, 2)));
  const auto before = sql("CHECKSUM TABLE orders,item,lane");
  const auto error = refused(old_writer, Batch().orders(lsn(200), 5));
  CHECK(error.code == Errc::fenced);
  CHECK(error.message.find("belongs to epoch 2") != std::string::npos);
  CHECK(sql("CHECKSUM TABLE orders,item,lane") == before);
  auto new_writer = writer(1, 2);
  CHECK(applied(new_writer, Batch().orders(lsn(200), 5)).empty());
}

TEST_CASE_FIXTURE(MysqlFixture, "a lane without a row waits for it, and names the repair") {
  auto lane = writer(9);
  for (int again = 0; again < 30; ++again) {
    const auto error = refused(lane, small_batch());
    CHECK(error.code == Errc::unavailable);
    CHECK(error.message.find("has no row") != std::string::npos);
    CHECK(error.message.find("log replay --all") != std::string::npos);
  }
  check_nothing_stored(*this);
  run("INSERT INTO lane(lane,epoch,applied_lsn,batches) VALUES(9,1,0,0)");
  CHECK(applied(lane, small_batch()).empty());
  check_applied_once(*this);
}

TEST_CASE_FIXTURE(MysqlFixture, "a claim waits for an older writer's open transaction") {
  auto older = open_admin();
  execute(*older, "UPDATE lane SET batches=batches+1 WHERE lane=1 AND epoch=1");
  std::atomic<bool> claimed = false;
  std::jthread claiming([&] {
    auto database = stampede::storage::Database::open(server().node());
    claimed = database && database->claim(2, 2);
  });
  wait_for_lock_wait();
  CHECK(!claimed);
  execute(*older, "COMMIT");
  claiming.join();
  CHECK(claimed);
  CHECK(sql("SELECT epoch,batches FROM lane WHERE lane=1") == "2\t1");
}

TEST_CASE_FIXTURE(MysqlFixture, "a server killed in the middle: after its restart exactly once") {
  const auto batch = small_batch();
  run("INSERT INTO item(id,amount) VALUES(2,1)");
  {
    auto blocker = open_admin();
    execute(*blocker, "SELECT * FROM item WHERE id=2 FOR UPDATE");
    Applying applying(server().node(), batch);
    wait_for_lock_wait();  // the orders are inserted, the transaction is open
    server().kill9();
    const auto outcome = applying.result();
    REQUIRE(!outcome);
    CHECK(outcome.error().code == Errc::unavailable);
  }
  auto lane = writer();
  const auto error = refused(lane, batch);
  CHECK(error.code == Errc::unavailable);
  CHECK(error.message.find(server().socket()) != std::string::npos);
  server().start();
  check_nothing_stored(*this);
  CHECK(applied(lane, batch).empty());
  CHECK(applied(lane, batch).empty());
  check_applied_once(*this);
}

TEST_CASE_FIXTURE(MysqlFixture, "a writer whose server was killed and restarted goes on") {
  auto lane = writer();
  CHECK(applied(lane, small_batch()).empty());
  server().kill9();
  CHECK(refused(lane, small_batch()).code == Errc::unavailable);
  CHECK(refused(lane, small_batch()).code == Errc::unavailable);
  server().start();
  CHECK(applied(lane, small_batch()).empty());
  check_applied_once(*this);
}

TEST_CASE_FIXTURE(MysqlFixture, "a server that shuts down cleanly is unavailable, then goes on") {
  auto lane = writer();
  CHECK(applied(lane, Batch().order(lsn(500), "before")).empty());
  server().stop();
  CHECK(refused(lane, small_batch()).code == Errc::unavailable);
  server().start();
  CHECK(applied(lane, small_batch()).empty());
  CHECK(number("SELECT COUNT(*) FROM orders") == 101);
}

TEST_CASE_FIXTURE(MysqlFixture, "a killed connection is replaced by itself") {
  auto lane = writer();
  CHECK(applied(lane, Batch().order(lsn(500), "before")).empty());
  server().run("KILL CONNECTION " +
               server().sql("SELECT id FROM information_schema.processlist WHERE user='node'"));
  CHECK(refused(lane, small_batch()).code == Errc::unavailable);
  CHECK(applied(lane, small_batch()).empty());
  CHECK(number("SELECT COUNT(*) FROM orders") == 101);
}

TEST_CASE_FIXTURE(MysqlFixture, "a lock wait is taken back whole and the session is kept") {
  auto options = server().node();
  options.lock_wait_timeout = std::chrono::seconds(1);
  LaneWriter lane(options, 1, 1);
  run("INSERT INTO item(id,amount) VALUES(2,1)");
  CHECK(applied(lane, Batch()).empty());
  const char* own_id = "SELECT id FROM information_schema.processlist WHERE user='node'";
  const auto before = server().sql(own_id);
  auto blocker = open_admin();
  execute(*blocker, "SELECT * FROM item WHERE id=2 FOR UPDATE");
  const auto error = refused(lane, small_batch());
  CHECK(error.code == Errc::unavailable);
  CHECK(error.message.find("1205") != std::string::npos);
  CHECK(number("SELECT COUNT(*) FROM orders") == 0);
  execute(*blocker, "ROLLBACK");
  CHECK(applied(lane, small_batch()).empty());
  CHECK(server().sql(own_id) == before);
  check_applied_once(*this);
  CHECK(number("SELECT batches FROM lane WHERE lane=1") == 2);
}

TEST_CASE_FIXTURE(MysqlFixture, "the victim of a deadlock tries again and loses nothing") {
  const auto batch = small_batch();
  run("INSERT INTO item(id,amount) VALUES(1,1),(2,1);"
      "CREATE TABLE heavy(id INT PRIMARY KEY) SELECT seq AS id FROM seq_1_to_5000");
  auto other = open_admin();
  execute(*other, "UPDATE heavy SET id=id+100000");  // the heavier transaction survives
  execute(*other, "SELECT * FROM item WHERE id=2 FOR UPDATE");
  Applying applying(server().node(), batch);
  wait_for_lock_wait();  // it holds item 1 and waits for item 2
  execute(*other, "UPDATE item SET total=1 WHERE id=1");
  execute(*other, "COMMIT");
  const auto outcome = applying.result();
  REQUIRE(!outcome);
  CHECK(outcome.error().code == Errc::unavailable);
  CHECK(outcome.error().message.find("1213") != std::string::npos);
  check_nothing_stored(*this);
  auto lane = writer();
  CHECK(applied(lane, batch).empty());
  check_applied_once(*this);
}

TEST_CASE_FIXTURE(MysqlFixture, "a read-only server is waited for") {
  auto lane = writer();
  server().run("SET GLOBAL read_only=1");
  const auto error = refused(lane, small_batch());
  server().run("SET GLOBAL read_only=0");
  CHECK(error.code == Errc::unavailable);
  CHECK(error.message.find("1290") != std::string::npos);
  CHECK(applied(lane, small_batch()).empty());
  check_applied_once(*this);
}

TEST_CASE_FIXTURE(MysqlFixture, "a missing table is no fault of a row: waited for, with advice") {
  auto lane = writer();
  run("RENAME TABLE orders TO orders_away");
  const auto error = refused(lane, small_batch());
  CHECK(error.code == Errc::unavailable);
  CHECK(error.message.find("migrate up") != std::string::npos);
  run("RENAME TABLE orders_away TO orders");
  CHECK(applied(lane, small_batch()).empty());
  check_applied_once(*this);
}

TEST_CASE_FIXTURE(MysqlFixture, "a stopped server is noticed after the read timeout") {
  auto options = server().node();
  options.read_timeout = std::chrono::seconds(1);
  options.connect_timeout = std::chrono::seconds(1);
  LaneWriter lane(options, 1, 1);
  CHECK(applied(lane, Batch()).empty());
  server().pause();
  const auto in_flight = refused(lane, small_batch());
  const auto at_connect = refused(lane, small_batch());
  server().resume();
  CHECK(in_flight.code == Errc::unavailable);
  CHECK(at_connect.code == Errc::unavailable);
  // The stopped server may still hold the old session's transaction for a moment.
  options.read_timeout = std::chrono::seconds(30);
  LaneWriter patient(options, 1, 1);
  CHECK(applied(patient, small_batch()).empty());
  check_applied_once(*this);
}

TEST_CASE_FIXTURE(MysqlFixture, "an error before COMMIT stores nothing") {
  REQUIRE(stampede::config::arm_failpoints("in_db=eio@1").empty());
  auto lane = writer();
  CHECK(refused(lane, small_batch()).code == Errc::unavailable);
  check_nothing_stored(*this);
  CHECK(applied(lane, small_batch()).empty());
  check_applied_once(*this);
}

TEST_CASE_FIXTURE(MysqlFixture, "a lost answer to COMMIT: the same batch again changes nothing") {
  REQUIRE(stampede::config::arm_failpoints("after_db=eio@1").empty());
  auto lane = writer();
  CHECK(refused(lane, small_batch()).code == Errc::unavailable);
  check_applied_once(*this);
  CHECK(applied(lane, small_batch()).empty());
  check_applied_once(*this);
  CHECK(number("SELECT batches FROM lane WHERE lane=1") == 2);
}

TEST_CASE_FIXTURE(MysqlFixture, "an unreadable url is invalid, a wrong user is waited for") {
  DbOptions options;
  options.url = "nonsense";
  LaneWriter unreadable(options, 1, 1);
  CHECK(refused(unreadable, small_batch()).code == Errc::invalid);
  LaneWriter stranger(server().as("nobody-known", "stampede"), 1, 1);
  CHECK(refused(stranger, small_batch()).code == Errc::unavailable);
}
