// A webapp's own copy of the items: what it says, what it asks, what it leaves to the backend.

#include "actors/webapp/core/item_copy.h"

#include <doctest/doctest.h>

#include <map>
#include <random>
#include <string>

#include "test/support/random_run.h"

using namespace stampede::actors;
using Rows = std::vector<ItemRow>;

namespace {

constexpr std::int64_t kNow = 1'000'000;

ItemRow row(std::uint64_t item, std::int64_t left, Lsn seq, std::string_view name = "Phone") {
  ItemRow row;
  row.item = item;
  row.terms.name = name;
  row.terms.total = 100;
  row.left = left;
  row.seq = seq;
  return row;
}

ItemRow whole(ItemRow row, std::string_view description) {
  row.sale.description = description;
  return row;
}

ItemRow in_promo(ItemRow row, std::int64_t starts_at_ms, std::int64_t ends_at_ms) {
  row.promo = ShownPromo{7, "half", 50, starts_at_ms, ends_at_ms, PromoState::ended};
  return row;
}

struct Page {
  bool known = false;
  std::string items;  // "1:5 2:6", with what is left
  std::optional<std::uint64_t> next;
};

struct Fixture {
  Page page(std::uint64_t from = 0, std::size_t limit = 500, std::int64_t wall_ms = kNow) {
    Page page;
    Rows rows;
    page.known = copy.page(from, limit, wall_ms, rows, page.next);
    for (const auto& one : rows) {
      page.items += page.items.empty() ? "" : " ";
      page.items += std::to_string(one.item) + ":" + std::to_string(one.left);
      CHECK(one.sale.description.empty());
    }
    return page;
  }
  std::optional<ItemRow> item(std::uint64_t id, std::int64_t wall_ms = kNow) {
    found.clear();
    if (!copy.item(id, wall_ms, found)) return std::nullopt;
    return found.front();
  }
  void fill(const Rows& all) {
    copy.on_changes({100, false, true}, {});
    copy.on_page(all, std::nullopt);
  }

  Rows found;
  ItemCopy copy{4};
};

}  // namespace

TEST_CASE_FIXTURE(Fixture, "pages are asked for one after the other, until all is known") {
  copy.on_changes({100, false, true}, {});
  CHECK_FALSE(page().known);
  REQUIRE(copy.wish().has_value());
  CHECK((copy.wish()->item == 0 && !copy.wish()->alone));
  copy.on_page({row(1, 5, 10), row(2, 6, 11)}, 3);
  CHECK(copy.wish()->item == 3);
  CHECK_FALSE(page().known);
  copy.on_page({row(3, 7, 12)}, std::nullopt);
  CHECK_FALSE(copy.wish().has_value());
  CHECK(page().items == "1:5 2:6 3:7");
  CHECK(page(2, 1).items == "2:6");
  CHECK(page(2, 1).next == 3U);
  CHECK_FALSE(page(2, 2).next.has_value());
  CHECK(page(9).known);
}

TEST_CASE_FIXTURE(Fixture, "what changed while pages came is there, whichever came first") {
  copy.on_changes({100, false, true}, {});
  copy.on_page({row(1, 5, 10)}, 2);
  copy.on_changes({120, false, false}, {row(1, 4, 110), row(9, 1, 111)});
  copy.on_page({row(2, 6, 11), row(9, 1, 111)}, std::nullopt);
  CHECK(page().items == "1:4 2:6 9:1");
}

TEST_CASE_FIXTURE(Fixture, "one item is told when its texts are known, which are asked for then") {
  fill({row(1, 5, 10)});
  CHECK_FALSE(item(1).has_value());
  REQUIRE(copy.wish().has_value());
  CHECK((copy.wish()->item == 1 && copy.wish()->alone));
  const auto known = whole(row(1, 5, 10), "a phone");
  copy.on_item(1, &known);
  CHECK_FALSE(copy.wish().has_value());
  CHECK(item(1)->sale.description == "a phone");
  copy.on_changes({120, false, false}, {row(1, 4, 110)});
  CHECK((item(1)->left == 4 && item(1)->sale.description == "a phone"));
  copy.on_changes({130, false, false, {0}}, {row(1, 4, 125)});
  CHECK_FALSE(item(1).has_value());
  CHECK(copy.wish()->item == 1);
}

