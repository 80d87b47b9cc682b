// What decisions become in the log's next append: records, counts, lsns and changes of items.

#include "actors/backend/core/append_builder.h"

#include <doctest/doctest.h>

#include <functional>
#include <string>
#include <vector>

using namespace stampede;
using namespace stampede::actors;
using storage::FeatureLevel;
using storage::RecordType;

namespace {

constexpr std::uint64_t kInsertsMax = 10;

struct Builder {
  void confirmed(std::uint64_t item, std::int64_t left, Lsn lsn) {
    Request request;
    request.kind = RequestKind::order;
    request.id = "id";
    request.item = item;
    request.user = "ann";
    request.qty = 1;
    OrderDecision decision;
    decision.answer.item = item;
    decision.answer.left = left;
    decision.item_position = static_cast<std::uint32_t>(item);
    builder.add_confirmed(request, decision, 1000, lsn);
  }
  void rejected(Lsn lsn) {
    OrderDecision decision;
    decision.answer.item = decision.answer.qty = 1;
    decision.answer.reason = storage::RejectReason::sold_out;
    builder.add_rejected(decision, 1000, lsn);
  }
  void item(std::uint64_t id, std::int64_t amount, Lsn lsn) {
    ItemDecision decision;
    decision.put.request_id = "put";
    decision.put.item = id;
    decision.amount = amount;
    decision.item_position = static_cast<std::uint32_t>(id);
    builder.add_item(decision, lsn);
  }
  void outcome(RecordType type = RecordType::exec) {
    OutcomeRecord record;
    record.type = type;
    record.outcome.kind = storage::CommandKind::order_insert;
    record.outcome.numbers = {1, 2};
    if (type == RecordType::fail) record.outcome.tries = {1};
    builder.add_outcome(record);
  }

  AppendBuilder builder{kInsertsMax};
};

std::vector<RecordType> types(const Append& append) {
  std::vector<RecordType> all;
  storage::RecordCursor cursor(append.records, append.first_lsn);
  for (storage::RecordView record; cursor.next(record);) all.push_back(record.type);
  CHECK(all.size() == append.count);
  return all;
}

}  // namespace

TEST_CASE("decisions and outcomes become records in their order, counted and with their lsns") {
  Builder b;
  CHECK(b.builder.empty());
  b.confirmed(1, 4, 101);
  b.rejected(102);
  b.outcome();
  b.item(2, 9, 103);
  CHECK_FALSE(b.builder.empty());
  const auto built = b.builder.close(104);
  CHECK(types(*built.append) ==
        std::vector{RecordType::emit, RecordType::reject, RecordType::exec, RecordType::emit});
  CHECK(built.append->decisions == 3);
  CHECK(built.append->inserts == 1);
  CHECK(built.append->first_lsn == 101);
  CHECK(built.append->last_lsn == 103);
  CHECK(b.builder.empty());
}

TEST_CASE("records are of format 1 until one of them needs more, and then of format 2") {
  Builder b;
  std::vector<FeatureLevel> expected{FeatureLevel::format_1, FeatureLevel::format_1,
                                     FeatureLevel::format_2, FeatureLevel::format_2};
  const auto first_need = [&]() -> std::function<void()> {
    SUBCASE("a user's hash") {
      return [&] { b.rejected(102); };
    }
    SUBCASE("how often the database has refused") {
      return [&] { b.outcome(RecordType::fail); };
    }
    SUBCASE("nothing: the log had it") {
      b.builder.go_on_in(FeatureLevel::format_2);
      expected.assign(4, FeatureLevel::format_2);
      return [&] { b.outcome(); };
    }
    return [] {};
  }();
  std::vector<FeatureLevel> levels;
  const auto close = [&](storage::Lsn next) {
    const auto append = b.builder.close(next).append;
    levels.push_back(append->level);
    storage::CommandDecoder decoder;
    std::vector<storage::Command> set;
    storage::RecordCursor cursor(append->records, append->first_lsn);
    for (storage::RecordView record; cursor.next(record);) {
      if (record.type != RecordType::emit) continue;
      REQUIRE(decoder.command_set(record.payload, set));
      for (const auto& command : set) CHECK(command.level <= append->level);
      levels.push_back(set.front().level);
    }
  };
  b.item(2, 9, 100);
  b.outcome();
  close(101);
  first_need();
  b.confirmed(1, 4, 103);
  close(104);
  CHECK(levels == expected);
}

