// A map that forgets what was not used for longest.

#include "actors/memory/recent_table.h"

#include <doctest/doctest.h>

using namespace stampede::actors;
using Table = RecentTable<int, char>;

TEST_CASE("of more entries than there is room for, those that were not used go") {
  Table table(2);
  table.add(1, 'a');
  table.add(2, 'b');
  REQUIRE(table.use(1) != nullptr);
  table.add(3, 'c');
  CHECK(table.find(2) == nullptr);
  CHECK(*table.find(1) == 'a');
  CHECK(*table.find(3) == 'c');
  CHECK(table.size() == 2);
}

TEST_CASE("looking is not using") {
  Table table(2);
  table.add(1, 'a');
  table.add(2, 'b');
  REQUIRE(table.find(1) != nullptr);
  table.add(3, 'c');
  CHECK(table.find(1) == nullptr);
}

TEST_CASE("what is erased makes room, and is gone") {
  Table table(1);
  table.add(1, 'a');
  CHECK(table.erase(1));
  CHECK_FALSE(table.erase(1));
  CHECK(table.empty());
  table.add(2, 'b');
  CHECK(*table.use(2) == 'b');
  table.clear();
  CHECK(table.use(2) == nullptr);
}

TEST_CASE("a table without room keeps nothing") {
  Table table(0);
  table.add(1, 'a');
  CHECK(table.empty());
}
