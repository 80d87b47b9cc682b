// The product's lane writer against the simulated database: what mysql_lane_test proves against a
// real one must hold here too, or the simulation would prove nothing.

#include "test/sim/sim_server.h"

#include <doctest/doctest.h>

#include "actors/backend/agents/claim_agent.h"
#include "actors/backend/recovery/database_check.h"
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

LaneBatch update(Lsn of, Lsn lsn) {
  LaneBatch batch;
  batch.updates.push_back({{.order = of, .fulfilment = 3, .action_id = {}}, lsn});
  batch.witness = lsn;
  return batch;
}

LaneBatch stock(Lsn of, Lsn lsn) {
  LaneBatch batch;
  batch.stock.push_back({{.item = 1, .delta = 1, .reason = 2, .order = of}, lsn});
  batch.witness = lsn;
  return batch;
}

LaneBatch promo(std::uint64_t id, Lsn lsn) {
  LaneBatch batch;
  batch.promos.push_back({{.request_id = {}, .promo = id, .item = 1, .name = "half"}, lsn});
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

TEST_CASE_FIXTURE(Database, "the rows of the sale's rules are written, repeated and guarded") {
  auto lane = writer();
  const auto failures = [&](const LaneBatch& batch) {
    const auto outcome = lane.apply(batch);
    REQUIRE_MESSAGE(bool(outcome), (outcome ? "" : outcome.error().message));
    std::string found;
    for (const auto& failure : outcome->failures)
      found += std::to_string(static_cast<int>(failure.kind)) + ":" +
               std::to_string(failure.index) + ":" + std::to_string(failure.errnum) + " ";
    return found;
  };
  LaneBatch batch = order(make_lsn(1, 4), "held");
  batch.orders.back().promo = 7;
  batch.orders.back().pay_by_ms = 1'795'000'300'000;
  batch.orders.push_back(order(make_lsn(1, 5), "plain").orders.front());
  batch.promos.push_back(
      {{.request_id = {}, .promo = 7, .item = 1, .name = "half"}, make_lsn(1, 2)});
  batch.grants.push_back(
      {{.promo = 7, .item = 1, .granted = 3, .user = {}, .ticket = {}}, make_lsn(1, 3)});
  batch.updates.push_back(
      {{.order = make_lsn(1, 4), .fulfilment = 3, .action_id = {}}, make_lsn(1, 6)});
  batch.stock.push_back(
      {{.item = 1, .delta = 1, .reason = 2, .order = make_lsn(1, 4)}, make_lsn(1, 6)});
  batch.witness = make_lsn(1, 6);
  for (int i = 0; i < 3; ++i) CHECK(failures(batch).empty());
  const auto held = [&] {
    return server.tables().orders.rows.at(static_cast<std::int64_t>(make_lsn(1, 4)));
  };
  const auto fulfilment = static_cast<std::size_t>(server.tables().orders.column("fulfilment"));
  CHECK(held()[fulfilment].text == "expired");
  CHECK(server.tables().stock_change.rows.size() == 1);
  CHECK(server.tables().promo.rows.at(7)[9].number == 3);
  LaneBatch later;
  later.updates.push_back(
      {{.order = make_lsn(1, 4), .fulfilment = 2, .action_id = "p"}, make_lsn(1, 9)});
  later.updates.push_back(
      {{.order = make_lsn(1, 8), .fulfilment = 2, .action_id = "q"}, make_lsn(1, 10)});
  CHECK(failures(later) == "6:1:1032 ");
  CHECK(failures(batch).empty());  // older now
  CHECK(held()[fulfilment].text == "paid");
  batch.orders.front().promo = 8;
  CHECK(failures(batch) == "1:0:1062 ");
}

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

TEST_CASE_FIXTURE(Database, "two starts of one epoch: the first one owns the lanes") {
  auto database = storage::Database::open(options);
  REQUIRE(database);
  REQUIRE(database->claim(2, 2, {77, 0}));
  CHECK(database->claim(2, 2, {77, 0}));  // its answer may have been lost
  const auto second = database->claim(2, 2, {78, 0});
  REQUIRE_FALSE(second);
  CHECK(second.error().code == Errc::fenced);
  LaneWriter copy(options, storage::kFirstLane, 2, 78);
  CHECK(copy.apply(amount(1, 8, make_lsn(2, 2))).error().code == Errc::fenced);
  LaneWriter owner(options, storage::kFirstLane, 2, 77);
  CHECK(owner.apply(amount(1, 9, make_lsn(2, 3))));
  CHECK(item(1, ItemColumn::amount) == 9);
}

TEST_CASE_FIXTURE(Database,
                  "a log directory of another place is refused, until the operator gives it free") {
  auto database = storage::Database::open(options);
  REQUIRE(database);
  REQUIRE(database->claim(2, 2, {77, 1000}));
  actors::ClaimStart start;
  start.epoch = 3;
  start.owner = {78, 2000};
  start.log_epoch = 2;
  start.log_owners[2] = 77;  // the copy has the original's records
  auto fits = actors::check_database(*database, start);
  REQUIRE_FALSE(fits);
  CHECK(fits.error().code == Errc::fenced);
  CHECK(fits.error().message.find("log replay --all") != std::string::npos);
  start.owner.place = 0;  // a file system that does not tell
  CHECK(actors::check_database(*database, start));
  start.owner.place = 1000;
  CHECK(actors::check_database(*database, start));
  start.log_owners[2] = 76;
  CHECK(actors::check_database(*database, start).error().code == Errc::fenced);
  REQUIRE(database->claim(4, 2, {0, 2000}));  // as log replay --all does
  start.owner.place = 2000;
  CHECK(actors::check_database(*database, start));
  start.owner.place = 1000;
  CHECK(actors::check_database(*database, start).error().code == Errc::fenced);
}

TEST_CASE_FIXTURE(Database, "what one lane lost is seen at a start, however far another is") {
  auto first = writer();
  LaneWriter second(options, storage::kFirstLane + 1, 1);
  REQUIRE(first.apply(amount(1, 70, make_lsn(1, 5))));
  REQUIRE(second.apply(amount(2, 70, make_lsn(1, 9))));
  auto database = storage::Database::open(options);
  REQUIRE(database);
  actors::ClaimStart start;
  start.database = options;
  start.epoch = 2;
  start.log_epoch = 1;
  start.last_lsn = start.max_executed = make_lsn(1, 9);
  start.executed_by_lane = {{0, make_lsn(1, 5)}, {1, make_lsn(1, 9)}};
  CHECK(actors::check_database(*database, start));
  start.executed_by_lane[0] = make_lsn(1, 7);
  const auto lost = actors::check_database(*database, start);
  REQUIRE_FALSE(lost);
  CHECK(lost.error().code == Errc::corrupt);
  CHECK(lost.error().message.find("in lane 1") != std::string::npos);
  CHECK(lost.error().message.find("log replay --all") != std::string::npos);
}

TEST_CASE_FIXTURE(Database, "what was stored late is looked for at a start, below its witness") {
  auto lane = writer();
  REQUIRE(lane.apply(order(make_lsn(1, 3), "first")));
  REQUIRE(lane.apply(order(make_lsn(1, 9), "younger")));
  const auto before = server.tables();
  REQUIRE(lane.apply(order(make_lsn(1, 5), "late")));
  auto database = storage::Database::open(options);
  REQUIRE(database);
  actors::ClaimStart start;
  start.epoch = 2;
  start.log_epoch = 1;
  start.served = true;
  start.last_lsn = start.max_executed = make_lsn(1, 9);
  start.executed_by_lane = {{0, make_lsn(1, 9)}};
  start.last_stored.by_lane[0].order = make_lsn(1, 5);
  start.last_stored.newest_orders = {make_lsn(1, 3), make_lsn(1, 5), make_lsn(1, 9)};
  CHECK(actors::check_database(*database, start));

  const auto refused = [&] {
    const auto lost = actors::check_database(*database, start);
    REQUIRE_FALSE(lost);
    CHECK(lost.error().message.find("log replay --all") != std::string::npos);
    return lost.error().code;
  };
  server.replace_rows(before);
  CHECK(refused() == Errc::corrupt);
  auto changed = before;
  changed.orders.set(static_cast<std::int64_t>(make_lsn(1, 9)), {});
  server.replace_rows(changed);
  CHECK(refused() == Errc::corrupt);  // a neighbour is there, so this one was passed over
  changed.orders.set(static_cast<std::int64_t>(make_lsn(1, 3)), {});
  server.replace_rows(changed);
  CHECK(refused() == Errc::not_found);  // a restore may be about to write it
  start.last_stored.by_lane[0].order = make_lsn(1, 9);
  CHECK(refused() == Errc::not_found);
  // What is older than all that is there was moved to an archive, if it had older neighbours.
  changed = before;
  changed.orders.set(static_cast<std::int64_t>(make_lsn(1, 3)), {});
  server.replace_rows(changed);
  start.last_stored.by_lane[0].order = make_lsn(1, 5);
  start.last_stored.oldest_order = make_lsn(1, 3);
  CHECK(actors::check_database(*database, start));
  start.last_stored.oldest_order = make_lsn(1, 5);
  CHECK(refused() == Errc::corrupt);
  start.last_stored.by_lane[0].order = make_lsn(1, 9);
  // What nobody calls stored last may be gone.
  changed = before;
  changed.orders.set(static_cast<std::int64_t>(make_lsn(1, 3)), {});
  server.replace_rows(changed);
  CHECK(actors::check_database(*database, start));
}

TEST_CASE_FIXTURE(Database, "rows that a restore has not come to yet are no loss while rows come") {
  auto lane = writer();
  for (const std::uint64_t number : {1, 2, 3, 9})
    REQUIRE(lane.apply(order(make_lsn(1, number), "order " + std::to_string(number))));
  const auto whole = server.tables();
  actors::ClaimStart start;
  start.database = options;
  start.epoch = 2;
  start.log_epoch = 1;
  start.served = true;
  start.last_lsn = start.max_executed = make_lsn(1, 9);
  start.last_stored.by_lane[0].order = make_lsn(1, 3);
  start.last_stored.by_lane[1].order = make_lsn(1, 9);
  start.last_stored.newest_orders = {make_lsn(1, 3), make_lsn(1, 9)};
  auto filling = whole;
  for (const std::uint64_t number : {2, 9})
    filling.orders.set(static_cast<std::int64_t>(make_lsn(1, number)), {});
  actors::ClaimAgent agent(start);
  const auto looks_end = [&](int looks) {
    server.replace_rows(filling);
    for (int look = 0; look < looks; ++look) {
      const auto attempt = agent.attempt(0);
      if (attempt.kind != actors::Attempt::Kind::again) return attempt.kind;
      CHECK(attempt.error.message.find("order 1.9 stored") != std::string::npos);
      CHECK(attempt.error.message.find("being restored") != std::string::npos);
    }
    return actors::Attempt::Kind::again;
  };
  CHECK(looks_end(30) == actors::Attempt::Kind::again);
  filling.orders.set(static_cast<std::int64_t>(make_lsn(1, 2)),
                     whole.orders.rows.at(static_cast<std::int64_t>(make_lsn(1, 2))));
  SUBCASE("it goes on") {
    CHECK(looks_end(30) == actors::Attempt::Kind::again);
    filling = whole;
    CHECK(looks_end(1) == actors::Attempt::Kind::done);
  }
  SUBCASE("it stands still: they are lost") {
    CHECK(looks_end(31) == actors::Attempt::Kind::final);
  }
}

TEST_CASE_FIXTURE(Database, "what an item was told last is looked for at a start") {
  auto lane = writer();
  REQUIRE(lane.apply(amount(3, 70, make_lsn(1, 5))));
  const auto before = server.tables();
  REQUIRE(lane.apply(amount(2, 70, make_lsn(1, 3))));
  REQUIRE(lane.apply(amount(3, 60, make_lsn(1, 4))));  // late
  auto database = storage::Database::open(options);
  REQUIRE(database);
  actors::ClaimStart start;
  start.epoch = 2;
  start.log_epoch = 1;
  start.last_lsn = start.max_executed = make_lsn(1, 5);
  start.last_stored.by_lane[0].amount = {3, make_lsn(1, 5)};
  CHECK(actors::check_database(*database, start));
  start.last_stored.by_lane[0].amount = {3, make_lsn(1, 6)};
  CHECK(actors::check_database(*database, start).error().code == Errc::corrupt);
  start.last_stored.by_lane[0].amount = {2, make_lsn(1, 3)};
  CHECK(actors::check_database(*database, start));
  server.replace_rows(before);
  CHECK(actors::check_database(*database, start).error().code == Errc::corrupt);
  start.last_stored.by_lane[0].amount = {};
  CHECK(actors::check_database(*database, start));
  start.last_stored.by_lane[0].put = {4, make_lsn(1, 3)};
  CHECK(actors::check_database(*database, start).error().code == Errc::not_found);
}

// Two promos, two orders, and what became of them: lsns 1 … 8.
struct SaleDatabase : Database {
  SaleDatabase() {
    auto lane = writer();
    REQUIRE(lane.apply(promo(7, make_lsn(1, 1))));
    REQUIRE(lane.apply(promo(8, make_lsn(1, 2))));
    REQUIRE(lane.apply(order(make_lsn(1, 3), "first")));
    REQUIRE(lane.apply(order(make_lsn(1, 4), "second")));
    REQUIRE(lane.apply(update(make_lsn(1, 3), make_lsn(1, 5))));
    REQUIRE(lane.apply(stock(make_lsn(1, 3), make_lsn(1, 5))));
    dump = server.tables();
    REQUIRE(lane.apply(promo(8, make_lsn(1, 6))));
    REQUIRE(lane.apply(update(make_lsn(1, 4), make_lsn(1, 7))));
    REQUIRE(lane.apply(stock(make_lsn(1, 4), make_lsn(1, 8))));
    whole = server.tables();
    of_lane.promo = {8, make_lsn(1, 6)};
    of_lane.update = {make_lsn(1, 4), make_lsn(1, 7)};
    of_lane.stock = make_lsn(1, 8);
    of_lane.order = make_lsn(1, 4);
    start.database = options;
    start.epoch = 2;
    start.log_epoch = 1;
    start.served = true;
    start.last_lsn = start.max_executed = make_lsn(1, 8);
    start.last_stored.newest_orders = {make_lsn(1, 3), make_lsn(1, 4)};
    start.last_stored.oldest_order = make_lsn(1, 3);
    start.last_stored.oldest_stock = make_lsn(1, 5);
  }
  [[nodiscard]] SqlCells younger() const {
    auto row = whole.stock_change.rows.begin()->second;
    row[0].number = static_cast<std::int64_t>(make_lsn(1, 9));
    return row;
  }
  ServerTables dump;
  ServerTables whole;
  actors::ClaimStart start;
  storage::LastStored::OfLane& of_lane = start.last_stored.by_lane[0];
};

TEST_CASE_FIXTURE(SaleDatabase,
                  "what became of orders, stock and promos is looked for at a start") {
  auto database = storage::Database::open(options);
  REQUIRE(database);
  CHECK(actors::check_database(*database, start));
  auto restored = whole;
  std::string missing;
  int looks = 1;
  SUBCASE("an order as it was before its payment") {
    restored.orders = dump.orders;
    missing = "order 1.4 of lsn 1.7";
  }
  SUBCASE("the same of an order that is not the lane's last") {
    restored.orders = dump.orders;
    of_lane.order = 0;
    missing = "order 1.4 of lsn 1.7";
  }
  SUBCASE("a change of the stock that is gone") {
    restored.stock_change = dump.stock_change;
    missing = "stock_change 1.8";
    looks = 31;  // it may be being loaded
  }
  SUBCASE("a promo as it was before it was changed") {
    restored.promo = dump.promo;
    missing = "promo 8 of lsn 1.6";
  }
  SUBCASE("a promo that is gone") {
    restored.promo.set(8, {});
    missing = "promo 8 of lsn 1.6";
    looks = 31;
  }
  SUBCASE("a definite loss beside a table that is empty") {
    restored.promo = dump.promo;
    restored.stock_change.rows.clear();
    missing = "promo 8 of lsn 1.6";
  }
  server.replace_rows(restored);
  actors::ClaimAgent agent(start);
  for (int look = 1; look <= looks; ++look) {
    const auto attempt = agent.attempt(0);
    CHECK(attempt.kind ==
          (look < looks ? actors::Attempt::Kind::again : actors::Attempt::Kind::final));
    CHECK(attempt.error.message.find(missing) != std::string::npos);
    CHECK(attempt.error.message.find("log replay --all") != std::string::npos);
  }
  server.replace_rows(whole);
  CHECK(actors::ClaimAgent(start).attempt(0).kind == actors::Attempt::Kind::done);
}

TEST_CASE_FIXTURE(SaleDatabase,
                  "tables of the sale that are empty are waited for, old rows are not") {
  auto database = storage::Database::open(options);
  REQUIRE(database);
  for (const auto table : {&ServerTables::promo, &ServerTables::stock_change}) {
    auto restored = whole;
    (restored.*table).rows.clear();
    server.replace_rows(restored);
    actors::ClaimAgent agent(start);
    for (int look = 0; look < 40; ++look) {
      const auto attempt = agent.attempt(0);
      REQUIRE(attempt.kind == actors::Attempt::Kind::again);
      CHECK(attempt.error.message.find("rows were lost or removed") != std::string::npos);
    }
  }
  auto archived = whole;
  archived.stock_change.set(static_cast<std::int64_t>(make_lsn(1, 5)), {});
  archived.stock_change.set(static_cast<std::int64_t>(make_lsn(1, 8)), {});
  archived.stock_change.set(static_cast<std::int64_t>(make_lsn(1, 9)), younger());
  server.replace_rows(archived);
  CHECK(actors::check_database(*database, start));
}

TEST_CASE_FIXTURE(SaleDatabase, "what became of orders, stock and promos is missed while running") {
  // A lane that wrote them, and one that knows what the log says of them.
  for (const bool by_log : {false, true}) {
    server.replace_rows(whole);
    LaneWriter lane(options, storage::kFirstLane, 1, 0,
                    by_log ? start.last_of(0) : storage::LaneLast{});
    if (!by_log) {
      REQUIRE(lane.apply(promo(8, make_lsn(1, 6))));
      REQUIRE(lane.apply(update(make_lsn(1, 4), make_lsn(1, 7))));
      REQUIRE(lane.apply(stock(make_lsn(1, 4), make_lsn(1, 8))));
    }
    CHECK(lane.look());
    const auto now = server.tables();
    auto restored = now;
    const auto told = [&](LaneWriter& told_lane, const std::string& missing, int looks) {
      server.replace_rows(restored);
      for (int look = 1; look <= looks; ++look) {
        const auto outcome =
            look % 2 == 1 ? storage::Status(told_lane.apply(amount(1, 5, make_lsn(1, 20))).error())
                          : told_lane.look();
        REQUIRE_FALSE(outcome);
        CHECK(outcome.error().code == (look < looks ? Errc::unavailable : Errc::corrupt));
        CHECK(outcome.error().message.find(missing) != std::string::npos);
        CHECK(outcome.error().message.find("log replay --all") != std::string::npos);
      }
      CHECK(server.tables().item.rows.empty());
      server.replace_rows(now);
      restored = now;
      CHECK(told_lane.look());
    };
    restored.orders = dump.orders;
    told(lane, "has order 1.4 of lsn 0.0, not of 1.7", 1);
    restored.promo = dump.promo;
    told(lane, "has promo 8 of lsn 1.2, not of 1.6", 1);
    restored.stock_change = dump.stock_change;
    told(lane, "stock_change 1.8", 13);
    restored.promo.set(8, {});
    told(lane, "promo 8", 13);
    // Those that were moved to an archive are asked for no more, if they had older neighbours.
    auto archived = now;
    archived.stock_change.set(static_cast<std::int64_t>(make_lsn(1, 5)), {});
    archived.stock_change.set(static_cast<std::int64_t>(make_lsn(1, 8)), {});
    archived.stock_change.set(static_cast<std::int64_t>(make_lsn(1, 9)), younger());
    server.replace_rows(archived);
    CHECK(bool(lane.look()) == by_log);
  }
}

TEST_CASE_FIXTURE(Database, "a lane that this database has never heard of is no loss") {
  auto lane = writer();
  REQUIRE(lane.apply(order(make_lsn(1, 3), "first")));
  REQUIRE(lane.apply(order(make_lsn(1, 9), "second")));
  auto database = storage::Database::open(options);
  REQUIRE(database);
  actors::ClaimStart start;
  start.epoch = 2;
  start.log_epoch = 1;
  start.last_lsn = start.max_executed = make_lsn(1, 9);
  // Lane 2 has a row and has written nothing; lane 6 has none: the database was made anew.
  start.executed_by_lane = {{0, make_lsn(1, 9)}, {1, make_lsn(1, 3)}, {5, make_lsn(1, 3)}};
  start.last_stored.by_lane[5].order = make_lsn(1, 3);
  CHECK(actors::check_database(*database, start));
  start.last_stored.by_lane[5].order = make_lsn(1, 4);
  CHECK(actors::check_database(*database, start).error().code == Errc::corrupt);
}

TEST_CASE_FIXTURE(Database, "a lane made anew that stores something old first has lost nothing") {
  auto lane = writer();
  REQUIRE(lane.apply(order(make_lsn(1, 9), "of lane 6 before")));
  actors::ClaimStart start;
  start.database = options;
  start.epoch = 2;
  start.log_epoch = 1;
  start.last_lsn = start.max_executed = make_lsn(1, 9);
  start.executed_by_lane = {{5, make_lsn(1, 9)}};
  start.last_stored.by_lane[5].order = make_lsn(1, 9);
  start.database.lanes = 8;
  REQUIRE(actors::claim_database(start, 0));
  LaneWriter anew(options, storage::kFirstLane + 5, 2);
  REQUIRE(anew.apply(order(make_lsn(1, 2), "refused until now")));
  start.last_stored.by_lane[5].order = make_lsn(1, 2);
  start.log_epoch = 2;
  start.epoch = 3;
  CHECK(actors::claim_database(start, 0));
}

TEST_CASE_FIXTURE(Database, "a database that lost commits is told at the next session or batch") {
  for (const bool new_session : {true, false}) {
    auto lane = writer();
    REQUIRE(lane.apply(amount(1, 90, make_lsn(1, 1))));
    const auto backup = server.tables();
    REQUIRE(lane.apply(amount(1, 80, make_lsn(1, 1))));  // no witness is lost with it, a batch is
    server.replace_rows(backup);
    if (new_session) server.restart();
    auto outcome = lane.apply(amount(1, 70, make_lsn(1, 3)));
    if (new_session) {  // the old session is found dead first
      CHECK(outcome.error().code == Errc::unavailable);
      outcome = lane.apply(amount(1, 70, make_lsn(1, 3)));
    }
    REQUIRE_FALSE(outcome);
    CHECK(outcome.error().code == Errc::corrupt);
    CHECK(outcome.error().message.find("log replay --all") != std::string::npos);
    CHECK(item(1, ItemColumn::amount) == 90);
  }
}

TEST_CASE_FIXTURE(Database, "a database from before the claim is put back, not another writer's") {
  const auto backup = server.tables();
  claim(2);
  auto lane = writer(2);
  REQUIRE(lane.apply(amount(1, 90, make_lsn(2, 1))));
  server.replace_rows(backup);
  CHECK(lane.apply(amount(1, 80, make_lsn(2, 2))).error().code == Errc::corrupt);
}

TEST_CASE_FIXTURE(Database, "a lane's row that is gone may come back, however long it takes") {
  auto lane = writer();
  REQUIRE(lane.apply(amount(1, 90, make_lsn(1, 1))));
  const auto whole = server.tables();
  auto emptied = whole;
  emptied.lane.rows.clear();
  server.replace_rows(emptied);
  for (int i = 0; i < 100; ++i)
    CHECK(lane.apply(amount(1, 80, make_lsn(1, 2))).error().code == Errc::unavailable);
  server.replace_rows(whole);
  CHECK(lane.apply(amount(1, 80, make_lsn(1, 2))));
  server.replace_rows(emptied);
  const auto missing = lane.apply(amount(1, 70, make_lsn(1, 3))).error();
  CHECK(missing.message.find("log replay --all") != std::string::npos);
}

TEST_CASE_FIXTURE(Database, "a table that was put back behind the lane's row is told") {
  auto lane = writer();
  REQUIRE(lane.apply(order(make_lsn(1, 1), "first")));
  REQUIRE(lane.apply(order(make_lsn(1, 2), "second")));
  const auto dump = server.tables();
  REQUIRE(lane.apply(order(make_lsn(1, 3), "meanwhile")));
  const auto whole = server.tables();
  auto restored = whole;
  restored.orders = dump.orders;
  server.replace_rows(restored);
  storage::Error error;
  int attempts = 0;
  for (; attempts < 20; ++attempts) {
    const auto outcome = attempts % 2 == 0
                             ? lane.look()
                             : storage::Status(lane.apply(order(make_lsn(1, 4), "later")).error());
    REQUIRE_FALSE(outcome);
    error = outcome.error();
    CHECK(error.message.find("log replay --all") != std::string::npos);
    if (error.code == Errc::corrupt) break;
    CHECK(error.sql_number == storage::kErrnumNoRow);
  }
  CHECK(error.code == Errc::corrupt);
  CHECK(attempts == 12);
  CHECK(server.tables().orders.rows.size() == 2);
}

TEST_CASE_FIXTURE(Database, "orders that were moved to an archive stop no lane") {
  for (const bool first_is_there : {false, true}) {
    auto lane = writer();
    REQUIRE(lane.apply(order(make_lsn(1, 1), "first")));
    REQUIRE(lane.apply(order(make_lsn(1, 2), "last of the lane")));
    LaneWriter other(options, storage::kFirstLane + 1, 1);
    REQUIRE(other.apply(order(make_lsn(1, 3), "of another lane")));
    auto archived = server.tables();
    if (!first_is_there) archived.orders.set(static_cast<std::int64_t>(make_lsn(1, 1)), {});
    archived.orders.set(static_cast<std::int64_t>(make_lsn(1, 2)), {});
    server.replace_rows(archived);
    CHECK(bool(lane.look()) == !first_is_there);  // a row amid others is lost
    if (first_is_there) continue;
    CHECK(lane.apply(order(make_lsn(1, 4), "next")));
    archived = server.tables();
    archived.orders.rows.clear();
    server.replace_rows(archived);
    for (int i = 0; i < 100; ++i) {  // all of them: it cannot be told from a restore
      const auto waits = lane.look();
      REQUIRE_FALSE(waits);
      CHECK(waits.error().code == Errc::unavailable);
      CHECK(waits.error().message.find("rows were lost or removed") != std::string::npos);
    }
    server.replace_rows({});
    claim(1);
  }
}

TEST_CASE_FIXTURE(Database,
                  "what the log calls stored is known to a lane that has written nothing") {
  REQUIRE(writer().apply(order(make_lsn(1, 3), "stored")));
  storage::LaneLast last;
  last[storage::LastKind::order] = {make_lsn(1, 3), make_lsn(1, 3)};
  last.oldest_order = make_lsn(1, 3);
  LaneWriter lane(options, storage::kFirstLane, 1, 0, last);
  CHECK(lane.look());
  auto dump = server.tables();
  dump.orders.set(static_cast<std::int64_t>(make_lsn(1, 3)), {});
  server.replace_rows(dump);
  CHECK(lane.apply(order(make_lsn(1, 4), "later")).error().sql_number == storage::kErrnumNoRow);
  CHECK(server.tables().orders.rows.empty());
  last = {};
  last[storage::LastKind::amount] = {1, make_lsn(1, 4)};
  LaneWriter of_items(options, storage::kFirstLane + 1, 1, 0, last);
  CHECK(of_items.look().error().sql_number == storage::kErrnumNoRow);
}

TEST_CASE_FIXTURE(Database, "a table that is empty, or being filled, is waited for") {
  auto lane = writer();
  REQUIRE(lane.apply(order(make_lsn(1, 90), "last")));
  const auto whole = server.tables();
  auto filling = whole;
  filling.orders.set(static_cast<std::int64_t>(make_lsn(1, 90)), {});
  server.replace_rows(filling);
  for (int i = 0; i < 100; ++i) CHECK(lane.look().error().code == Errc::unavailable);
  const auto cells = whole.orders.rows.begin()->second;
  for (std::uint64_t i = 1; i < 30; ++i) {
    auto row = cells;
    row[0].number = static_cast<std::int64_t>(make_lsn(1, i));
    row[OrderColumn::request_id].text = "restored-" + std::to_string(i);
    filling.orders.set(static_cast<std::int64_t>(make_lsn(1, i)), row);
    server.replace_rows(filling);
    for (int look = 0; look < 4; ++look) CHECK(lane.look().error().code == Errc::unavailable);
  }
  server.replace_rows(whole);
  CHECK(lane.look());
  CHECK(lane.apply(order(make_lsn(1, 91), "next")));
}

TEST_CASE_FIXTURE(Database, "an item's row that is older than its lane has written is told") {
  auto lane = writer();
  REQUIRE(lane.apply(amount(1, 90, make_lsn(1, 1))));
  const auto dump = server.tables();
  REQUIRE(lane.apply(amount(1, 80, make_lsn(1, 2))));
  const auto whole = server.tables();
  auto other = whole;
  other.item.set(1, {});
  server.replace_rows(other);
  for (int i = 0; i < 100; ++i)
    CHECK(lane.apply(amount(1, 70, make_lsn(1, 3))).error().code == Errc::unavailable);
  CHECK(server.tables().item.rows.empty());  // a dump's INSERT finds no row of ours
  server.replace_rows(whole);
  CHECK(lane.look());
  other.item = dump.item;
  server.replace_rows(other);
  CHECK(lane.apply(amount(1, 70, make_lsn(1, 3))).error().code == Errc::corrupt);
}

TEST_CASE_FIXTURE(Database, "a dump of before there were owners is put back, not another's") {
  auto database = storage::Database::open(options);
  REQUIRE(database);
  REQUIRE(database->claim(2, 2, {77, 0}));
  LaneWriter lane(options, storage::kFirstLane, 2, 77);
  REQUIRE(lane.apply(amount(1, 90, make_lsn(2, 1))));
  auto old = server.tables();
  for (auto& [number, cells] : old.lane.rows) cells[4].number = 0;
  REQUIRE(lane.apply(amount(1, 80, make_lsn(2, 2))));
  server.replace_rows(old);
  CHECK(lane.look().error().code == Errc::corrupt);
}

TEST_CASE_FIXTURE(Database, "half a database is waited for by the claim, however long it takes") {
  actors::ClaimStart start;
  start.database = options;
  start.epoch = 2;
  start.log_epoch = 1;
  start.served = true;
  start.last_lsn = start.max_executed = make_lsn(1, 1);
  actors::ClaimAgent agent(start);
  auto whole = server.tables();
  {
    auto lane = writer();
    REQUIRE(lane.apply(amount(1, 90, make_lsn(1, 1))));
    whole = server.tables();
  }
  auto without_meta = whole;
  without_meta.meta.rows.clear();
  auto without_lane = whole;
  without_lane.lane.rows.clear();
  for (const auto& half : {without_lane, without_meta}) {
    if (half.meta.rows.empty() == half.lane.rows.empty()) continue;
    server.replace_rows(half);
    for (int i = 0; i < 100; ++i) {
      const auto attempt = agent.attempt(1);
      REQUIRE(attempt.kind == actors::Attempt::Kind::again);
      CHECK(attempt.error.sql_number == storage::kErrnumNoRow);
      CHECK(attempt.error.message.find("log replay --all") != std::string::npos);
    }
  }
}

TEST_CASE_FIXTURE(Database,
                  "a client that dies in its COMMIT leaves it done, undone or undecided") {
  int stored = 0;
  int undecided = 0;
  for (std::uint64_t i = 1; i <= 60; ++i) {
    const std::string id = "order-" + std::to_string(i);
    const auto before = server.tables().orders.rows.size();
    server.end_in(5, End::kill);  // SELECT, ROLLBACK, lane, orders, COMMIT
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
