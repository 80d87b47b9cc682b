// The product's lane writer against the simulated database: what mysql_lane_test proves against a
// real one must hold here too, or the simulation would prove nothing.

#include "test/sim/sim_server.h"

#include <doctest/doctest.h>

#include "storage/mysql/command_sql.h"
#include "storage/mysql/database.h"

namespace stampede::sim {
namespace {

using storage::Errc;
using storage::LaneBatch;
using storage::LaneWriter;
using storage::Lsn;
using storage::make_lsn;

struct Database {
  Database() { claim(1); }
  void claim(std::uint64_t epoch) {
    auto database = storage::Database::open(options);
    REQUIRE(database);
    REQUIRE(database->adopt(storage::LogUuid{}, 0));
    REQUIRE(database->claim(epoch, 2));
  }
  LaneWriter writer(std::uint64_t epoch = 1) { return {options, storage::kFirstLane, epoch}; }
  std::int64_t item(std::uint64_t id, std::size_t column) const {
    return server.tables().item.rows.at(static_cast<std::int64_t>(id))[column].number;
  }
  SimServer server{1};
  storage::DbOptions options = server.options();
};

LaneBatch amount(std::uint64_t item, std::int64_t value, Lsn lsn) {
  LaneBatch batch;
  batch.amounts.push_back({item, value, lsn});
  batch.witness = lsn;
  return batch;
}

LaneBatch order(Lsn id, std::string_view request, std::uint32_t qty = 1) {
  LaneBatch batch;
  batch.orders.push_back({id, request, 1, "ann", qty, 100, 1'795'000'000'000'000});
  batch.witness = id;
  return batch;
}

}  // namespace

TEST_CASE_FIXTURE(Database, "amounts in reversed order keep the newest") {
  auto lane = writer();
  for (const auto& batch : {amount(1, 70, make_lsn(1, 30)), amount(1, 80, make_lsn(1, 20))}) {
    const auto outcome = lane.apply(batch);
    REQUIRE(outcome);
    CHECK(outcome->failures.empty());
  }
  CHECK(item(1, ItemColumn::amount) == 70);
  CHECK(item(1, ItemColumn::lsn) == static_cast<std::int64_t>(make_lsn(1, 30)));
  REQUIRE(lane.apply(amount(1, 60, make_lsn(1, 40))));
  CHECK(item(1, ItemColumn::amount) == 60);
}

TEST_CASE_FIXTURE(Database,
                  "a repeated order changes nothing, another one of its id is a failure") {
  auto lane = writer();
  for (int i = 0; i < 3; ++i) {
    const auto outcome = lane.apply(order(make_lsn(1, 5), "first"));
    REQUIRE(outcome);
    CHECK(outcome->failures.empty());
  }
  CHECK(server.tables().orders.rows.size() == 1);
  CHECK(server.tables().lane.rows.at(1)[3].number == 3);
  CHECK(lane.apply(order(make_lsn(1, 5), "first", 2))->failures.size() == 1);
  CHECK(lane.apply(order(make_lsn(1, 6), "first"))->failures.size() == 1);
  CHECK(server.tables().orders.rows.size() == 1);
}

TEST_CASE_FIXTURE(Database, "an amount below zero is refused and fails alone") {
  auto batch = order(make_lsn(1, 5), "first");
  batch.amounts.push_back({1, -1, make_lsn(1, 5)});
  batch.amounts.push_back({2, 4, make_lsn(1, 6)});
  const auto outcome = writer().apply(batch);
  REQUIRE(outcome);
  REQUIRE(outcome->failures.size() == 1);
  CHECK(outcome->failures[0].errnum == 4025);
  CHECK(server.tables().orders.rows.size() == 1);
  CHECK(item(2, ItemColumn::amount) == 4);
}

TEST_CASE_FIXTURE(Database, "an older epoch is fenced and changes no row") {
  auto old = writer(1);
  REQUIRE(old.apply(amount(1, 9, make_lsn(1, 1))));
  claim(2);
  const auto outcome = old.apply(amount(1, 8, make_lsn(1, 2)));
  REQUIRE_FALSE(outcome);
  CHECK(outcome.error().code == Errc::fenced);
  CHECK(item(1, ItemColumn::amount) == 9);
}

TEST_CASE_FIXTURE(Database,
                  "a client that dies in its COMMIT leaves it done, undone or undecided") {
  int stored = 0;
  int undecided = 0;
  for (std::uint64_t i = 1; i <= 60; ++i) {
    const std::string id = "order-" + std::to_string(i);
    const auto before = server.tables().orders.rows.size();
    server.end_in(3, End::kill);  // lane, orders, COMMIT
    CHECK_THROWS_AS((void)writer().apply(order(make_lsn(1, i), id)), ProcessEnd);
    if (server.unsettled()) {
      ++undecided;
      CHECK(server.tables().orders.rows.size() == before);
      const auto blocked = writer().apply(order(make_lsn(1, i), id));
      REQUIRE_FALSE(blocked);
      CHECK(blocked.error().code == Errc::unavailable);
      server.settle();
    }
    stored += server.tables().orders.rows.size() > before ? 1 : 0;
    const auto again = writer().apply(order(make_lsn(1, i), id));
    REQUIRE(again);
    CHECK(again->failures.empty());
  }
  CHECK(server.tables().orders.rows.size() == 60);
  CHECK(stored > 10);
  CHECK(stored < 50);
  CHECK(undecided > 5);
}

}  // namespace stampede::sim
