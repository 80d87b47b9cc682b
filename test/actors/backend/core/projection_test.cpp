// What the database has refused, as the status counts it: each command by itself.

#include "actors/backend/core/projection.h"

#include <doctest/doctest.h>

namespace stampede::actors {
namespace {

using storage::CommandKind;

constexpr std::uint64_t kItem = 7;

ItemChange put_change(Lsn lsn) {
  ItemChange change;
  change.item = kItem;
  storage::ItemPut put;
  put.terms.name = "Phone";
  change.put = item_details(put, {}, lsn);
  return change;
}

ItemChange amount_change(Lsn lsn) {
  ItemChange change;
  change.item = kItem;
  change.first = change.last = lsn;
  return change;
}

struct OneLane {
  OneLane() : projection({.lanes = 1}) {}

  // The change becomes durable and a lane writes it; the database refuses commands of `kinds`.
  void write(const ItemChange& change, std::initializer_list<CommandKind> kinds = {}) {
    const auto append = std::make_shared<Append>();
    projection.add(append, std::span(&change, 1));
    std::vector<LaneWork> work;
    projection.dispatch(work);
    REQUIRE(work.size() == 1);
    std::vector<FailedCommand> failed;
    for (const auto kind : kinds) {
      const auto lsn = kind == CommandKind::item_put ? change.put->last : change.last;
      failed.push_back({kind, lsn, kItem, 1644});
    }
    outcomes.clear();
    projection.done(0, failed, outcomes);
  }
  // Of the FAILs that the last write has brought.
  std::vector<std::uint64_t> tries() const {
    std::vector<std::uint64_t> all;
    for (const auto& record : outcomes)
      if (record.type == storage::RecordType::fail)
        all.insert(all.end(), record.outcome.tries.begin(), record.outcome.tries.end());
    return all;
  }

