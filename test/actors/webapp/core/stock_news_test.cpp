// What subscribers of stock topics are told, and how much at most.

#include "actors/webapp/core/stock_news.h"

#include <doctest/doctest.h>

#include <vector>

using namespace stampede::actors;

namespace {

struct News : NewsOutput {
  void publish(const ItemRow& row) override { told.push_back(row); }
  void ask_item(std::uint64_t item) override { asked.push_back(item); }

  void subscribe(const std::string& topic) { news.on_subscription("\x01" + topic); }
  void unsubscribe(const std::string& topic) { news.on_subscription(std::string(1, '\0') + topic); }
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
