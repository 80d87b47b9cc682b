#include <doctest/doctest.h>

#include <map>

#include "storage/mysql/database.h"
#include "storage/mysql/durability.h"
#include "storage/mysql/sql_advice.h"
#include "test/storage/mysql/mysql_fixture.h"

using namespace stampede::storage;
using stampede::test::MysqlFixture;
using stampede::test::server;

namespace {

using Values = std::map<std::string, std::string, std::less<>>;
using Words = std::vector<std::string>;

Words unsafe(const Values& values) {
  return unsafe_settings([&](std::string_view name) {
    const auto found = values.find(name);
    return found == values.end() ? std::string{} : found->second;
  });
}

}  // namespace

TEST_CASE("who answers is told from who is not reached") {
  for (const unsigned number : {1040U, 1045U, 1049U, 1053U, 1146U, 1205U, 1290U, 2026U, 4151U})
    CHECK(database_answered(number));
  for (const unsigned number : {0U, 2002U, 2003U, 2005U, 2006U, 2013U})
    CHECK_FALSE(database_answered(number));
  for (const unsigned number :
       {1040U, 1045U, 1049U, 1114U, 1142U, 1146U, 1205U, 1226U, 1290U, 2002U, 2006U, 2013U, 2026U})
    CHECK_FALSE(sql_advice(number).empty());
}

TEST_CASE("settings that let a committed row be lost are named with the value that is safe") {
  const Values safe{{"innodb_flush_log_at_trx_commit", "1"},
                    {"innodb_doublewrite", "ON"},
                    {"innodb_flush_method", "O_DIRECT"},
                    {"innodb_force_recovery", "0"},
                    {"debug_no_sync", "OFF"},
                    {"log_bin", "ON"},
                    {"sync_binlog", "1"}};
  const auto with = [&](const std::string& name, const std::string& value) {
    auto values = safe;
    values[name] = value;
    return unsafe(values);
  };
  CHECK(unsafe(safe).empty());
  CHECK(unsafe({}).empty());  // another server, which knows none of them
  CHECK(with("innodb_flush_log_at_trx_commit", "3").empty());
  CHECK(with("innodb_flush_log_at_trx_commit", "2") ==
        Words{"innodb_flush_log_at_trx_commit is 2, safe is 1"});
  CHECK(with("innodb_doublewrite", "DETECT_AND_RECOVER").empty());
  CHECK(with("innodb_doublewrite", "DETECT_ONLY").size() == 1);
  CHECK(with("innodb_doublewrite", "OFF") == Words{"innodb_doublewrite is OFF, safe is ON"});
  CHECK(with("innodb_flush_method", "nosync").size() == 1);
  CHECK(with("innodb_flush_method", "fsync").empty());
  CHECK(with("innodb_force_recovery", "4").size() == 1);
  CHECK(with("debug_no_sync", "ON").size() == 1);
  CHECK(with("sync_binlog", "0") == Words{"sync_binlog is 0, safe is 1"});
  CHECK(with("log_bin", "OFF").empty());
  CHECK(unsafe({{"log_bin", "OFF"}, {"sync_binlog", "0"}}).empty());
}

TEST_CASE_FIXTURE(MysqlFixture, "each new session reads what keeps committed rows") {
  auto options = server().node();
  std::vector<Words> told;
  options.on_durability = [&](const Words& words) { told.push_back(words); };
  const auto opened = [&] {
    told.clear();
    REQUIRE(bool(Database::open(options)));
    REQUIRE(told.size() == 1);
    return told.front();
  };
  server().run("SET GLOBAL innodb_flush_log_at_trx_commit=1");
  CHECK(opened().empty());
  server().run("SET GLOBAL innodb_flush_log_at_trx_commit=0");
  run("ALTER TABLE item ENGINE=MyISAM");
  CHECK(opened() == Words{"innodb_flush_log_at_trx_commit is 0, safe is 1",
                          "table item is of engine MyISAM, safe is InnoDB"});
  server().run("SET GLOBAL innodb_flush_log_at_trx_commit=1");
  run("ALTER TABLE item ENGINE=InnoDB");
  CHECK(opened().empty());
}

TEST_CASE_FIXTURE(MysqlFixture, "an error has the number of the server or its client library") {
  const auto number = [](const DbOptions& options) {
    const auto database = Database::open(options);
    REQUIRE(!database);
    return database.error().sql_number;
  };
  auto options = server().node();
  options.password = "another";
  CHECK(number(options) == 1045);
  options = server().node();
  options.url = "mysql://node@localhost/stampede?socket=/nowhere/s.sock";
  CHECK(number(options) == 2002);
}