TEST_CASE_FIXTURE(Fixture, "news are believed when they are newer, and say nothing of texts") {
  fill({row(1, 5, 10)});
  const auto known = in_promo(whole(row(1, 5, 10), "a phone"), 0, 2 * kNow);
  copy.on_item(1, &known);
  copy.on_news(row(1, 3, 112, "Telephone"));
  copy.on_news(row(1, 4, 111));
  CHECK(page().items == "1:3");
  CHECK(item(1)->terms.name == "Telephone");
  CHECK(item(1)->sale.description == "a phone");
  CHECK(item(1)->promo->promo == 7);
  copy.on_changes({111, false, false}, {row(1, 4, 111)});  // asked before the news came
  CHECK(item(1)->left == 3);
  CHECK_FALSE(item(1)->promo.has_value());
}

TEST_CASE_FIXTURE(Fixture, "an item that is new comes with its news where all are held") {
  fill({row(1, 5, 10)});
  copy.on_news(row(2, 4, 113));
  CHECK(page().items == "1:5 2:4");
  CHECK_FALSE(item(2).has_value());  // its texts are asked for
  ItemCopy filling(2);               // page by page: what is not known yet may not be new
  filling.on_news(row(2, 4, 113));
  CHECK(filling.size() == 0);
}

TEST_CASE_FIXTURE(Fixture, "a promo begins by the clock, and its end is the backend's to follow") {
  fill({in_promo(row(1, 5, 10), kNow, kNow + 10), row(2, 6, 11)});
  auto known = in_promo(whole(row(1, 5, 10), ""), kNow, kNow + 10);
  copy.on_item(1, &known);
  CHECK(item(1, kNow - 1)->promo->state == PromoState::coming);
  CHECK(item(1, kNow)->promo->state == PromoState::running);
  CHECK(item(1, kNow + 9)->promo->name == "half");
  CHECK_FALSE(item(1, kNow + 10).has_value());
  CHECK_FALSE(page(0, 500, kNow + 10).known);
  CHECK(page(2, 500, kNow + 10).items == "2:6");
  REQUIRE(copy.wish().has_value());
  CHECK(copy.wish()->item == 1);
  known = whole(row(1, 5, 10), "");
  copy.on_item(1, &known);
  CHECK_FALSE(item(1, kNow + 10)->promo.has_value());
  CHECK(page(0, 500, kNow + 10).known);
}

TEST_CASE_FIXTURE(Fixture, "promos of a page that end together are asked for together") {
  fill({row(1, 5, 10), in_promo(row(2, 6, 11), kNow, kNow + 10),
        in_promo(row(3, 7, 12), kNow, kNow + 10), in_promo(row(4, 8, 13), kNow, kNow + 10)});
  CHECK(page().known);
  CHECK_FALSE(copy.wish().has_value());
  CHECK_FALSE(page(3, 500, kNow + 10).known);
  CHECK_FALSE(page(0, 500, kNow + 10).known);
  REQUIRE(copy.wish().has_value());
  CHECK((copy.wish()->item == 2 && !copy.wish()->alone && copy.wish()->renewal));
  copy.on_renewed({row(2, 6, 11), row(3, 7, 12), row(4, 8, 13)});
  CHECK_FALSE(copy.wish().has_value());
  CHECK(page(0, 500, kNow + 10).items == "1:5 2:6 3:7 4:8");
  CHECK(copy.whole());
}

TEST_CASE_FIXTURE(Fixture, "a backend whose clock is behind is not asked over and over") {
  const auto over = in_promo(row(1, 5, 10), kNow, kNow + 10);
  fill({over});
  CHECK_FALSE(page(0, 500, kNow + 10).known);
  copy.on_renewed({over});
  CHECK_FALSE(page(0, 500, kNow + 11).known);
  CHECK_FALSE(copy.wish().has_value());
  CHECK_FALSE(page(0, 500, kNow + 110).known);
  CHECK(copy.wish().has_value());
  copy.on_renewed({row(1, 5, 10)});
  CHECK(page(0, 500, kNow + 110).known);
}

TEST_CASE_FIXTURE(Fixture, "of more items than there is room for those asked for last are kept") {
  copy.on_changes({100, false, true}, {});
  copy.on_page({row(1, 1, 1), row(2, 2, 2), row(3, 3, 3), row(4, 4, 4), row(5, 5, 5)}, 6);
  CHECK_FALSE(copy.wish().has_value());
  CHECK(copy.size() == 4);
  CHECK_FALSE(page().known);
  for (const std::uint64_t id : {1U, 9U, 2U, 8U}) {
    CHECK_FALSE(item(id).has_value());
    const auto known = whole(row(id, 1, 1), "");
    copy.on_item(id, &known);
    CHECK(item(id).has_value());
  }
  CHECK(copy.size() == 4);
  CHECK_FALSE(item(3).has_value());
  CHECK_FALSE(item(4).has_value());
  CHECK(item(1).has_value());
  copy.on_changes({120, false, false}, {row(7, 1, 110), row(9, 3, 111)});
  CHECK(item(9)->left == 3);
  CHECK_FALSE(page().known);
}

