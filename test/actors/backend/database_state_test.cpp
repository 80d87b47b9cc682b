#include "actors/backend/database_state.h"

#include <doctest/doctest.h>

using namespace stampede::actors;
using stampede::storage::Errc;
using stampede::storage::Error;

namespace {

const Error kAway{Errc::unavailable, "no socket (2002)", 2002};
const Error kDenied{Errc::unavailable, "Access denied (1045)", 1045};

std::string state(const DatabaseState& database, Micros now) {
  return database.report(true, now).at("state");
}

// "refused for 4: Access denied (1045)"
std::string sentence(const DatabaseState& database, Micros now) {
  const auto report = database.report(false, now);
  return report.at("state").get<std::string>() + " for " +
         std::to_string(static_cast<int>(report.at("for_s").get<double>())) + ": " +
         report.at("why").get<std::string>();
}

}  // namespace

TEST_CASE("the status of a database says which, why and since when") {
  DatabaseState database;
  CHECK(database.report(false, 0).at("state") == "unknown");
  const auto well = database.report(true, 0);
  CHECK(well.at("state") == "ok");
  CHECK(well.at("unsafe").empty());
  CHECK_FALSE(well.contains("why"));
  database.failed("database", kAway, 1 * kSeconds);
  CHECK(sentence(database, 3 * kSeconds) == "unreachable for 2: no socket (2002)");
  // Other words, the same outage.
  database.failed("database", kDenied, 4 * kSeconds);
  CHECK(sentence(database, 5 * kSeconds) == "refused for 4: Access denied (1045)");
  database.answered("database");
  CHECK(state(database, 6 * kSeconds) == "ok");
}

TEST_CASE("a database that does not answer is told before the time-out") {
  DatabaseState database;
  database.asks("lane-1", 10 * kSeconds);
  CHECK(state(database, 12 * kSeconds) == "ok");
  CHECK(state(database, 13 * kSeconds) == "unreachable");
  database.asks("lane-2", 13 * kSeconds);
  database.answered("lane-2");
  CHECK(database.report(true, 20 * kSeconds).at("for_s") == 10.0);
  database.failed("lane-1", kAway, 40 * kSeconds);
  CHECK(database.report(true, 41 * kSeconds).at("for_s") == 31.0);
  database.asks("lane-1", 41 * kSeconds);
  CHECK(database.report(true, 42 * kSeconds).at("why") == "no socket (2002)");
  database.leaves("lane-1");
  CHECK(state(database, 99 * kSeconds) == "ok");
}

TEST_CASE("the trouble that lasts longest is told, and settings once per change") {
  DatabaseState database;
  database.failed("lane-2", kDenied, 2 * kSeconds);
  database.failed("lane-1", kAway, 3 * kSeconds);
  CHECK(state(database, 4 * kSeconds) == "refused");
  database.answered("lane-2");
  CHECK(state(database, 4 * kSeconds) == "unreachable");
  CHECK_FALSE(database.settings({}));
  CHECK(database.settings({"sync_binlog is 0, safe is 1"}));
  CHECK_FALSE(database.settings({"sync_binlog is 0, safe is 1"}));
  CHECK(database.report(true, 5).at("unsafe").size() == 1);
  CHECK(database.settings({}));
}