  Projection projection;
  std::vector<OutcomeRecord> outcomes;
};

}  // namespace

TEST_CASE_FIXTURE(OneLane, "a refused ItemPut stays counted whatever amounts are written") {
  write(put_change(1), {CommandKind::item_put});
  CHECK(projection.failed() == 1);
  write(amount_change(2));
  CHECK(projection.failed() == 1);
  write(amount_change(3), {CommandKind::item_amount_update});
  CHECK(projection.failed() == 2);
  write(put_change(4));
  CHECK(projection.failed() == 1);
  write(amount_change(5));
  CHECK(projection.failed() == 0);
}

TEST_CASE_FIXTURE(OneLane, "a FAIL counts on from what the log said before this start") {
  projection.tried_before(CommandKind::item_put, 1, 4);
  projection.tried_before(CommandKind::item_amount_update, 9, 2);
  auto both = put_change(1);
  both.first = both.last = 1;
  write(both, {CommandKind::item_put, CommandKind::item_amount_update});
  CHECK(tries() == std::vector<std::uint64_t>{5, 1});
  write(amount_change(9), {CommandKind::item_amount_update});
  CHECK(tries() == std::vector<std::uint64_t>{3});
  write(amount_change(10), {CommandKind::item_amount_update});
  CHECK(tries() == std::vector<std::uint64_t>{1});
  write(amount_change(11));
  CHECK(tries().empty());
}

TEST_CASE_FIXTURE(OneLane, "more FAILs than a record holds are split with their tries") {
  constexpr std::size_t kOrders = 5000;
  const auto append = std::make_shared<Append>();
  append->inserts = kOrders;
  append->first_lsn = 1;
  append->last_lsn = kOrders;
  projection.add(append, {});
  for (Lsn lsn = 1; lsn <= kOrders; ++lsn)
    projection.tried_before(CommandKind::order_insert, lsn, static_cast<std::uint32_t>(lsn));
  std::vector<LaneWork> work;
  projection.dispatch(work);
  std::vector<FailedCommand> failed;
  for (Lsn lsn = 1; lsn <= kOrders; ++lsn)
    failed.push_back({CommandKind::order_insert, lsn, kItem, 1644});
  projection.done(0, failed, outcomes);
  std::size_t pairs = 0;
  for (const auto& record : outcomes) {
    std::string payload;
    storage::encode_outcome(payload, record.outcome);
    CHECK(payload.size() < storage::kRecordPayloadBytesMax);
    for (std::size_t i = 0; i < record.outcome.tries.size(); ++i, ++pairs)
      CHECK(record.outcome.tries[i] == record.outcome.numbers[2 * i] + 1);
  }
  CHECK(pairs == kOrders);
}

namespace {

AppendPtr orders(Lsn from, Lsn to) {
  auto append = std::make_shared<Append>();
  append->inserts = static_cast<std::uint32_t>(to - from + 1);
  append->first_lsn = from;
  append->last_lsn = to;
  return append;
}

AppendPtr update(Lsn lsn, Lsn order, storage::Fulfilment to) {
  auto append = std::make_shared<Append>();
  append->first_lsn = append->last_lsn = lsn;
  storage::OrderUpdate changed;
  changed.order = order;
  changed.item = kItem;
  changed.fulfilment = static_cast<std::uint32_t>(to);
  changed.action_id = "p";
  append->updates.push_back(order_change(changed, lsn));
  return append;
}

}  // namespace

TEST_CASE("an order's update waits for its insert's end, committed or refused") {
  Projection projection({.lanes = 2});
  std::vector<LaneWork> work;
  std::vector<OutcomeRecord> outcomes;
  projection.add(orders(1, 3), {});
  projection.add(update(4, 3, storage::Fulfilment::paid), {});
  projection.dispatch(work);
  REQUIRE(work.size() == 1);  // lane(3) has nothing to do, and waits
  CHECK(work[0].lane == 0);
  CHECK(work[0].updates.empty());
  CHECK(projection.owed() == 4);
  // Other orders' inserts are on their way: this one's is done.
  projection.add(orders(5, 6), {});
  work.clear();
  projection.done(0, {{CommandKind::order_insert, 3, kItem, 1644}}, outcomes);
  projection.dispatch(work);
  REQUIRE(work.size() == 2);
  CHECK(work[0].updates.empty());
  REQUIRE(work[1].updates.size() == 1);
  CHECK(work[1].lane == 1);
  CHECK(work[1].updates[0].view().order == 3);
  CHECK(work[1].updates[0].view().action_id == "p");
}

TEST_CASE("of an order's updates the newest is written, and says so; the journal keeps all") {
  Projection projection({.lanes = 1});
  std::vector<LaneWork> work;
  std::vector<OutcomeRecord> outcomes;
  projection.add(update(11, 2, storage::Fulfilment::expired), {});
  projection.add(update(12, 2, storage::Fulfilment::paid), {});
  auto journal = std::make_shared<Append>();
  journal->stock = {{11, {kItem, 1, 2, 2, 0}}, {12, {kItem, -1, 4, 2, 0}}};
  projection.add(journal, {});
  projection.dispatch(work);
  REQUIRE(work.size() == 1);
  REQUIRE(work[0].updates.size() == 1);
  CHECK(work[0].updates[0].last == 12);
  CHECK(work[0].stock.size() == 2);
  CHECK(projection.owed() == 3);
  projection.done(0, {{CommandKind::stock_change, 12, 12, 1644}}, outcomes);
  CHECK(projection.owed() == 0);
  CHECK(projection.failed() == 1);
  const auto numbers = [&](storage::RecordType type, CommandKind kind) {
    for (const auto& record : outcomes)
      if (record.type == type && record.outcome.kind == kind) return record.outcome.numbers;
    return std::vector<std::uint64_t>{};
  };
  using storage::RecordType;
  CHECK(numbers(RecordType::optm, CommandKind::order_update) ==
        std::vector<std::uint64_t>{2, 11, 12});
  CHECK(numbers(RecordType::exec, CommandKind::order_update) == std::vector<std::uint64_t>{12, 12});
  CHECK(numbers(RecordType::exec, CommandKind::stock_change) == std::vector<std::uint64_t>{11, 11});
  CHECK(numbers(RecordType::fail, CommandKind::stock_change) ==
        std::vector<std::uint64_t>{12, 1644});
}

TEST_CASE("the oldest that is owed: orders, what became of them, and the journal") {
  Projection projection({.lanes = 2});
  std::vector<LaneWork> work;
  std::vector<OutcomeRecord> outcomes;
  CHECK(projection.oldest_owed() == 0);
  projection.add(update(11, 3, storage::Fulfilment::expired), {});
  projection.add(update(12, 2, storage::Fulfilment::paid), {});
  projection.add(update(13, 3, storage::Fulfilment::paid), {});  // stands for the first
  CHECK(projection.oldest_owed() == 11);
  projection.dispatch(work);
  REQUIRE(work.size() == 2);
  projection.add(update(14, 2, storage::Fulfilment::refund_due), {});  // while a lane has the other
  projection.done(0, {}, outcomes);
  CHECK(projection.oldest_owed() == 11);
  projection.done(1, {{CommandKind::order_update, 13, 3, 1644}}, outcomes);  // refused: no more
  CHECK(projection.oldest_owed() == 14);
  auto journal = std::make_shared<Append>();
  journal->stock = {{9, {kItem, 1, 2, 2, 0}}};
  projection.add(journal, {});
  CHECK(projection.oldest_owed() == 9);
  work.clear();
  projection.dispatch(work);
  CHECK(projection.oldest_owed() == 9);
  for (const auto& one : work) projection.done(one.lane, {}, outcomes);
  CHECK(projection.oldest_owed() == 0);
}

TEST_CASE_FIXTURE(OneLane, "a command of the same kind that is refused, too, is one failure") {
  write(put_change(1), {CommandKind::item_put});
  write(put_change(2), {CommandKind::item_put});
  CHECK(projection.failed() == 1);
  auto both = put_change(3);
  both.first = both.last = 3;
  write(both, {CommandKind::item_amount_update});
  CHECK(projection.failed() == 1);
  write(both);
  CHECK(projection.failed() == 0);
}

}  // namespace stampede::actors
