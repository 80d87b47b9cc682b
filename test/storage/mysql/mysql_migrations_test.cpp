#include <doctest/doctest.h>

#include <thread>

#include "storage/mysql/migrations.h"
#include "test/storage/mysql/mysql_fixture.h"
#include "tools/ask/migrate.h"

using namespace stampede::test;
using stampede::storage::apply_migrations;
using stampede::storage::Database;
using stampede::storage::Errc;
using stampede::storage::migration_states;

TEST_CASE("the steps are numbered from 1 without gaps") {
  int version = 0;
  for (const auto& migration : stampede::storage::migrations()) {
    CHECK(migration.version == ++version);
    CHECK(!migration.name.empty());
    CHECK(!migration.sql.empty());
  }
  CHECK(stampede::storage::latest_schema_version() == version);
}

TEST_CASE_FIXTURE(MysqlFixture, "migrating creates the database, and twice is once") {
  run("DROP DATABASE stampede");
  const auto first = apply_migrations(server().admin());
  REQUIRE(bool(first));
  CHECK(first->size() == stampede::storage::migrations().size());
  const auto second = apply_migrations(server().admin());
  REQUIRE(bool(second));
  CHECK(second->empty());
  const auto states = migration_states(server().admin());
  REQUIRE(bool(states));
  for (const auto& state : *states) CHECK(state.applied_at.size() == 26);
  CHECK(number("SELECT COUNT(*) FROM schema_version") ==
        static_cast<long>(stampede::storage::migrations().size()));
}

TEST_CASE_FIXTURE(MysqlFixture, "two migrations at once apply every step once") {
  run("DROP DATABASE stampede; CREATE DATABASE stampede");
  std::size_t steps[2] = {100, 100};
  const auto migrate = [&](std::size_t i) {
    if (const auto done = apply_migrations(server().admin())) steps[i] = done->size();
  };
  std::thread other([&] { migrate(1); });
  migrate(0);
  other.join();
  CHECK(steps[0] + steps[1] == stampede::storage::migrations().size());
}

TEST_CASE_FIXTURE(MysqlFixture, "a step that was interrupted is done again") {
  run("DELETE FROM schema_version; DROP TABLE lane");
  CHECK(Database::open(server().node()).error().code == Errc::version);
  CHECK(bool(apply_migrations(server().admin())));
  CHECK(number("SELECT COUNT(*) FROM lane") == 0);
  CHECK(bool(Database::open(server().node())));
}

TEST_CASE_FIXTURE(MysqlFixture, "what somebody dropped is made anew, of whatever step") {
  {
    auto lane = writer();
    REQUIRE(applied(lane, Batch().order(lsn(5), "a")).empty());
  }
  const auto steps = [] {
    const auto done = apply_migrations(server().admin());
    REQUIRE(bool(done));
    return done->size();
  };
  run("DROP VIEW stock_journal");
  run("DROP TABLE account");
  CHECK(steps() == stampede::storage::migrations().size());
  CHECK(number("SELECT COUNT(*) FROM account") == 0);
  CHECK(number("SELECT COUNT(*) FROM stock_journal") == 1);
  CHECK(number("SELECT MAX(applied_lsn) > 0 FROM lane") == 1);
  CHECK(steps() == 0);
  for (const std::string table : {"promo", "stock_change", "item"}) {
    INFO(table);
    run("DROP TABLE " + table);
    CHECK(steps() == stampede::storage::migrations().size());
    CHECK(number("SELECT COUNT(*) FROM " + table) == 0);
    // Its rows are to be written again.
    CHECK(number("SELECT MAX(applied_lsn) FROM lane") == 0);
  }
}

TEST_CASE_FIXTURE(MysqlFixture, "a database of another schema version is refused") {
  run("INSERT INTO schema_version VALUES(99,'future','2030-01-01')");
  const auto newer = Database::open(server().node());
  CHECK(newer.error().code == Errc::version);
  CHECK(newer.error().message.find("newer program") != std::string::npos);
  CHECK(apply_migrations(server().admin()).error().code == Errc::version);
  run("DROP DATABASE stampede; CREATE DATABASE stampede");
  const auto empty = Database::open(server().node());
  CHECK(empty.error().code == Errc::version);
  CHECK(empty.error().message.find("stampede migrate up") != std::string::npos);
}

TEST_CASE_FIXTURE(MysqlFixture, "the tool's exit codes tell what happened") {
  using stampede::tools::migrate_status;
  using stampede::tools::migrate_up;
  run("DROP DATABASE stampede; CREATE DATABASE stampede");
  CHECK(migrate_status(server().admin(), true) == 3);
  CHECK(migrate_up(server().admin(), true) == 0);
  CHECK(migrate_up(server().admin(), false) == 0);
  CHECK(migrate_status(server().admin(), false) == 0);
  stampede::storage::DbOptions wrong;
  wrong.url = "nonsense";
  CHECK(migrate_up(wrong, true) == 2);
  wrong.url = "mysql://x@localhost/y?socket=/nowhere/s.sock";
  CHECK(migrate_up(wrong, false) == 7);
}

TEST_CASE_FIXTURE(MysqlFixture, "migrating as the nodes' user is refused unless nothing is to do") {
  const auto nothing = apply_migrations(server().node());
  REQUIRE(bool(nothing));
  CHECK(nothing->empty());
  run("DROP DATABASE stampede; CREATE DATABASE stampede");
  const auto refused = apply_migrations(server().node());
  REQUIRE(!refused);
  CHECK(refused.error().code == Errc::invalid);
  CHECK(refused.error().message.find("may create tables") != std::string::npos);
}

TEST_CASE_FIXTURE(MysqlFixture, "statements a node never needs are denied to its user") {
  for (const char* statement : {"DELETE FROM orders",
                                "DELETE FROM meta",
                                "DROP TABLE orders",
                                "TRUNCATE orders",
                                "ALTER TABLE orders ADD x INT",
                                "CREATE TABLE x(i INT)",
                                "CREATE DATABASE x",
                                "DROP DATABASE stampede",
                                "CREATE USER x",
                                "GRANT ALL ON *.* TO node@localhost",
                                "SELECT * FROM mysql.user",
                                "SET GLOBAL read_only=0",
                                "SHUTDOWN",
                                "SELECT * FROM orders INTO OUTFILE '/tmp/stampede-outfile'",
                                "LOCK TABLES orders WRITE",
                                "CREATE INDEX i ON orders(qty)",
                                "CREATE TRIGGER t BEFORE INSERT ON orders FOR EACH ROW SET @x=1",
                                "CREATE PROCEDURE p() SELECT 1",
                                "RENAME TABLE orders TO o",
                                "FLUSH TABLES"}) {
    CAPTURE(statement);
    CHECK_THROWS(server().sql(std::string("USE stampede; ") + statement, "node"));
  }
}
