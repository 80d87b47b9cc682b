// What replay makes of format 2: tries are kept, the commands of the sale have their fates, and
// what a backend of this program does not act on is refused by the name of the feature.

#include <doctest/doctest.h>

#include <memory>
#include <string>
#include <vector>

#include "storage/replay/fate_table.h"
#include "storage/replay/replay.h"
#include "test/storage/commands/command_fixture.h"

using namespace stampede::storage;
using namespace stampede::test;

namespace {

// Commands of the sale that have a key; `key` is the promo or the order.
Command keyed(CommandKind kind, std::uint64_t key) {
  Command command;
  command.kind = kind;
  command.level = FeatureLevel::sale;
  command.sale = std::make_shared<SaleArguments>();
  command.sale->promo = {"p", key, 1, "Promo", 0, 0, 0};
  command.sale->ticket = {key, 1, 1, "ann", "t-1", 0, 0};
  command.sale->update = {key, 1, static_cast<std::uint32_t>(Fulfilment::expired), {}};
  command.sale->stock = {1, 2, static_cast<std::uint32_t>(StockReason::add)};
  return command;
}

FateTable tabled(const History& history) {
  FateTable table;
  for (const auto& record : history.records) REQUIRE(table.record(record.view()));
  return table;
}

RecordView view_of(RecordType type, const std::string& payload, FeatureLevel level) {
  return {type, 0, is_decision(type) ? make_lsn(1, 1) : 0, payload, level};
}

void refused(const Status& status, Errc code, std::string_view words) {
  REQUIRE_FALSE(status);
  CHECK(status.error().code == code);
  INFO(status.error().message);
  CHECK(status.error().message.find(words) != std::string::npos);
}

std::string set_of(const std::vector<Command>& commands) {
  std::string payload;
  encode_command_set(payload, commands);
  return payload;
}

}  // namespace

TEST_CASE("format 2: the tries of the newest FAIL are kept, those of format 1 count as one") {
  History history;
  const Lsn first = history.emit({order_of(1), amount_of(1, 9)});
  const Lsn second = history.emit({put_of(1), amount_of(1, 8)});
  history.fail(CommandKind::order_insert, 0, first);
  history.fail(CommandKind::item_amount_update, 1, second);
  history.outcome(RecordType::fail, {1, CommandKind::order_insert, 0, {first, 1406}, {7}});
  history.outcome(RecordType::fail, {1, CommandKind::item_put, 0, {second, 1264}, {2}});
  ReplayFold fold;
  for (const auto& record : history.records) REQUIRE(fold.record(record.view()));
  const Owed owed = fold.owed();
  REQUIRE(owed.orders.size() == 1);
  REQUIRE(owed.puts.size() == 1);
  REQUIRE(owed.amounts.size() == 1);
  CHECK(owed.orders[0].tries == 7);
  CHECK(owed.puts[0].tries == 2);
  CHECK(owed.amounts[0].tries == 1);
  CHECK(fold.counts().failed == 3);

  std::vector<std::uint64_t> told;
  const FateTable table = tabled(history);
  Outcome fail{1, CommandKind::order_insert, 0, {first, 1406}, {7}};
  table.each_named(RecordType::fail, fail, [&](FateTable::Index, const FateTable::Named& named) {
    told = {named.number, named.tries};
  });
  CHECK(told == std::vector<std::uint64_t>{1406, 7});
}

TEST_CASE("format 2: a newer command of the sale with the same key stands in for an older one") {
  for (const auto kind :
       {CommandKind::promo_put, CommandKind::ticket_grant, CommandKind::order_update}) {
    INFO(to_text(kind));
    History history;
    history.emit({keyed(kind, 7)});
    history.emit({keyed(kind, 8)});
    const Lsn third = history.emit({keyed(kind, 7)});
    history.optm(kind, 0, 7, make_lsn(1, 1), third);
    history.exec(kind, 0, third, third);
    const FateTable table = tabled(history);
    CHECK(table.strays() == 0);
    CHECK(table.fate(0) == Fate::superseded);
    CHECK(table.superseded_by(0) == 2);
    CHECK(table.fate(1) == Fate::pending);
    CHECK(table.would_apply(1));
    CHECK(table.fate(2) == Fate::executed);
  }
}

TEST_CASE("format 2: nothing stands in for a row of the stock journal") {
  History history;
  history.emit({put_of(1), amount_of(1, 9), keyed(CommandKind::stock_change, 0)});
  const Lsn second =
      history.emit({put_of(1), amount_of(1, 8), keyed(CommandKind::stock_change, 0)});
  history.exec(CommandKind::stock_change, 2, second, second);
  const FateTable table = tabled(history);
  CHECK(table.fate(2) == Fate::pending);
  CHECK(table.would_apply(2));
  CHECK(table.key(2) == 1);
  CHECK(table.fate(5) == Fate::executed);
}

