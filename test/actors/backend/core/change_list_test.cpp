// Which items changed behind an lsn.

#include "actors/backend/core/change_list.h"

#include <doctest/doctest.h>

#include <random>
#include <set>

#include "test/support/random_run.h"

using namespace stampede::actors;
using Items = std::vector<std::uint64_t>;

namespace {

constexpr Lsn kBegin = 100;

struct Asked {
  ItemChanges changes;
  Items items;
};

Asked ask(const ChangeList& list, Lsn since, Lsn durable, std::size_t limit = 500) {
  Asked asked;
  asked.changes = list.behind(since, durable, limit, asked.items);
  return asked;
}

}  // namespace

TEST_CASE("what changed behind an lsn is told once, the longest ago first") {
  ChangeList list;
  list.begin(kBegin);
  list.note(7, 101);
  list.note(5, 102);
  list.note(7, 104);
  const auto all = ask(list, kBegin, 110);
  CHECK(all.items == Items{7, 5});
  CHECK(all.changes.upto == 110);
  CHECK_FALSE(all.changes.more);
  CHECK_FALSE(all.changes.anew);
  CHECK(ask(list, 102, 110).items == Items{7});
  CHECK(ask(list, 104, 110).items.empty());
}

TEST_CASE("who asks for what lies before the list, or has not come yet, begins anew") {
  ChangeList list;
  list.begin(kBegin);
  list.note(7, 101);
  for (const Lsn since : {Lsn{0}, kBegin - 1, Lsn{111}}) {
    const auto asked = ask(list, since, 110);
    CHECK(asked.changes.anew);
    CHECK(asked.changes.upto == 110);
    CHECK(asked.items.empty());
  }
}

TEST_CASE("the oldest changes go, and who has not heard of them begins anew") {
  ChangeList list(3);
  list.begin(kBegin);
  for (Lsn lsn = 101; lsn <= 104; ++lsn) list.note(lsn, lsn);
  CHECK(ask(list, 100, 110).changes.anew);
  CHECK(ask(list, 101, 110).items == Items{102, 103, 104});
}

TEST_CASE("page by page nothing that changed is left out, whatever changes meanwhile") {
  const auto seed = stampede::test::seed_of_run();
  CAPTURE(seed);
  std::mt19937_64 random(seed);
  for (int round = 0; round < 200; ++round) {
    ChangeList list;
    list.begin(kBegin);
    std::set<std::uint64_t> untold;
    Lsn lsn = kBegin, since = kBegin;
    for (int step = 0; step < 100; ++step) {
      for (auto changes = random() % 4; changes > 0; --changes) {
        const auto item = 1 + random() % 6;
        list.note(item, ++lsn);
        untold.insert(item);
      }
      const auto page = ask(list, since, lsn, 1 + random() % 3);
      for (const auto item : page.items) untold.erase(item);
      REQUIRE(page.changes.upto >= since);
      REQUIRE_FALSE(page.changes.anew);
      since = page.changes.upto;
      if (!page.changes.more) REQUIRE(untold.empty());
    }
  }
}
