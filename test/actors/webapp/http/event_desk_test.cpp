// Who hears what over /v1/events, and how often.

#include "actors/webapp/http/event_desk.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>

using namespace stampede::actors;
using nlohmann::json;
using std::chrono::milliseconds;

namespace {

struct Wire : HttpStream {
  [[nodiscard]] bool open() const override { return is_open; }
  [[nodiscard]] bool ready() const override { return is_open && is_ready; }
  void write(std::string_view bytes) override {
    ++writes;
    heard += bytes;
  }
  void close() override { is_open = false; }
  // The data of all events since the last call.
  std::vector<json> events() {
    std::vector<json> found;
    for (std::size_t at = 0; (at = heard.find("data: ", at)) != std::string::npos; ++at)
      found.push_back(json::parse(heard.substr(at + 6, heard.find('\n', at) - at - 6)));
    heard.clear();
    return found;
  }
  bool is_open = true;
  bool is_ready = true;
  int writes = 0;
  std::string heard;
};

struct Shop {
  explicit Shop(std::size_t streams_max = 10)
      : desk(
            streams_max,
            [this](auto told) {
              for (const auto& watch : told) watches.push_back(watch);
            },
            counts) {}

  struct Client {
    std::optional<HttpReply> reply;
    std::shared_ptr<Wire> wire = std::make_shared<Wire>();
  };
  // Hears the answer later, if it is not there yet.
  std::shared_ptr<Client> open(const std::string& query, std::uint64_t address = 1) {
    HttpRequest request;
    request.method = "GET";
    request.target = "/v1/events";
    request.query = parse_query(query).value();
    auto client = std::make_shared<Client>();
    desk.open(
        request, address,
        [client](HttpReply reply) {
          if (reply.on_stream) reply.on_stream(client->wire);
          client->reply = std::move(reply);
          client->reply->on_stream = nullptr;
        },
        now);
    return client;
  }
  void stock(std::uint64_t item, std::int64_t left, std::uint64_t seq) {
    desk.on_events({{StockEvent::Kind::value, item, seq, left, left > 0 ? "open" : "sold_out", 5}},
                   now);
  }
  bool pass(milliseconds time) {
    bool busy = false;
    for (const auto end = now + time; now < end; now += kHttpTick) busy = desk.tick(now);
    return busy;
  }

  std::shared_ptr<HttpCounts> counts = std::make_shared<HttpCounts>();
  std::vector<StockWatch> watches;
  EventDesk::Time now = std::chrono::steady_clock::now();
  EventDesk desk;
};

}  // namespace

TEST_CASE("the present values come first, then what changes") {
  Shop shop;
  const auto client = shop.open("items=1,2");
  REQUIRE(shop.watches.size() == 2);
  shop.stock(1, 7, 100);
  CHECK_FALSE(client->reply);  // item 2 is not known yet
  shop.stock(2, 0, 90);
  REQUIRE(client->reply);
  CHECK(client->reply->status == 200);
  CHECK(client->reply->content_type == "text/event-stream");
  CHECK(client->wire->heard.starts_with("retry: "));
  const auto first = client->wire->events();
  REQUIRE(first.size() == 2);
  CHECK(first[0] == json{{"item", 1}, {"seq", "100"}, {"left", 7}, {"state", "open"}, {"ts", 5}});
  CHECK(first[1]["state"] == "sold_out");
  shop.stock(2, 3, 101);
  shop.pass(milliseconds(600));
  const auto later = client->wire->events();
  REQUIRE(later.size() == 1);
  CHECK(later[0]["left"] == 3);
  CHECK(shop.counts->events == 3);
}

TEST_CASE("who comes later hears at once what is known already, and nothing is watched twice") {
  Shop shop;
  const auto first = shop.open("items=1");
  shop.stock(1, 7, 100);
  const auto second = shop.open("items=1");
  REQUIRE(second->reply);
  CHECK(second->wire->events().size() == 1);
  CHECK(shop.watches.size() == 1);
}

