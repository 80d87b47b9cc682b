// Which items the metrics show.

#include "actors/backend/core/busy_items.h"

#include <doctest/doctest.h>

#include <vector>

using namespace stampede::actors;

namespace {

// Items whose ids are 1000 + position, each with `total` units of which `left` are left.
void fill(ItemTable& table, std::uint32_t count, std::int64_t total, std::int64_t left) {
  for (std::uint32_t i = 0; i < count; ++i) {
    auto& item = table[table.add(1'000 + i)];
    table.set_terms(item, {"name", 1, total, 0, 5});
    item.amount = left;
  }
}

std::vector<std::uint64_t> ids(const std::vector<BusyItem>& items) {
  std::vector<std::uint64_t> made;
  for (const auto& item : items) made.push_back(item.item);
  return made;
}

}  // namespace

TEST_CASE("the items with most orders come first, and no more than a hundred") {
  ItemTable table;
  fill(table, 300, 10, 4);
  BusyItems busy;
  for (std::uint32_t i = 0; i < 300; ++i)
    for (std::uint32_t times = 0; times < (i * 7) % 300; ++times) busy.note(i);
  REQUIRE(busy.walk(table, 300));
  const auto shown = ids(busy.busiest(table));
  REQUIRE(shown.size() == BusyItems::kShown);
  std::vector<std::uint64_t> expected;
  for (std::uint32_t orders = 299; expected.size() < BusyItems::kShown; --orders)
    for (std::uint32_t i = 0; i < 300; ++i)
      if ((i * 7) % 300 == orders) expected.push_back(1'000 + i);
  CHECK(shown == expected);
  CHECK(busy.left() == 300 * 4);
  CHECK(busy.sold() == 300 * 6);
}

TEST_CASE("items nobody ordered are shown while there is room") {
  ItemTable table;
  fill(table, 3, 10, 10);
  BusyItems busy;
  busy.note(2);
  REQUIRE(busy.walk(table, 1'000));
  CHECK(ids(busy.busiest(table)) == std::vector<std::uint64_t>{1'002, 1'000, 1'001});
}

TEST_CASE("a walk goes on where it stood, and the next begins anew") {
  ItemTable table;
  fill(table, 10, 10, 1);
  BusyItems busy;
  CHECK_FALSE(busy.walk(table, 4));
  CHECK(busy.busiest(table).empty());
  CHECK_FALSE(busy.walk(table, 4));
  CHECK(busy.walk(table, 4));
  CHECK(busy.left() == 10);
  busy.note(9);
  table[9].amount = 0;
  CHECK_FALSE(busy.walk(table, 9));
  CHECK(busy.left() == 10);  // as of the last whole walk
  CHECK(busy.walk(table, 9));
  CHECK(busy.left() == 9);
  CHECK(busy.busiest(table).front().item == 1'009);
  CHECK(busy.busiest(table).front().sold == 10);
}

TEST_CASE("without items there is nothing to walk over") {
  const ItemTable none;
  BusyItems busy;
  CHECK(busy.walk(none, 10));
  CHECK(busy.busiest(none).empty());
}