TEST_CASE("an append of outcomes alone names the next decision and has none of its own") {
  Builder b;
  b.outcome();
  const auto built = b.builder.close(104);
  CHECK(built.append->first_lsn == 104);
  CHECK(built.append->last_lsn == 0);
  CHECK(built.changes.empty());
}

TEST_CASE("changes of one item that follow each other are one, others stay apart") {
  Builder b;
  b.confirmed(1, 9, 101);
  b.rejected(102);
  b.confirmed(1, 8, 103);
  b.confirmed(2, 5, 104);
  b.confirmed(1, 7, 105);
  const auto changes = b.builder.close(106).changes;
  REQUIRE(changes.size() == 3);
  CHECK(changes[0].item == 1);
  CHECK(changes[0].first == 101);
  CHECK(changes[0].last == 103);
  CHECK(changes[0].amount == 8);
  CHECK(changes[0].put == nullptr);
  CHECK(changes[1].item == 2);
  CHECK(changes[2].amount == 7);
}

TEST_CASE("an item that is put keeps what was put, and later orders of it their own lsns") {
  Builder b;
  b.item(1, 10, 101);
  b.confirmed(1, 9, 102);
  const auto changes = b.builder.close(103).changes;
  REQUIRE(changes.size() == 1);
  REQUIRE(changes[0].put != nullptr);
  CHECK(changes[0].put->last == 101);
  CHECK(changes[0].first == 101);
  CHECK(changes[0].last == 102);
  CHECK(changes[0].amount == 9);
}

TEST_CASE("an append is full by its orders or by its bytes") {
  Builder b;
  SUBCASE("orders") {
    for (std::uint64_t i = 0; i < kInsertsMax; ++i) {
      CHECK_FALSE(b.builder.full());
      b.confirmed(1, 100, 101 + i);
    }
  }
  SUBCASE("bytes: rejections alone are no orders") {
    for (Lsn lsn = 101; lsn < 101 + 2 * kInsertsMax; ++lsn) b.rejected(lsn);
    CHECK_FALSE(b.builder.full());
    for (Lsn lsn = 200; lsn < 20'000; ++lsn) b.rejected(lsn);
  }
  CHECK(b.builder.full());
  const auto built = b.builder.close(30'000);
  CHECK_FALSE(b.builder.full());
}

TEST_CASE("a closed append stays as it is while the next is filled") {
  Builder b;
  b.confirmed(1, 4, 101);
  const auto first = b.builder.close(102);
  const std::string bytes(first.append->records);
  for (Lsn lsn = 102; lsn < 1000; ++lsn) b.rejected(lsn);
  const auto second = b.builder.close(1000);
  CHECK(first.append->records == bytes);
  CHECK(second.append->first_lsn == 102);
}

TEST_CASE("a list of changes that is given back comes again, empty") {
  Builder b;
  for (Lsn lsn = 101; lsn < 110; ++lsn) b.confirmed(lsn, 1, lsn);
  auto built = b.builder.close(110);
  const auto* memory = built.changes.data();
  b.builder.reuse(std::move(built.changes));
  b.outcome();
  CHECK(b.builder.close(110).changes.empty());
  b.confirmed(1, 1, 110);
  const auto next = b.builder.close(111);
  CHECK(next.changes.size() == 1);
  CHECK(next.changes.data() == memory);
}