TEST_CASE("of many changes a stream hears the newest, four times a second at most") {
  Shop shop;
  const auto client = shop.open("items=1");
  shop.stock(1, 1'000, 100);
  client->wire->events();
  client->wire->writes = 0;
  std::uint64_t seq = 100;
  for (int i = 0; i < 200; ++i) {
    ++seq;
    shop.stock(1, 1'000 - static_cast<std::int64_t>(seq), seq);
    shop.pass(milliseconds(10));
  }
  CHECK(client->wire->writes <= 8);
  CHECK(client->wire->writes >= 6);
  shop.pass(milliseconds(500));
  CHECK(client->wire->events().back()["seq"] == "300");
}

TEST_CASE("what is told again, or is older, is no change") {
  Shop shop;
  const auto client = shop.open("items=1");
  shop.stock(1, 7, 100);
  client->wire->events();
  shop.stock(1, 7, 100);
  shop.stock(1, 9, 99);
  shop.pass(milliseconds(1'000));
  CHECK(client->wire->events().empty());
}

TEST_CASE("one that does not read gets nothing, and later the newest value alone") {
  Shop shop;
  const auto slow = shop.open("items=1");
  const auto quick = shop.open("items=1");
  shop.stock(1, 7, 100);
  slow->wire->events();
  slow->wire->is_ready = false;
  const auto writes = slow->wire->writes;
  for (std::uint64_t seq = 101; seq < 120; ++seq) {
    shop.stock(1, static_cast<std::int64_t>(seq), seq);
    shop.pass(milliseconds(300));
  }
  CHECK(slow->wire->writes == writes);
  CHECK(quick->wire->writes > 15);
  slow->wire->is_ready = true;
  shop.pass(milliseconds(300));
  const auto heard = slow->wire->events();
  REQUIRE(heard.size() == 1);
  CHECK(heard[0]["seq"] == "119");
}

TEST_CASE("silence is broken by a comment after fifteen seconds") {
  Shop shop;
  const auto client = shop.open("items=1");
  shop.stock(1, 7, 100);
  client->wire->heard.clear();
  shop.pass(milliseconds(14'500));
  CHECK(client->wire->heard.empty());
  shop.pass(milliseconds(1'000));
  CHECK(client->wire->heard == ":\n\n");
}

TEST_CASE("what nobody hears any more is no longer watched, and the desk rests") {
  Shop shop;
  const auto client = shop.open("items=1,2");
  shop.stock(1, 7, 100);
  shop.stock(2, 7, 100);
  shop.watches.clear();
  CHECK(shop.pass(milliseconds(300)));
  client->wire->is_open = false;
  CHECK_FALSE(shop.pass(milliseconds(300)));
  REQUIRE(shop.watches.size() == 2);
  CHECK_FALSE(shop.watches[0].on);
  CHECK(shop.open("items=1")->reply == std::nullopt);  // it is not remembered either
}

TEST_CASE("an item that there is not is named") {
  Shop shop;
  const auto client = shop.open("items=1,77");
  shop.stock(1, 7, 100);
  shop.desk.on_events({{.kind = StockEvent::Kind::absent, .item = 77}}, shop.now);
  REQUIRE(client->reply);
  CHECK(client->reply->status == 404);
  CHECK(json::parse(client->reply->body)["code"] == "unknown_item");
  CHECK(client->reply->body.find("77") != std::string::npos);
  shop.pass(milliseconds(10));
  CHECK_FALSE(shop.watches.back().on);
}

TEST_CASE("values that do not come are not waited for without end") {
  Shop shop;
  const auto client = shop.open("items=1");
  shop.pass(milliseconds(1'900));
  CHECK_FALSE(client->reply);
  shop.pass(milliseconds(200));
  REQUIRE(client->reply);
  CHECK(client->reply->status == 200);
  shop.stock(1, 7, 100);
  shop.pass(milliseconds(600));
  CHECK(client->wire->events().size() == 1);
}

TEST_CASE("more streams than there may be are refused, and their places are given again") {
  Shop shop(2);
  const auto first = shop.open("items=1");
  const auto second = shop.open("items=1");  // both wait for the value
  const auto refused = shop.open("items=1");
  REQUIRE(refused->reply);
  CHECK(refused->reply->status == 503);
  CHECK(refused->reply->body.find("webapp.events_max (2)") != std::string::npos);
  shop.stock(1, 7, 100);
  CHECK(shop.open("items=1")->reply->status == 503);
  first->wire->is_open = false;
  shop.pass(milliseconds(300));
  CHECK(shop.open("items=1")->reply->status == 200);
}

TEST_CASE("of a full house a newcomer gets a place of the address that has most") {
  Shop shop(10);
  std::vector<std::shared_ptr<Shop::Client>> greedy;
  for (int n = 0; n < 9; ++n) greedy.push_back(shop.open("items=1", 1));
  shop.stock(1, 7, 100);
  const auto other = shop.open("items=1", 2);
  CHECK(shop.open("items=1", 1)->reply->status == 503);
  // Until both have the same.
  for (int n = 0; n < 3; ++n) CHECK(shop.open("items=1", 2)->reply->status == 200);
  const auto open_ones = [&] {
    return std::count_if(greedy.begin(), greedy.end(),
                         [](auto& one) { return one->wire->is_open; });
  };
  CHECK(open_ones() == 6);
  CHECK(shop.open("items=1", 2)->reply->status == 200);
  CHECK(shop.open("items=1", 2)->reply->status == 503);
  CHECK(open_ones() == 5);
  CHECK(other->wire->is_open);
  CHECK(shop.open("items=1", 3)->reply->status == 200);
  CHECK(shop.pass(milliseconds(300)));
}

TEST_CASE("... of those who wait for the values, too, and it is told") {
  Shop shop(3);
  std::vector<std::shared_ptr<Shop::Client>> greedy;
  for (int n = 0; n < 3; ++n) greedy.push_back(shop.open("items=1", 1));
  const auto newcomer = shop.open("items=1", 2);
  const auto told = std::count_if(greedy.begin(), greedy.end(), [](auto& one) {
    return one->reply && one->reply->status == 503;
  });
  CHECK(told == 1);
  shop.stock(1, 7, 100);
  CHECK(newcomer->reply->status == 200);
}

TEST_CASE("items that somebody makes up take no room from others") {
  Shop shop(100'000);
  std::uint64_t item = 1;
  const auto fifty = [&] {
    std::string query = "items=" + std::to_string(item++);
    for (int n = 1; n < 50; ++n) query += "," + std::to_string(item++);
    return query;
  };
  int taken = 0;
  while (!shop.open(fifty(), 1)->reply) ++taken;
  CHECK(taken * 50 >= 10'000);
  for (std::uint64_t address = 10; address < 100; ++address)
    while (!shop.open(fifty(), address)->reply) ++taken;
  CHECK(taken * 50 <= 13'000);
  CHECK_FALSE(shop.open("items=999999,999998", 2)->reply);
  CHECK_FALSE(shop.open("items=1,2,3", 1)->reply);  // they are there
  shop.pass(milliseconds(2'100));                   // they hear without values
  CHECK_FALSE(shop.open("items=999997", 3)->reply);
}

TEST_CASE("what is malformed is said") {
  Shop shop;
  std::string many = "items=0";
  for (std::size_t i = 1; i <= kEventItemsMax; ++i) many += "," + std::to_string(i);
  for (const std::string query :
       {"", "item=1", "items=", "items=1&items=2", "items=1,", "items=,1", "items=x", "items=-1",
        "items=1 2", "items=9223372036854775808", many.c_str()}) {
    CAPTURE(query);
    const auto client = shop.open(query);
    REQUIRE(client->reply);
    CHECK(client->reply->status == 400);
    CHECK(json::parse(client->reply->body)["field"] == "items");
  }
  CHECK(shop.watches.empty());
  CHECK_FALSE(shop.open("items=1,1,1")->reply);  // one item
  CHECK(shop.watches.size() == 1);
}
