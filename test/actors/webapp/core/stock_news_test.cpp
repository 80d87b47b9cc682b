// What subscribers of stock topics are told, and how much at most.

#include "actors/webapp/core/stock_news.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <string>
#include <vector>

using namespace stampede::actors;

namespace {

struct News : NewsOutput {
  void publish(const ItemRow& row) override { told.push_back(row); }
  void ask_item(std::uint64_t item) override {
    asked.push_back(item);
    if (answers) answer(item);
  }

  void subscribe(const std::string& topic) { news.on_subscription("\x01" + topic); }
  void unsubscribe(const std::string& topic) { news.on_subscription(std::string(1, '\0') + topic); }
  static std::string topic(std::uint64_t item) { return "stock/" + std::to_string(item) + "/"; }
  void answer(std::uint64_t item) {
    const ItemRow row{item, {"name", 1, 100, 0, 5}, 7, 1};
    news.on_answer(item, item < first_unknown ? &row : nullptr);
  }
  [[nodiscard]] bool was_told(std::uint64_t item, std::int64_t left) const {
    return std::any_of(told.begin(), told.end(),
                       [&](const ItemRow& row) { return row.item == item && row.left == left; });
  }
  void row(std::uint64_t item, std::int64_t left, Lsn seq) {
    news.on_row(ItemRow{item, {"name", 1, 100, 0, 5}, left, seq});
  }
  void pass(std::int64_t ms) {
    for (const auto end = now + ms * 1000; now < end;) {
      now += 5000;
      news.on_tick(now);
    }
  }
  std::vector<ItemRow> told;
  std::vector<std::uint64_t> asked;
  std::int64_t now = 1'000'000'000;
  bool answers = false;  // each question, at once
  std::uint64_t first_unknown = 1'000'000;
  StockNews news{*this};
};

}  // namespace

TEST_CASE("topics are stock/<item>/ and nothing else") {
  std::uint64_t item = 0;
  CHECK(parse_stock_topic("stock/0/", item));
  CHECK(parse_stock_topic("stock/9223372036854775807/", item));
  CHECK(item == kItemIdMax);
  for (const char* wrong : {"", "stock", "stock/", "stock//", "stock/1", "stock/01/", "stock/-1/",
                            "stock/1/2/", "stock/x/", "stock/9223372036854775808/", "node/1/"})
    CHECK_FALSE(parse_stock_topic(wrong, item));
}

TEST_CASE("a newcomer is told the present value soon") {
  News news;
  news.subscribe("stock/1/");
  news.pass(10);
  REQUIRE(news.asked == std::vector<std::uint64_t>{1});
  news.row(1, 7, 5);
  news.pass(10);
  REQUIRE(news.told.size() == 1);
  CHECK(news.told[0].left == 7);
}

TEST_CASE("who joins a topic of others is told soon, however many join") {
  News news;
  news.answers = true;
  news.subscribe(News::topic(1));
  news.pass(300);
  REQUIRE(news.told.size() == 1);
  news.subscribe(News::topic(1));
  news.pass(10);
  CHECK(news.told.size() == 2);
  for (int i = 0; i < 20; ++i) {  // a thousand newcomers in a fifth of a second
    for (int peer = 0; peer < 50; ++peer) news.subscribe(News::topic(1));
    news.pass(10);
  }
  CHECK(news.told.size() == 2);
  news.pass(100);
  CHECK(news.told.size() == 3);
}

