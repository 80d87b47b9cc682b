#include <doctest/doctest.h>

#include <map>
#include <nlohmann/json.hpp>
#include <sstream>

#include "storage/disk/posix_disk.h"
#include "storage/log/log_segment.h"
#include "storage/log/refused_rows.h"
#include "storage/mysql/database.h"
#include "storage/mysql/migrations.h"
#include "test/support/private_mariadb.h"
#include "test/support/random_run.h"
#include "test/tools/log/log_sample.h"
#include "tools/log/log_tool.h"

using namespace stampede;
using namespace stampede::test;
using nlohmann::json;

namespace {

PrivateMariaDb& server() {
  static PrivateMariaDb mariadb;
  return mariadb;
}

// A fresh schema, and a log that the database knows nothing of.
struct Fixture {
  Fixture() {
    (void)server().sql("DROP DATABASE IF EXISTS stampede; CREATE DATABASE stampede");
    REQUIRE(storage::apply_migrations(server().admin()));
    seed = seed_of_run();
    sample = write_sample_log(temporary.path("log"), seed, 1500);
  }

  json run(int expected_exit, const std::string& log = "log") {
    tools::ToolOptions options = options_for(temporary.path(log), true);
    options.config.db.url = server().admin().url;
    options.config.db.batch_rows_max = 100;
    std::ostringstream out;
    std::ostringstream err;
    const int exit = tools::run_log_replay_all(options, out, err);
    INFO("STAMPEDE_TEST_SEED=", seed, " out ", out.str(), " err ", err.str());
    REQUIRE(exit == expected_exit);
    message = err.str();
    return out.str().empty() ? json() : json::parse(out.str());
  }

  static std::string sql(const std::string& text) { return server().sql("USE stampede; " + text); }
  static std::string rows() {
    return sql(
        "SELECT * FROM orders ORDER BY order_id; SELECT * FROM item ORDER BY id; "
        "SELECT HEX(log_uuid) FROM meta");
  }

  TemporaryDir temporary;
  SampleLog sample;
  std::uint64_t seed = 0;
  std::string message;
};

}  // namespace

TEST_CASE_FIXTURE(Fixture, "replay --all: fills an empty database with all that the log holds") {
  const json report = run(0);
  CHECK(report["ok"] == true);
  CHECK(report["orders"] == sample.orders);
  CHECK(report["item_amounts"] == sample.items);
  CHECK(sql("SELECT COUNT(*) FROM orders") == std::to_string(sample.orders));
  CHECK(sql("SELECT COUNT(*) FROM item") == std::to_string(sample.items));
  CHECK(sql("SELECT COUNT(*) FROM meta") == "1");

  // The amounts are those of the last decisions on each item.
  std::ostringstream lines;
  std::ostringstream err;
  REQUIRE(tools::run_log_dump(options_for(temporary.path("log"), true), "", {}, lines, err) == 0);
  std::map<std::uint64_t, std::int64_t> amounts;
  std::istringstream in(lines.str());
  for (std::string text; std::getline(in, text);) {
    const json line = json::parse(text);
    if (line["type"] != "EMIT") continue;
    const json& amount = line["commands"].back();
    amounts[amount["item"].get<std::uint64_t>()] = amount["amount"].get<std::int64_t>();
  }
  for (const auto& [item, amount] : amounts) {
    CHECK(sql("SELECT amount FROM item WHERE id=" + std::to_string(item)) ==
          std::to_string(amount));
  }
}

TEST_CASE_FIXTURE(Fixture, "replay --all: twice changes no row the second time") {
  run(0);
  const std::string before = rows();
  run(0);
  CHECK((rows() == before));
}

TEST_CASE_FIXTURE(Fixture, "replay --all: no witness is there before the last row") {
  sql("CREATE TABLE seen(applied_lsn BIGINT UNSIGNED)");
  for (const std::string table : {"orders", "item"})
    sql("CREATE TRIGGER look_" + table + " BEFORE INSERT ON " + table +
        " FOR EACH ROW INSERT INTO seen SELECT MAX(applied_lsn) FROM lane");
  run(0);
  CHECK(sql("SELECT MAX(applied_lsn), COUNT(*) > 0 FROM seen") == "0\t1");
  CHECK(sql("SELECT MIN(applied_lsn) > 0 FROM lane") == "1");
}

TEST_CASE_FIXTURE(Fixture, "replay --all: brings back rows that a restored database lacks") {
  run(0);
  const std::string before = rows();
  sql("DELETE FROM orders WHERE order_id % 3 = 0; UPDATE item SET amount = 1, lsn = 0");
  CHECK((rows() != before));
  run(0);
  CHECK((rows() == before));
}

TEST_CASE_FIXTURE(Fixture, "replay --all: a row that differs is refused and named, not changed") {
  run(0);
  sql("UPDATE orders SET user_id = 'mallory' ORDER BY order_id LIMIT 1");
  const std::string before = rows();
  const json report = run(4);
  CHECK(report["ok"] == false);
  CHECK(report["refused"] == 1);
  CHECK((rows() == before));
  storage::PosixDisk disk;
  const auto noted = storage::refused_rows(disk, temporary.path("log"));
  REQUIRE(noted);
  REQUIRE(noted->size() == 1);
  CHECK(std::to_string(*noted->begin()) ==
        sql("SELECT order_id FROM orders WHERE user_id = 'mallory'"));
  sql("DELETE FROM orders WHERE user_id = 'mallory'");
  run(0);
  CHECK(storage::refused_rows(disk, temporary.path("log"))->empty());
}

TEST_CASE_FIXTURE(Fixture, "replay --all: another log's database is left alone") {
  sql("INSERT INTO meta(log_uuid, created_at) VALUES(UNHEX(REPEAT('ab', 16)), NOW())");
  run(4);
  CHECK(message.find("abababab") != std::string::npos);
  CHECK(sql("SELECT COUNT(*) FROM orders") == "0");
}

TEST_CASE_FIXTURE(Fixture,
                  "replay --all: a stranger's orders without a log's name are left alone") {
  run(0);
  const std::string whole = rows();
  sql("DELETE FROM meta; DELETE FROM orders ORDER BY order_id DESC LIMIT 10");
  run(0);  // a restore lost the name; some of the orders are known
  CHECK((rows() == whole));
  sql("DELETE FROM meta; UPDATE orders SET user_id = CONCAT('not-', user_id)");
  const std::string before = sql("SELECT * FROM orders, lane ORDER BY 1, lane");
  run(4);
  CHECK(message.find("none of which this log knows") != std::string::npos);
  CHECK((sql("SELECT * FROM orders, lane ORDER BY 1, lane") == before));
  CHECK(sql("SELECT COUNT(*) FROM meta") == "0");
}

TEST_CASE_FIXTURE(Fixture, "replay --all: a database ahead of the log is left alone") {
  run(0);
  sql("UPDATE lane SET applied_lsn = 1 << 60");
  run(4);
  CHECK(message.find("lost its end") != std::string::npos);
}

TEST_CASE_FIXTURE(Fixture, "replay --all: a database of a higher epoch is left alone") {
  run(0);
  sql("UPDATE lane SET epoch = 99");
  run(6);
}

TEST_CASE_FIXTURE(Fixture, "replay --all: waits for nobody who holds the log") {
  storage::PosixDisk disk;
  const auto lock = storage::LogLock::take(disk, temporary.path("log"));
  REQUIRE(lock);
  run(6);
}
