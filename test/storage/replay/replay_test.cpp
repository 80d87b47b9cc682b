#include "storage/replay/replay.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <functional>

#include "storage/replay/fate_table.h"
#include "test/storage/commands/command_fixture.h"

using namespace stampede::storage;
using namespace stampede::test;

namespace {

ReplayFold folded(const History& history) {
  ReplayFold fold;
  for (const auto& record : history.records) REQUIRE(fold.record(record.view()));
  return fold;
}

FateTable tabled(const History& history) {
  FateTable table;
  for (const auto& record : history.records) REQUIRE(table.record(record.view()));
  return table;
}

struct OwedMark {
  bool owed = false;
  bool failed = false;
  friend bool operator==(const OwedMark&, const OwedMark&) = default;
};

OwedMark find_owed(const Owed& owed, CommandKind kind, Lsn lsn) {
  const auto look = [lsn](const auto& list) {
    for (const auto& command : list) {
      if (command.lsn == lsn) return OwedMark{true, command.tries > 0};
    }
    return OwedMark{};
  };
  switch (kind) {
    case CommandKind::order_insert:
      return look(owed.orders);
    case CommandKind::item_put:
      return look(owed.puts);
    default:
      return look(owed.amounts);
  }
}

// The cells of the decision table: what happened, and the fate of the first command on item 1 for
// a type that later ones can stand in for and for one that they cannot.
struct Cell {
  Fate fate;
  bool applied;
};
struct Row {
  const char* situation;
  std::function<void(History&, CommandKind, Lsn)> happens;  // behind the first EMIT
  Cell item_command;
  Cell order_insert;
};

Lsn later(History& history, CommandKind kind) {
  return history.emit({command_of(kind, 1)});
}

const std::vector<Row> kDecisionTable = {
    {"emitted only",
     [](History&, CommandKind, Lsn) {},  //
     {Fate::pending, true},
     {Fate::pending, true}},
    {"OPTM only",
     [](History& h, CommandKind k, Lsn first) { h.optm(k, 0, 1, first, first + 1); },
     {Fate::pending, true},
     {Fate::pending, true}},
    {"FAIL only",
     [](History& h, CommandKind k, Lsn first) { h.fail(k, 0, first); },
     {Fate::failed, true},
     {Fate::failed, true}},
    {"FAIL twice",
     [](History& h, CommandKind k, Lsn first) { h.fail(k, 0, first), h.fail(k, 0, first); },
     {Fate::failed, true},
     {Fate::failed, true}},
    {"FAIL then EXEC",
     [](History& h, CommandKind k, Lsn first) { h.fail(k, 0, first), h.exec(k, 0, first, first); },
     {Fate::executed, false},
     {Fate::executed, false}},
    {"EXEC",
     [](History& h, CommandKind k, Lsn first) { h.exec(k, 0, first, first); },
     {Fate::executed, false},
     {Fate::executed, false}},
    {"EXEC then FAIL",
     [](History& h, CommandKind k, Lsn first) { h.exec(k, 0, first, first), h.fail(k, 0, first); },
     {Fate::executed, false},
     {Fate::executed, false}},
    {"EXEC twice",
     [](History& h, CommandKind k, Lsn first) {
       h.exec(k, 0, first, first), h.exec(k, 0, first, first);
     },
     {Fate::executed, false},
     {Fate::executed, false}},
    {"FAIL and a later EXEC on the same key",
     [](History& h, CommandKind k, Lsn first) {
       h.fail(k, 0, first);
       const Lsn by = later(h, k);
       h.exec(k, 0, by, by);
     },
     {Fate::superseded, false},
     {Fate::failed, true}},
    {"OPTM and a later EXEC",
     [](History& h, CommandKind k, Lsn first) {
       const Lsn by = later(h, k);
       h.optm(k, 0, 1, first, by);
       h.exec(k, 0, by, by);
     },
     {Fate::superseded, false},
     {Fate::pending, true}},
    {"OPTM and a later one pending",
     [](History& h, CommandKind k, Lsn first) { h.optm(k, 0, 1, first, later(h, k)); },
     {Fate::pending, false},
     {Fate::pending, true}},
    {"FAIL and a later one pending",
     [](History& h, CommandKind k, Lsn first) { h.fail(k, 0, first), later(h, k); },
     {Fate::failed, false},
     {Fate::failed, true}},
    {"reordered: the later EXEC is logged before the earlier FAIL",
     [](History& h, CommandKind k, Lsn first) {
       const Lsn by = later(h, k);
       h.exec(k, 0, by, by);
       h.fail(k, 0, first);
     },
     {Fate::superseded, false},
     {Fate::failed, true}},
    {"reordered: the later EXEC is logged before the earlier EXEC",
     [](History& h, CommandKind k, Lsn first) {
       const Lsn by = later(h, k);
       h.exec(k, 0, by, by);
       h.exec(k, 0, first, first);
     },
     {Fate::executed, false},
     {Fate::executed, false}},
    {"EXEC on another item",
     [](History& h, CommandKind k, Lsn) {
       const Lsn other = h.emit({command_of(k, 2)});
       h.exec(k, 0, other, other);
     },
     {Fate::pending, true},
     {Fate::pending, true}},
    {"EXEC of the same set's command at another position",
     [](History& h, CommandKind k, Lsn first) { h.exec(k, 1, first, first); },
     {Fate::pending, true},
     {Fate::pending, true}},
    {"EXEC of another type on the same item",
     [](History& h, CommandKind k, Lsn) {
       const auto other =
           k == CommandKind::item_put ? CommandKind::item_amount_update : CommandKind::item_put;
       const Lsn by = later(h, other);
       h.exec(other, 0, by, by);
     },
     {Fate::pending, true},
     {Fate::pending, true}},
};

}  // namespace