TEST_CASE("format 2: what each lane has stored last of what orders became, and of the journal") {
  History history;
  const Lsn paid = history.emit({keyed(CommandKind::order_update, 7)});
  const Lsn back = history.emit(
      {keyed(CommandKind::order_update, 8), amount_of(1, 9), keyed(CommandKind::stock_change, 0)});
  const Lsn again = history.emit(
      {keyed(CommandKind::order_update, 9), amount_of(1, 8), keyed(CommandKind::stock_change, 0)});
  history.exec(CommandKind::order_update, 0, back, back);
  history.exec(CommandKind::order_update, 0, paid, paid);  // late
  history.exec(CommandKind::stock_change, 2, back, again);
  ReplayFold fold;
  for (const auto& record : history.records) REQUIRE(fold.record(record.view()));
  auto stored = fold.last_stored();
  REQUIRE(stored.by_lane.size() == 1);
  const auto& lane = stored.by_lane.begin()->second;
  CHECK(lane.update.item == 7);
  CHECK(lane.update.lsn == paid);
  CHECK(lane.stock == again);
  CHECK(stored.oldest_stock == back);
  stored.forget({paid, again});
  CHECK(lane.update.lsn == 0);
  CHECK(lane.stock == 0);
}

TEST_CASE("format 2: of what an order became the newest is owed, of the journal every row") {
  History history;
  const auto set_with = [](std::uint64_t order) {
    return std::vector<Command>{keyed(CommandKind::order_update, order), amount_of(1, 9),
                                keyed(CommandKind::stock_change, 0)};
  };
  const Lsn first = history.emit(set_with(7));
  const Lsn second = history.emit(set_with(8));
  const Lsn third = history.emit(set_with(7));
  history.exec(CommandKind::order_update, 0, second, second);
  history.exec(CommandKind::stock_change, 2, third, third);
  history.fail(CommandKind::order_update, 0, third);
  ReplayFold fold;
  for (const auto& record : history.records) REQUIRE(fold.record(record.view()));
  const auto check = [&](const ReplayFold& of) {
    const Owed owed = of.owed();
    REQUIRE(owed.updates.size() == 1);
    CHECK(owed.updates[0].order == 7);
    CHECK(owed.updates[0].lsn == third);
    CHECK(owed.updates[0].tries == 1);
    REQUIRE(owed.stock.size() == 2);
    CHECK(owed.stock[0].lsn == first);
    CHECK(owed.stock[1].lsn == second);
    CHECK(owed.stock[1].position == 2);
  };
  check(fold);
  // What is executed is forgotten, and comes again when it changes again.
  const Lsn fourth = history.emit(set_with(8));
  REQUIRE(fold.record(history.records.back().view()));
  REQUIRE(fold.owed().updates.size() == 2);
  CHECK(fold.owed().updates[1].lsn == fourth);
  CHECK(fold.counts().owed_updates == 2);
  CHECK(fold.counts().owed_stock == 3);
}

TEST_CASE("format 2: a fold refuses what it does not act on, by the feature it needs") {
  Command gated = keyed(CommandKind::promo_put, 7);
  gated.sale->promo.ticket = 1;
  const Command grant = keyed(CommandKind::ticket_grant, 7);
  Command bounded = keyed(CommandKind::promo_put, 7);
  bounded.sale->promo.unpaid_per_user_max = 5;
  Command ruled = keyed(CommandKind::item_put, 7);
  ruled.sale->item.hold_s = 60;
  const auto emit = RecordType::emit;
  const auto all = FeatureLevel::shards;
  const std::string promo = set_of({keyed(CommandKind::promo_put, 7)});
  CHECK(bool(ReplayFold().record(view_of(emit, promo, all))));
  for (const auto& command : {bounded, ruled, gated, grant})
    CHECK(bool(ReplayFold().record(view_of(emit, set_of({command}), all))));
  for (const auto type : {RecordType::ha, RecordType::hash, RecordType::config})
    refused(ReplayFold().record(view_of(type, "", all)), Errc::version, "high availability");
  refused(ReplayFold().record(view_of(RecordType::claim, "", all)), Errc::version, "shards");
  std::string revoke;
  encode_control(revoke, RevokeRecord{"0123456789abcdef", 8, 1, 4, 1});
  ReplayFold fold;
  REQUIRE(fold.record(view_of(RecordType::revoke, revoke, all)));
  CHECK(fold.counts().decisions == 1);
  refused(ReplayFold().record(view_of(RecordType::revoke, "", all)), Errc::corrupt, "type");
  REQUIRE(FateTable().record(view_of(emit, promo, all)));  // a table is for reports
}

TEST_CASE("format 2: nothing stands in a segment whose level does not have it") {
  const std::string promo = set_of({keyed(CommandKind::promo_put, 7)});
  const std::string plain = set_of({order_of(1), amount_of(1, 9)});
  std::string fail;
  encode_outcome(fail, {1, CommandKind::order_insert, 0, {5, 1406}, {1}});
  const auto check = [](RecordType type, const std::string& payload, FeatureLevel too_low) {
    refused(FateTable().record(view_of(type, payload, too_low)), Errc::version, "in a segment of");
    refused(ReplayFold().record(view_of(type, payload, too_low)), Errc::version, "in a segment of");
  };
  check(RecordType::emit, promo, FeatureLevel::format_2);
  check(RecordType::emit, plain, FeatureLevel::format_1);
  check(RecordType::fail, fail, FeatureLevel::format_1);
  refused(ReplayFold().record(view_of(RecordType::revoke, "", FeatureLevel::format_2)),
          Errc::version, "in a segment of");
  REQUIRE(ReplayFold().record(view_of(RecordType::emit, plain, FeatureLevel::format_2)));
}

TEST_CASE("format 2: a control record that cannot be read is corruption") {
  for (const auto type : {RecordType::ha, RecordType::hash, RecordType::config, RecordType::claim,
                          RecordType::revoke})
    refused(FateTable().record(view_of(type, "\x90", FeatureLevel::shards)), Errc::corrupt, "type");
}
