// What each user has bought of an item.

#include "actors/sale/user_totals.h"

#include <doctest/doctest.h>

#include "test/actors/sale/saved_entries.h"

using namespace stampede;
using namespace stampede::actors;

TEST_CASE("units of one user on one item add up, those of others do not") {
  UserTotals totals;
  CHECK(totals.bought(1) == 0);
  totals.add(1, 2);
  totals.add(2, 5);
  totals.add(1, 3);
  CHECK(totals.bought(1) == 5);
  CHECK(totals.bought(2) == 5);
  CHECK(totals.bought(3) == 0);
}

TEST_CASE("totals are saved in the order in which they came about, and go on from there") {
  UserTotals totals;
  for (std::uint64_t key = 1000; key > 0; --key) totals.add(key, 1);
  SavedEntries saved;
  totals.save(saved);
  storage::SnapshotSummary summary;
  totals.count(summary);
  CHECK(summary.users == 1000);

  UserTotals loaded;
  loaded.reserve(summary);
  saved.each<storage::SnapshotUser>([&](auto, const auto& entry) { loaded.append(entry); });
  SavedEntries again;
  loaded.save(again);
  CHECK(again.entries == saved.entries);
  loaded.add(7, 2);
  CHECK(loaded.bought(7) == 3);
}
