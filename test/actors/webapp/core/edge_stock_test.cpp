// What a webapp knows of sold-out items, and for how long it believes it.

#include "actors/webapp/core/edge_stock.h"

#include <doctest/doctest.h>

#include <map>
#include <random>
#include <string>

#include "test/support/random_run.h"

using namespace stampede::actors;

namespace {

constexpr std::int64_t kSecond = 1'000'000;
constexpr Lsn kBegin = 100;

struct Fixture : NoticeOutput {
  void notice(const StockNotice& notice) override {
    told += std::to_string(notice.item) + (notice.left > 0 ? "+" : "-");
  }
  static ItemRow row(std::uint64_t item, std::int64_t left, Lsn seq) {
    ItemRow row;
    row.item = item;
    row.left = left;
    row.seq = seq;
    return row;
  }
  void refresh(Lsn upto, const std::vector<ItemRow>& rows = {}, bool anew = false,
               bool more = false) {
    asked = stock.ask(now);
    stock.on_changes({upto, more, anew}, rows);
  }
  [[nodiscard]] bool sold_out(std::uint64_t item = 1) { return stock.sold_out(item, now); }

  std::int64_t now = 10 * kSecond;
  std::string told;
  Lsn asked = 0;
  EdgeStock stock{*this, kSecond, 3};
};

}  // namespace

TEST_CASE_FIXTURE(Fixture, "nothing is known before the backend has answered") {
  stock.on_row(row(1, 0, 105));
  stock.on_nothing_left(1, 106);
  CHECK_FALSE(sold_out());
  CHECK_FALSE(stock.any());
}

TEST_CASE_FIXTURE(Fixture, "an item is sold out by its news until newer ones say otherwise") {
  refresh(kBegin, {}, true);
  stock.on_row(row(1, 0, 105));
  CHECK(sold_out());
  CHECK_FALSE(sold_out(2));
  stock.on_row(row(1, 5, 104));  // late
  CHECK(sold_out());
  stock.on_row(row(1, 5, 106));
  CHECK_FALSE(sold_out());
  CHECK(told == "1-1+");
}

TEST_CASE_FIXTURE(Fixture, "an item is sold out by a rejection, and comes back behind it") {
  refresh(kBegin, {}, true);
  stock.on_nothing_left(1, 110);
  CHECK(sold_out());
  stock.on_row(row(1, 0, 105));  // what the rejection came from
  stock.on_row(row(1, 3, 111));
  CHECK_FALSE(sold_out());
}

TEST_CASE_FIXTURE(Fixture, "what changed behind the last answer puts lost news right") {
  refresh(kBegin, {}, true);
  stock.on_row(row(1, 0, 105));
  refresh(120, {row(1, 7, 118), row(2, 0, 119)});
  CHECK(asked == kBegin);
  CHECK_FALSE(sold_out(1));
  CHECK(sold_out(2));
  refresh(130);
  CHECK(asked == 120);
}

TEST_CASE_FIXTURE(Fixture, "what is older than the last answer is not believed") {
  refresh(kBegin, {}, true);
  refresh(120, {row(1, 7, 118)});
  stock.on_row(row(1, 0, 105));
  stock.on_nothing_left(1, 106);
  CHECK_FALSE(sold_out());
  stock.on_nothing_left(1, 121);
  CHECK(sold_out());
}

TEST_CASE_FIXTURE(Fixture, "a new epoch ends all that was known") {
  refresh(kBegin, {}, true);
  stock.on_row(row(1, 0, 105));
  stock.begin_anew();
  CHECK_FALSE(stock.any());
  stock.on_row(row(1, 0, 106));
  CHECK_FALSE(sold_out());
  CHECK(stock.due(now));
  refresh(1000, {}, true);
  CHECK(asked == 0);
  CHECK_FALSE(sold_out());
}

TEST_CASE_FIXTURE(Fixture, "a backend that does not reach back so far ends all that was known") {
  refresh(kBegin, {}, true);
  stock.on_row(row(1, 0, 105));
  refresh(500, {}, true);
  CHECK_FALSE(stock.any());
}

TEST_CASE_FIXTURE(Fixture, "what was not confirmed for five times is not used") {
  refresh(kBegin, {}, true);
  stock.on_row(row(1, 0, 105));
  now += 5 * kSecond;
  CHECK(sold_out());
  now += 1;
  CHECK_FALSE(sold_out());
  refresh(120);
  CHECK(sold_out());
}

TEST_CASE_FIXTURE(Fixture, "an answer is as old as its question, and as its last page") {
  refresh(kBegin, {}, true);
  stock.on_row(row(1, 0, 105));
  const auto begun = now;
  now = begun + 5 * kSecond;
  static_cast<void>(stock.ask(now));
  now += kSecond;
  stock.on_changes({110, true, false}, {});
  CHECK_FALSE(sold_out());  // there is more to be heard
  CHECK(stock.due(now));
  static_cast<void>(stock.ask(now));
  const auto asked_at = now;
  now += kSecond;
  stock.on_changes({120, false, false}, {});
  CHECK(sold_out());
  now = asked_at + 5 * kSecond + 1;
  CHECK_FALSE(sold_out());
}

