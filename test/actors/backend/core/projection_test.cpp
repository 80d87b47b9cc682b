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
  change.put = item_details(put, lsn);
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
    std::vector<OutcomeRecord> outcomes;
    projection.done(0, failed, outcomes);
  }

  Projection projection;
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