TEST_CASE("made-up topics delay no repeat") {
  News news;
  news.answers = true;
  news.subscribe(News::topic(1));
  for (std::uint64_t i = 0; i < kNewsTopicsMax - 1; ++i)
    news.subscribe(News::topic(news.first_unknown + i));
  news.pass(10'000);
  CHECK(news.told.size() >= 9);
}

TEST_CASE("changes are told to subscribers, never out of order, and to nobody else") {
  News news;
  news.subscribe("stock/1/");
  news.row(1, 7, 5);
  news.row(2, 7, 5);
  news.pass(5);
  news.row(1, 8, 4);
  news.row(1, 6, 6);
  news.pass(5);
  REQUIRE(news.told.size() == 2);
  CHECK(news.told[1].left == 6);
}

TEST_CASE(
    "a subscribed topic repeats its value about once a second, and stops when nobody listens") {
  News news;
  news.subscribe("stock/1/");
  news.row(1, 7, 5);
  news.pass(3500);
  CHECK(news.told.size() == 4);
  news.unsubscribe("stock/1/");
  news.told.clear();
  news.pass(3000);
  CHECK(news.told.empty());
  CHECK(news.news.idle());
}

TEST_CASE("a value is asked for again now and then, because news may be lost") {
  News news;
  news.subscribe("stock/1/");
  news.pass(10);
  news.row(1, 7, 5);
  news.pass(5500);
  CHECK(news.asked.size() == 2);
}

TEST_CASE("at most 1000 messages a second leave, the newest value of each item") {
  News news;
  for (int item = 0; item < 2000; ++item) news.subscribe("stock/" + std::to_string(item) + "/");
  news.pass(1000);
  news.told.clear();
  for (int round = 0; round < 10; ++round) {
    for (std::uint64_t item = 0; item < 2000; ++item)
      news.row(item, 10 - round, static_cast<Lsn>(round + 1));
    news.pass(100);
  }
  CHECK(news.told.size() <= 1100);
  CHECK(news.told.size() >= 900);
}

TEST_CASE("topics are bounded and malformed ones counted") {
  News news;
  news.subscribe("stock/1");
  CHECK(news.news.counters().topics_refused == 1);
  for (std::size_t item = 0; item <= kNewsTopicsMax; ++item)
    news.subscribe("stock/" + std::to_string(item) + "/");
  CHECK(news.news.topics() == kNewsTopicsMax);
  CHECK(news.news.counters().topics_refused == 2);
}

TEST_CASE("who subscribes to all hears every change once") {
  News news;
  news.subscribe("stock/");
  news.row(1, 7, 5);
  news.row(2, 7, 6);
  news.pass(3000);
  CHECK(news.told.size() == 2);
  CHECK(news.news.idle());
}

TEST_CASE("a change is told at once, however many newcomers wait for their value") {
  News news;
  news.answers = true;
  for (std::uint64_t item = 0; item < 10'000; ++item) news.subscribe(News::topic(item));
  news.pass(1000);
  CHECK_FALSE(news.was_told(5000, 3));
  news.row(5000, 3, 2);
  news.pass(5);
  CHECK(news.was_told(5000, 3));
}

TEST_CASE("a newcomer behind thousands that wait is served at once") {
  News news;
  news.answers = true;
  for (std::uint64_t item = 0; item < 10'000; ++item) news.subscribe(News::topic(item));
  news.pass(500);
  news.subscribe(News::topic(77'777));
  news.pass(15);
  CHECK(news.was_told(77'777, 7));
}

TEST_CASE("a newcomer among made-up topics that come and go without end is served in turn") {
  for (const int a_tick : {10, 100, 1000}) {
    News news;
    news.answers = true;
    news.first_unknown = 100;
    std::uint64_t made_up = 1000;
    const auto flood = [&](int ticks) {
      for (int tick = 0; tick < ticks && !news.was_told(1, 7); ++tick) {
        for (int i = 0; i < a_tick; ++i, ++made_up) {
          news.subscribe(News::topic(made_up));
          news.unsubscribe(News::topic(made_up - 12'000));
        }
        news.pass(5);
      }
    };
    flood(100);
    news.subscribe(News::topic(1));
    flood(200);
    CAPTURE(a_tick);
    CHECK(news.was_told(1, 7));
  }
}

TEST_CASE("no more questions are open than allowed, and each answer makes room") {
  News news;
  for (std::uint64_t item = 0; item < 3000; ++item) news.subscribe(News::topic(item));
  news.pass(1000);
  CHECK(news.asked.size() == kNewsAsksMax);
  for (std::uint64_t item = 0; item < 3000; ++item) {
    news.unsubscribe(News::topic(item));
    news.subscribe(News::topic(item));
  }
  news.pass(1000);
  REQUIRE(news.asked.size() == kNewsAsksMax);
  const auto open = news.asked;
  for (const auto item : open) news.answer(item);
  news.pass(1000);
  CHECK(news.asked.size() == 2 * kNewsAsksMax);
}

TEST_CASE("a topic that was left and joined again is told nothing that is not known") {
  News news;
  for (std::uint64_t item = 1; item <= 2000; ++item) {  // more than may be told at once
    news.subscribe(News::topic(item));
    news.row(item, 7, 5);
  }
  for (std::uint64_t item = 1; item <= 2000; ++item) {
    news.unsubscribe(News::topic(item));
    news.subscribe(News::topic(item));
  }
  news.pass(3000);
  CHECK(news.told.empty());
  CHECK(news.asked.size() == kNewsAsksMax);
}

TEST_CASE("who hears all hears a change whose subscriber left, and in spite of a full table") {
  News news;
  news.subscribe("stock/");
  news.subscribe("stock/1/");
  news.row(1, 7, 5);
  news.unsubscribe("stock/1/");
  news.pass(5);
  CHECK(news.was_told(1, 7));
  CHECK(news.news.idle());
  for (std::uint64_t item = 0; item < kNewsTopicsMax; ++item) news.subscribe(News::topic(item));
  news.row(77'777, 7, 5);
  news.pass(5);
  CHECK(news.was_told(77'777, 7));
  CHECK(news.news.counters().changes_dropped == 0);
}

TEST_CASE("what is watched is told like what is subscribed to, until neither is") {
  News news;
  news.answers = true;
  REQUIRE(news.news.watch(1));
  news.pass(100);
  CHECK(news.was_told(1, 7));
  REQUIRE(news.news.known(1) != nullptr);
  news.row(1, 5, 2);
  news.pass(100);
  CHECK(news.was_told(1, 5));
  news.subscribe(News::topic(1));
  news.news.unwatch(1);
  news.told.clear();
  news.row(1, 4, 3);
  news.pass(100);
  CHECK(news.was_told(1, 4));
  REQUIRE(news.news.watch(1));
  news.unsubscribe(News::topic(1));
  news.row(1, 3, 4);
  news.pass(100);
  CHECK(news.was_told(1, 3));
  news.news.unwatch(1);
  CHECK(news.news.idle());
  CHECK(news.news.known(1) == nullptr);
}

TEST_CASE("a subscriber hears the value of what is watched already") {
  News news;
  news.answers = true;
  REQUIRE(news.news.watch(1));
  news.pass(300);
  news.told.clear();
  news.subscribe(News::topic(1));
  news.pass(300);
  CHECK(news.was_told(1, 7));
}

TEST_CASE("watched items take the room of subscriptions") {
  News news;
  for (std::uint64_t item = 0; item < kNewsTopicsMax; ++item) REQUIRE(news.news.watch(item));
  CHECK_FALSE(news.news.watch(kNewsTopicsMax));
  CHECK(news.news.watch(3));  // is watched
  news.subscribe(News::topic(kNewsTopicsMax));
  CHECK(news.news.counters().topics_refused == 1);
  news.news.unwatch(3);
  CHECK(news.news.watch(kNewsTopicsMax));
}