TEST_CASE("replay: the decision table, cell by cell") {
  for (const auto kind :
       {CommandKind::order_insert, CommandKind::item_amount_update, CommandKind::item_put}) {
    for (const Row& row : kDecisionTable) {
      CAPTURE(to_text(kind));
      CAPTURE(row.situation);
      History history;
      const Lsn first = history.emit({command_of(kind, 1)});
      row.happens(history, kind, first);
      const Cell expected = kind == CommandKind::order_insert ? row.order_insert : row.item_command;

      const FateTable table = tabled(history);
      CHECK(table.fate(0) == expected.fate);
      CHECK(table.would_apply(0) == expected.applied);
      const OwedMark mark = find_owed(folded(history).owed(), kind, first);
      CHECK(mark.owed == expected.applied);
      CHECK(mark.failed == (expected.applied && expected.fate == Fate::failed));
    }
  }
}

TEST_CASE("replay: an earlier EXEC on the item settles nothing that came after it") {
  for (const auto kind : {CommandKind::item_amount_update, CommandKind::item_put}) {
    History history;
    const Lsn first = history.emit({command_of(kind, 1)});
    const Lsn second = history.emit({command_of(kind, 1)});
    history.exec(kind, 0, first, first);
    CHECK(tabled(history).fate(1) == Fate::pending);
    CHECK(find_owed(folded(history).owed(), kind, second).owed);
    CHECK(folded(history).counts().owed == 1);
  }
}

TEST_CASE("replay: the seed's example leaves nothing to do") {
  History history;
  const auto kind = CommandKind::item_amount_update;
  const Lsn abcdef = history.emit({amount_of(1, 100)});
  history.fail(kind, 0, abcdef);
  const Lsn xyzabc = history.emit({amount_of(1, 90)});
  history.exec(kind, 0, xyzabc, xyzabc);

  const FateTable table = tabled(history);
  CHECK(table.fate(0) == Fate::superseded);
  CHECK(table.superseded_by(0) == 1);
  CHECK(folded(history).counts().owed == 0);
}