TEST_CASE_FIXTURE(Fixture, "it is asked once in its time, whatever becomes of the question") {
  CHECK(stock.due(now));
  static_cast<void>(stock.ask(now));
  CHECK_FALSE(stock.due(now + 10 * kSecond));
  CHECK(stock.asking());
  stock.not_answered();
  CHECK_FALSE(stock.due(now + kSecond - 1));
  CHECK(stock.due(now + kSecond));
}

TEST_CASE_FIXTURE(Fixture,
                  "all webapps ask at the same moments, however late each of them came to it") {
  now += 3'000;
  static_cast<void>(stock.ask(now));
  stock.not_answered();
  CHECK_FALSE(stock.due(11 * kSecond - 1));
  CHECK(stock.due(11 * kSecond));
}

TEST_CASE_FIXTURE(Fixture, "of more items than there is room for, those asked for last are kept") {
  refresh(kBegin, {}, true);
  for (std::uint64_t item = 1; item <= 3; ++item) stock.on_row(row(item, 0, 100 + item));
  CHECK(sold_out(1));
  stock.on_row(row(4, 0, 104));
  CHECK(stock.marks() == 3);
  CHECK_FALSE(sold_out(2));
  CHECK(sold_out(1));
  CHECK(sold_out(4));
}

TEST_CASE_FIXTURE(Fixture, "who was told sold out is told when it is back, with no mark left") {
  refresh(kBegin, {}, true);
  for (std::uint64_t item = 1; item <= 4; ++item) stock.on_row(row(item, 0, 100 + item));
  CHECK(stock.marks() == 3);  // item 1 has none any more
  stock.on_row(row(1, 5, 99));
  CHECK(told == "1-2-3-4-");
  stock.on_row(row(1, 5, 110));
  stock.on_row(row(1, 4, 111));
  CHECK(told == "1-2-3-4-1+");
  told.clear();
  stock.begin_anew();
  refresh(200, {}, true);
  CHECK(told.empty());
  CHECK_FALSE(sold_out(2));
  stock.on_row(row(2, 5, 201));
  stock.on_row(row(9, 5, 202));  // of which nothing was told
  CHECK(told == "2+");
  stock.on_row(row(3, 0, 203));
  refresh(500, {}, true);
  stock.on_row(row(3, 1, 501));
  CHECK(told == "2+3-3+");
}

TEST_CASE_FIXTURE(Fixture,
                  "what is not known any more of those that were told is asked for, once") {
  refresh(kBegin, {}, true);
  for (std::uint64_t item = 1; item <= 3; ++item) stock.on_row(row(item, 0, 100 + item));
  CHECK_FALSE(stock.doubt().has_value());
  stock.begin_anew();
  refresh(200, {}, true);
  stock.on_row(row(2, 0, 201));  // is known by itself
  std::string doubted;
  for (auto item = stock.doubt(); item; item = stock.doubt()) doubted += std::to_string(*item);
  CHECK((doubted == "13" || doubted == "31"));
  stock.doubt_again(3);
  stock.doubt_again(77);
  CHECK_FALSE(stock.doubt().has_value());
  refresh(210);
  CHECK(stock.doubt() == 3U);
  CHECK_FALSE(stock.doubt().has_value());
  stock.on_row(row(3, 2, 199));  // it came back before the new epoch
  CHECK(told == "1-2-3-2-3+");
}

TEST_CASE("without a time to ask, or room, nothing is asked, and nothing known") {
  Fixture with;
  for (const bool room : {false, true}) {
    EdgeStock stock(with, room ? 0 : kSecond, room ? 10 : 0);
    CHECK_FALSE(stock.due(kSecond));
    stock.on_row(Fixture::row(1, 0, 5));
    CHECK_FALSE(stock.any());
  }
}

// News lost, late and doubled, answers late: behind each answer that has all, marks are what is so.
TEST_CASE("whatever becomes of the news, an answer puts all of it right") {
  const auto seed = stampede::test::seed_of_run();
  CAPTURE(seed);
  std::mt19937_64 random(seed);
  const auto below = [&](std::uint64_t end) { return random() % end; };
  for (int round = 0; round < 300; ++round) {
    Fixture with;
    EdgeStock stock(with, kSecond, 100);
    std::map<std::uint64_t, std::pair<std::int64_t, Lsn>> truth;  // left, seq
    std::vector<ItemRow> under_way;
    Lsn lsn = kBegin;
    Lsn since = 0;
    std::int64_t now = kSecond;
    for (int step = 0; step < 60; ++step) {
      const auto item = 1 + below(4);
      truth[item] = {static_cast<std::int64_t>(below(2)), ++lsn};
      if (below(2) == 0)
        under_way.push_back(Fixture::row(item, truth[item].first, truth[item].second));
      if (!under_way.empty() && below(2) == 0) {
        const auto at = below(under_way.size());
        stock.on_row(under_way[at]);
        if (below(2) == 0) under_way.erase(under_way.begin() + static_cast<std::ptrdiff_t>(at));
      }
      if (below(5) != 0) continue;
      since = stock.ask(now += kSecond);
      std::vector<ItemRow> rows;
      for (const auto& [id, state] : truth)
        if (since != 0 && state.second > since)
          rows.push_back(Fixture::row(id, state.first, state.second));
      stock.on_changes({lsn, false, since == 0}, rows);
      for (const auto& [id, state] : truth)
        if (stock.marked(id)) REQUIRE(state.first == 0);
    }
  }
}