TEST_CASE_FIXTURE(Fixture, "items that are added fill it up, and then pages are the backend's") {
  fill({row(1, 1, 1)});
  copy.on_changes({120, false, false},
                  {row(2, 1, 111), row(3, 1, 112), row(4, 1, 113), row(5, 1, 114)});
  CHECK(copy.size() == 4);
  CHECK_FALSE(page().known);
  CHECK_FALSE(copy.wish().has_value());
}

TEST_CASE_FIXTURE(Fixture, "a new beginning forgets all of it") {
  fill({row(1, 1, 1)});
  CHECK(page().known);
  copy.on_changes({500, false, true}, {});
  CHECK_FALSE(page().known);
  CHECK(copy.size() == 0);
  CHECK(copy.wish()->item == 0);
}

TEST_CASE_FIXTURE(Fixture, "who asks for what is not there makes it ask no more than before") {
  fill({row(1, 1, 1)});
  CHECK_FALSE(item(77).has_value());
  CHECK_FALSE(copy.wish().has_value());
  copy.on_changes({120, false, false},
                  {row(2, 1, 111), row(3, 1, 112), row(4, 1, 113), row(5, 1, 114)});
  for (std::uint64_t id = 100; id < 1000; ++id) CHECK_FALSE(item(id).has_value());
  int wishes = 0;
  for (; copy.wish(); ++wishes) copy.on_item(copy.wish()->item, nullptr);
  CHECK(wishes == 64);
}

TEST_CASE("without room nothing is asked for, and nothing known") {
  ItemCopy copy(0);
  CHECK_FALSE(copy.wish().has_value());
  copy.on_page({row(1, 1, 1)}, std::nullopt);
  Rows found;
  CHECK_FALSE(copy.item(1, kNow, found));
  CHECK_FALSE(copy.wish().has_value());
}

// A backend whose items change all the time; answers come in the order of the questions, news at
// any time, twice or never. Behind each answer to what changed the copy is what was so then, or
// newer.
TEST_CASE("whatever becomes of the news, the copy is what the last answer said, or newer") {
  const auto seed = stampede::test::seed_of_run();
  CAPTURE(seed);
  std::mt19937_64 random(seed);
  const auto below = [&](std::uint64_t end) { return random() % end; };
  for (int round = 0; round < 200; ++round) {
    ItemCopy copy(6);
    std::map<std::uint64_t, ItemRow> truth;
    std::vector<ItemRow> under_way;
    std::map<std::uint64_t, bool> told_anew;
    Lsn lsn = 100, upto = 0;
    for (int step = 0; step < 80; ++step) {
      const auto id = 1 + below(6);
      auto& item = truth[id];
      item = row(id, static_cast<std::int64_t>(below(100)), ++lsn);
      if (below(3) == 0) told_anew[id] = true;
      if (below(2) == 0) under_way.push_back(item);
      if (!under_way.empty() && below(2) == 0) copy.on_news(under_way[below(under_way.size())]);
      if (upto != 0 && copy.wish() && below(2) == 0) {
        const auto wish = *copy.wish();
        if (wish.alone) {
          const auto found = truth.find(wish.item);
          copy.on_item(wish.item, found == truth.end() ? nullptr : &found->second);
        } else {
          Rows page;
          for (auto at = truth.lower_bound(wish.item); at != truth.end() && page.size() < 2; ++at)
            page.push_back(at->second);
          const auto after = page.empty() ? truth.end() : truth.upper_bound(page.back().item);
          copy.on_page(page, after == truth.end() ? std::nullopt : std::optional(after->first));
        }
      }
      if (below(3) != 0) continue;
      Rows changed;
      ItemChanges changes{lsn, false, upto == 0};
      for (const auto& [key, now] : truth)
        if (upto != 0 && now.seq > upto) {
          if (told_anew[key]) changes.terms.push_back(static_cast<std::uint32_t>(changed.size()));
          changed.push_back(now);
        }
      told_anew.clear();
      upto = lsn;
      copy.on_changes(changes, changed);
      Rows rows;
      std::optional<std::uint64_t> next;
      if (!copy.page(0, 500, kNow, rows, next)) continue;
      REQUIRE(rows.size() == truth.size());
      for (const auto& held : rows) {
        REQUIRE(held.seq == truth[held.item].seq);
        REQUIRE(held.left == truth[held.item].left);
      }
    }
  }
}