TEST_CASE("replay: a failed order is owed although a later order of its item is stored") {
  History history;
  const Lsn first = history.emit({order_of(1, "r1"), amount_of(1, 9)});
  const Lsn second = history.emit({order_of(1, "r2"), amount_of(1, 8)});
  history.fail(CommandKind::order_insert, 0, first);
  history.exec(CommandKind::order_insert, 0, second, second);
  history.exec(CommandKind::item_amount_update, 1, second, second);

  const ReplayFold fold = folded(history);
  const Owed owed = fold.owed();
  REQUIRE(owed.orders.size() == 1);
  CHECK(owed.orders[0].lsn == first);
  CHECK(owed.orders[0].tries == 1);
  CHECK(owed.amounts.empty());
  CommandDecoder decoder;
  std::vector<Command> set;
  REQUIRE(decoder.command_set(owed.orders[0].payload, set));
  CHECK(set[owed.orders[0].position].order.request_id == "r1");
  CHECK(fold.counts().failed == 1);
}

TEST_CASE("replay: of an item's owed commands only the newest is applied") {
  History history;
  for (int amount = 9; amount > 0; --amount) history.emit({order_of(1), amount_of(1, amount)});
  history.emit({put_of(1, "old"), amount_of(1, 50)});
  const Lsn newest = history.emit({put_of(1, "new"), amount_of(1, 60)});
  const ReplayFold fold = folded(history);
  const Owed owed = fold.owed();
  CHECK(owed.orders.size() == 9);
  REQUIRE(owed.amounts.size() == 1);
  CHECK(owed.amounts[0].lsn == newest);
  CHECK(owed.amounts[0].amount == 60);
  CHECK(owed.amounts[0].position == 1);
  REQUIRE(owed.puts.size() == 1);
  CHECK(owed.puts[0].item == 1);
  CommandDecoder decoder;
  std::vector<Command> set;
  REQUIRE(decoder.command_set(owed.puts[0].payload, set));
  CHECK(set[owed.puts[0].position].put.terms.name == "new");
  CHECK(fold.counts().commands == 22);
  CHECK(fold.counts().owed == 11);
  CHECK(fold.counts().settled == 11);
}

TEST_CASE("replay: what is settled is told apart: done, or superseded by something newer") {
  History history;
  const Lsn first = history.emit({put_of(1, "x"), amount_of(1, 10)});
  const Lsn second = history.emit({order_of(1), amount_of(1, 9)});
  const Lsn third = history.emit({order_of(1), amount_of(1, 8)});
  history.exec(CommandKind::item_put, 0, first, first);
  history.exec(CommandKind::order_insert, 0, second, second);
  history.exec(CommandKind::order_insert, 0, second, second);  // said twice, done once
  history.exec(CommandKind::item_amount_update, 1, second, second);
  const auto counts = folded(history).counts();
  CHECK(counts.commands == 6);
  CHECK(counts.owed == 2);  // the second order and its amount, lsn `third`
  CHECK(counts.owed_orders == 1);
  CHECK(counts.owed_amounts == 1);
  CHECK(counts.done == 3);
  CHECK(counts.settled - counts.done == 1);  // the first amount
  CHECK(folded(history).owed().orders[0].lsn == third);
}

TEST_CASE("replay: a range settles the sets in it, both ends included, and no others") {
  History history;
  std::vector<Lsn> lsns;
  for (int i = 0; i < 10; ++i) lsns.push_back(history.emit({order_of(1), amount_of(1, i)}));
  history.exec(CommandKind::order_insert, 0, lsns[2], lsns[6]);
  std::vector<Lsn> owed;
  const ReplayFold fold = folded(history);
  for (const auto& order : fold.owed().orders) owed.push_back(order.lsn);
  CHECK(owed == std::vector<Lsn>{lsns[0], lsns[1], lsns[7], lsns[8], lsns[9]});
}

TEST_CASE("replay: a range may reach over epochs, and rejections lie in it unharmed") {
  History history;
  history.emit({order_of(1)});
  History::Record rejection{RecordType::reject, history.next++, {}};
  encode_rejection(rejection.payload, {{1, 2}, 3, 1, 1, RejectReason::sold_out});
  history.records.push_back(rejection);
  history.next = make_lsn(2, 1);
  const Lsn last = history.emit({order_of(1)});
  history.exec(CommandKind::order_insert, 0, make_lsn(1, 1), last);
  const ReplayFold fold = folded(history);
  CHECK(fold.counts().owed == 0);
  CHECK(fold.counts().decisions == 3);
  CHECK(fold.counts().records == 4);
}

TEST_CASE("replay: outcomes that name nothing change nothing and are noticed by the table") {
  History history;
  const Lsn order = history.emit({order_of(1)});
  history.exec(CommandKind::order_insert, 3, order, order);
  history.exec(CommandKind::item_amount_update, 0, order, order);
  history.fail(CommandKind::order_insert, 0, make_lsn(7, 7));
  history.optm(CommandKind::order_insert, 0, 1, order, order + 1);
  CHECK(folded(history).counts().owed == 1);
  CHECK(folded(history).counts().failed == 0);
  const FateTable table = tabled(history);
  CHECK(table.strays() == 4);
  CHECK(table.first_stray().find("OrderInsert 1.1.3") != std::string::npos);
}

TEST_CASE("replay: payloads that are not what their type says are corruption") {
  const auto refuse = [](RecordType type, const std::string& payload) {
    History history;
    history.emit({order_of(1)});
    ReplayFold fold = folded(history);
    FateTable table = tabled(history);
    const RecordView record{type, 0, is_decision(type) ? make_lsn(1, 2) : 0, payload};
    const auto folding = fold.record(record);
    const auto tabling = table.record(record);
    REQUIRE_FALSE(folding);
    REQUIRE_FALSE(tabling);
    CHECK(folding.error().code == Errc::corrupt);
    CHECK(tabling.error().code == Errc::corrupt);
    CHECK(folding.error().message.find("1.") != std::string::npos);
  };
  std::string backwards;
  encode_outcome(backwards, {1, CommandKind::order_insert, 0, {5, 4}});
  std::string odd;
  encode_outcome(odd, {1, CommandKind::order_insert, 0, {5}});
  refuse(RecordType::emit, "");
  refuse(RecordType::emit, "\x90");
  refuse(RecordType::exec, "\x90");
  refuse(RecordType::exec, backwards);
  refuse(RecordType::exec, odd);
  refuse(RecordType::fail, odd);
}

TEST_CASE("replay: decisions out of order are corruption, reserved types another version") {
  History history;
  history.emit({order_of(1)});
  ReplayFold fold = folded(history);
  CHECK(fold.record(history.records[0].view()).error().code == Errc::corrupt);
  CHECK(fold.record({RecordType::checkpoint, 0, 0, "\x90"}).error().code == Errc::version);
}

TEST_CASE("replay: what each lane has stored last, whenever that was") {
  History history;
  std::vector<Lsn> orders;
  for (int i = 0; i < 12; ++i)
    orders.push_back(history.emit({command_of(CommandKind::order_insert, 1)}));
  const auto put = history.emit({command_of(CommandKind::item_put, 7)});
  const auto first = orders.front();
  const auto last = orders.back();
  history.exec(CommandKind::order_insert, 0, first, first + 1);
  history.exec(CommandKind::order_insert, 0, first + 3, last);
  history.exec(CommandKind::item_put, 0, put, put);
  auto fold = folded(history);
  REQUIRE(fold.last_stored().by_lane.size() == 1);
  const auto& lane = fold.last_stored().by_lane.begin()->second;
  CHECK(lane.order == last);
  CHECK(lane.put.item == 7);
  CHECK(lane.put.lsn == put);
  CHECK(lane.amount.lsn == 0);
  CHECK(fold.last_stored().newest_orders == std::set<Lsn>(orders.end() - 8, orders.end()));
  CHECK(fold.last_stored().oldest_order == first);
  auto without = fold.last_stored();
  without.forget({lane.order});
  CHECK(without.by_lane.begin()->second.order == 0);

  history.exec(CommandKind::order_insert, 0, first, first + 2);  // the third comes late
  history.exec(CommandKind::order_insert, 0, first, last);       // nothing new
  fold = folded(history);
  CHECK(fold.last_stored().by_lane.begin()->second.order == first + 2);
  CHECK(fold.last_stored().newest_orders == std::set<Lsn>(orders.end() - 8, orders.end()));
}
