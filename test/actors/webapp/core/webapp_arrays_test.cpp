// Arrays of orders in the waiting table: one frame, one array of answers, whatever happens between.

#include <doctest/doctest.h>

#include <cstdio>
#include <cstdlib>
#include <map>
#include <random>

#include "test/actors/webapp/core/webapp_fixture.h"

using namespace stampede::actors;
using nlohmann::json;
using Ids = std::vector<std::string>;

namespace {

json order(const std::string& id) {
  return {{"op", "order"}, {"id", id}, {"item", 1}, {"user", "ann"}};
}

json with(json map, const std::string& key, const json& value) {
  map[key] = value;
  return map;
}

Ids ids_of(const SeenArray& array) {
  Ids ids;
  for (const auto& reply : array.replies) ids.push_back(reply.id);
  return ids;
}

std::vector<Code> codes_of(const SeenArray& array) {
  std::vector<Code> codes;
  for (const auto& reply : array.replies)
    codes.push_back(reply.kind == ReplyKind::refused ? reply.code : Code::none);
  return codes;
}

}  // namespace

TEST_CASE("an array is answered by one array in its order") {
  WebappFixture webapp;
  webapp.hello();
  webapp.take(WebappFixture::order("single"));
  webapp.take_frame(json::array({order("a"), order("b"), order("c")}),
                    WebappFixture::dealer("shop"));
  webapp.take(WebappFixture::order("after"));
  webapp.round();
  REQUIRE(webapp.sent.size() == 1);
  CHECK(webapp.ids_of(webapp.sent[0]) == Ids{"single", "a", "b", "c", "after"});
  CHECK(webapp.core.waiting() == 5);
  webapp.result(
      1, WebappFixture::confirmed(1) + WebappFixture::confirmed(2) + WebappFixture::sold_out() +
             WebappFixture::error(Code::unknown_item, "item") + WebappFixture::confirmed(5));
  const auto array = webapp.only_array();
  CHECK(array.client.identity() == "shop");
  CHECK(ids_of(array) == Ids{"a", "b", "c"});
  CHECK(array.replies[0].answer.lsn == 2);
  CHECK(array.replies[1].answer.reason == RejectReason::sold_out);
  CHECK(array.replies[2].code == Code::unknown_item);
  CHECK(array.replies[2].field == "item");
  CHECK(webapp.replies().size() == 2);
  CHECK_FALSE(webapp.core.busy());
  CHECK(webapp.core.counters().requests == 5);
  CHECK(webapp.core.counters().confirmed == 3);
  CHECK(webapp.core.answered() == 5);
}

TEST_CASE("an array keeps its client's kind, so that a delimiter can be echoed") {
  WebappFixture webapp;
  webapp.hello();
  const auto client = ClientToken::router(ClientToken::Kind::req, "r");
  webapp.take_frame(json::array({order("a")}), client);
  webapp.round();
  webapp.result(1, WebappFixture::confirmed());
  CHECK(webapp.only_array().client == client);
}

TEST_CASE("orders that were read elsewhere are an array as well") {
  WebappSettings settings;
  settings.waiting_max = 3;
  WebappFixture webapp(settings);
  webapp.hello();
  std::vector<ClientRequest> orders(4);
  orders[0].id = "a", orders[2].id = "c", orders[3].id = "d";
  for (auto& order : orders) order.op = ClientOp::order, order.user = "ann", order.item = 1;
  const auto client = ClientToken::numbered(ClientToken::Kind::http, 7);
  webapp.core.on_orders(client, orders, webapp.now);
  webapp.round();
  REQUIRE(webapp.sent.size() == 1);
  const auto asked = webapp.ids_of(webapp.sent[0]);
  REQUIRE(asked.size() == 3);
  CHECK(asked[1].size() == 32);  // minted
  webapp.result(
      1, WebappFixture::confirmed(1) + WebappFixture::confirmed(2) + WebappFixture::sold_out());
  const auto array = webapp.only_array();
  CHECK(array.client == client);
  CHECK(ids_of(array) == Ids{"a", asked[1], "c", "d"});
  CHECK(codes_of(array) == std::vector{Code::none, Code::none, Code::none, Code::overloaded});
  CHECK(webapp.core.counters().requests == 4);
  CHECK_FALSE(webapp.core.busy());
}

TEST_CASE("an HTTP array whose time is over is told so for each of its orders") {
  WebappFixture webapp;
  webapp.hello();
  std::vector<ClientRequest> orders(2);
  orders[0].id = "a", orders[1].id = "b";
  for (auto& order : orders) order.op = ClientOp::order, order.user = "ann", order.item = 1;
  orders[0].deadline_ms = orders[1].deadline_ms = 1000;
  webapp.core.on_orders(ClientToken::numbered(ClientToken::Kind::http, 7), orders, webapp.now);
  webapp.round();
  webapp.pass(1100);
  const auto array = webapp.only_array();
  CHECK(ids_of(array) == Ids{"a", "b"});
  CHECK(codes_of(array) == std::vector{Code::deadline_passed, Code::deadline_passed});
}

TEST_CASE("a wrong entry is an error in its place and the others are asked") {
  WebappFixture webapp;
  webapp.hello();
  webapp.take_frame(json::array({with(order("w"), "qty", 0),
                                 order("a"),
                                 with(order("x"), "op", "get"),
                                 with(order("y"), "op", "buy"),
                                 order("b"),
                                 {{"op", "order"}, {"item", 1}}}));
  CHECK(webapp.arrays().empty());
  webapp.round();
  CHECK(webapp.ids_of(webapp.sent.at(0)) == Ids{"a", "b"});
  webapp.result(1, WebappFixture::confirmed(1) + WebappFixture::confirmed(2));
  const auto array = webapp.only_array();
  CHECK(ids_of(array) == Ids{"w", "a", "x", "y", "b", ""});
  CHECK(codes_of(array) == std::vector{Code::bad_request, Code::none, Code::bad_request,
                                       Code::unknown_op, Code::none, Code::bad_request});
  CHECK(array.replies[0].field == "qty");
  CHECK(array.replies[2].field == "op");
  CHECK(array.replies[5].field == "user");
}

TEST_CASE("an array without an order that can be asked is answered at once") {
  WebappFixture webapp;
  webapp.hello();
  webapp.take_frame(json::array({with(order("w"), "qty", 0), with(order("x"), "item", "1")}));
  CHECK(codes_of(webapp.only_array()) == std::vector{Code::bad_request, Code::bad_request});
  webapp.take_frame(json::array());
  CHECK(webapp.only_array().replies.empty());
  webapp.round();
  CHECK(webapp.sent.empty());
  CHECK_FALSE(webapp.core.busy());
}

TEST_CASE("a damaged array is refused whole, and nothing of it is sent") {
  WebappFixture webapp;
  webapp.hello();
  webapp.take(WebappFixture::order("before"));
  webapp.take_frame(
      json::array({with(order("w"), "qty", 0), order("a"), order("b"), order("c d")}));
  webapp.take(WebappFixture::order("after"));
  const auto refused = webapp.only_reply();
  CHECK(refused.code == Code::bad_protocol);
  CHECK(refused.id.empty());
  CHECK(webapp.arrays().empty());
  webapp.round();
  CHECK(webapp.ids_of(webapp.sent.at(0)) == Ids{"before", "after"});
  webapp.result(1, WebappFixture::confirmed(1) + WebappFixture::confirmed(2));
  CHECK(webapp.replies().size() == 2);
  CHECK_FALSE(webapp.core.busy());
}

TEST_CASE("absent ids are minted entry by entry, and one id may stand twice") {
  WebappFixture webapp;
  webapp.hello();
  const json without = {{"op", "order"}, {"item", 1}, {"user", "ann"}};
  webapp.take_frame(json::array({without, order("a"), without, order("a")}));
  webapp.round();
  webapp.result(1, WebappFixture::confirmed(1) + WebappFixture::confirmed(2) +
                       WebappFixture::confirmed(3) + WebappFixture::confirmed(2));
  const auto ids = ids_of(webapp.only_array());
  CHECK(ids == webapp.ids_of(webapp.sent[0]));
  CHECK(ids[0].size() == 32);
  CHECK(ids[0] != ids[2]);
  CHECK((ids[1] == "a" && ids[3] == "a"));
}

TEST_CASE("ack in an array brings no answer of its own") {
  WebappFixture webapp;
  webapp.hello();
  webapp.take_frame(json::array({with(order("a"), "ack", true)}));
  CHECK(webapp.replies().empty());
  CHECK(webapp.arrays().empty());
}

TEST_CASE("what finds no room is overloaded and does not hold back the others") {
  WebappSettings settings;
  settings.waiting_max = 3;
  WebappFixture webapp(settings);
  webapp.hello();
  webapp.take(WebappFixture::order("first"));
  webapp.take_frame(json::array({order("a"), order("b"), order("c"), order("d")}));
  webapp.take_frame(json::array({order("e"), order("f")}));
  CHECK(codes_of(webapp.only_array()) == std::vector{Code::overloaded, Code::overloaded});
  webapp.round();
  CHECK(webapp.ids_of(webapp.sent.at(0)) == Ids{"first", "a", "b"});
  webapp.result(
      1, WebappFixture::confirmed(1) + WebappFixture::confirmed(2) + WebappFixture::confirmed(3));
  const auto array = webapp.only_array();
  CHECK(ids_of(array) == Ids{"a", "b", "c", "d"});
  CHECK(codes_of(array) == std::vector{Code::none, Code::none, Code::overloaded, Code::overloaded});
  CHECK(webapp.core.waiting() == 0);
}

TEST_CASE("a draining webapp refuses every entry") {
  WebappFixture webapp;
  webapp.hello();
  webapp.core.drain();
  webapp.take_frame(json::array({order("a"), order("b")}));
  CHECK(codes_of(webapp.only_array()) == std::vector{Code::draining, Code::draining});
}

TEST_CASE("a webapp whose orders are refused refuses what is surely new, and later nothing") {
  WebappFixture webapp;
  webapp.hello();
  webapp.core.refuse_orders(true);
  webapp.take_frame(
      json::array({with(order("a"), "first", true), with(order("b"), "first", true)}));
  CHECK(codes_of(webapp.only_array()) == std::vector{Code::draining, Code::draining});
  webapp.take_frame(json::array({order("c"), order("d")}));  // the backend may know them
  webapp.round();
  CHECK(webapp.sent.size() == 1);
  webapp.core.refuse_orders(false);
  webapp.take_frame(json::array({with(order("a"), "first", true)}));
  webapp.round();
  CHECK(webapp.sent.size() == 2);
}

TEST_CASE("an array waits for the latest deadline of its entries, then leaves whole") {
  WebappFixture webapp;
  webapp.hello();
  webapp.take_frame(json::array({with(order("a"), "deadline_ms", 900), with(order("w"), "qty", 0),
                                 with(order("b"), "deadline_ms", 100)}));
  webapp.take(WebappFixture::order("patient"));
  webapp.round();
  SUBCASE("an answer that comes before the array left is told, whatever its entry's deadline") {
    webapp.pass(500);
    CHECK(webapp.arrays().empty());
    webapp.result(
        1, WebappFixture::confirmed(1) + WebappFixture::confirmed(2) + WebappFixture::confirmed(3));
    CHECK(codes_of(webapp.only_array()) == std::vector{Code::none, Code::bad_request, Code::none});
  }
  SUBCASE("no answer") {
    webapp.pass(890);
    CHECK(webapp.arrays().empty());
    webapp.pass(20);
    CHECK(codes_of(webapp.only_array()) ==
          std::vector{Code::deadline_passed, Code::bad_request, Code::deadline_passed});
    webapp.result(
        1, WebappFixture::confirmed(1) + WebappFixture::confirmed(2) + WebappFixture::confirmed(3));
    CHECK(webapp.arrays().empty());
    CHECK(webapp.only_reply().id == "patient");
    CHECK(webapp.core.counters().answers_late == 2);
    CHECK_FALSE(webapp.core.busy());
  }
}

TEST_CASE("an array that waits for a backend is told why at its deadline") {
  WebappFixture webapp;
  webapp.hello(1, 1, Phase::replaying);
  webapp.take_frame(json::array({with(order("a"), "deadline_ms", 200)}));
  webapp.pass(210);
  CHECK(codes_of(webapp.only_array()) == std::vector{Code::replaying});
}

TEST_CASE("a refused batch refuses every entry of its arrays") {
  WebappFixture webapp;
  webapp.hello();
  webapp.take(WebappFixture::order("single"));
  webapp.take_frame(json::array({order("a"), order("b")}));
  webapp.round();
  webapp.refuse(1, Code::overloaded);
  CHECK(codes_of(webapp.only_array()) == std::vector{Code::overloaded, Code::overloaded});
  CHECK(webapp.only_reply().code == Code::overloaded);
  CHECK_FALSE(webapp.core.busy());
}

TEST_CASE("a result that breaks off inside an array answers nothing of it; the next does") {
  WebappFixture webapp;
  webapp.hello();
  webapp.take(WebappFixture::order("single"));
  webapp.take_frame(json::array({order("a"), order("b")}));
  webapp.round();
  const auto one = WebappFixture::confirmed(1);
  webapp.result(1, one + WebappFixture::confirmed(2));
  CHECK(webapp.replies().size() == 1);
  CHECK(webapp.arrays().empty());
  CHECK(webapp.core.counters().results_malformed == 1);
  webapp.result(1, one + WebappFixture::confirmed(2) + WebappFixture::confirmed(3));
  CHECK(ids_of(webapp.only_array()) == Ids{"a", "b"});
  CHECK(webapp.replies().empty());
  CHECK_FALSE(webapp.core.busy());
}

TEST_CASE("arrays are never torn apart, and fill batches up to their bounds") {
  WebappFixture webapp;
  webapp.hello();
  json frame = json::array();
  for (int i = 0; i < 1000; ++i) frame.push_back(order(std::to_string(i) + std::string(60, 'x')));
  for (int i = 0; i < 9; ++i) webapp.take_frame(frame);
  webapp.round();
  std::size_t entries = 0;
  for (const auto& batch : webapp.sent) {
    CHECK(batch.count % 1000 == 0);
    CHECK(batch.body.size() <= kBatchBytesMax);
    entries += batch.count;
  }
  CHECK(entries == 9000);
}

namespace {

// Singles and arrays of many clients, and a backend that answers in any order, breaks off, loses
// and refuses.
class RandomCrowd {
 public:
  explicit RandomCrowd(unsigned seed) : random_(seed), webapp_(bounded()) { webapp_.hello(); }

  void step() {
    if (one_of(2))
      ask_array();
    else
      ask_single();
    if (one_of(4)) webapp_.round();
    if (one_of(4)) webapp_.pass(static_cast<std::int64_t>(random_() % 50));
    if (one_of(500)) webapp_.pass(6000);
    if (one_of(4) && !webapp_.sent.empty()) answer_one();
    collect();
  }
  void finish() {
    webapp_.pass(70'000);
    collect();
  }

  std::map<std::string, Ids> open;  // by client's name: the ids it asked, in order
  std::size_t asked = 0, answered = 0;

 private:
  static WebappSettings bounded() {
    WebappSettings settings;
    settings.waiting_max = 200;
    return settings;
  }
  bool one_of(unsigned n) { return random_() % n == 0; }
  std::string next_id() { return std::to_string(++ids_); }
  std::string next_client() { return "c" + std::to_string(asked++); }

  void ask_array() {
    Ids ids;
    json frame = json::array();
    for (auto left = 1 + random_() % 12; left > 0; --left) {
      ids.push_back(next_id());
      frame.push_back(one_of(8) ? with(order(ids.back()), "qty", 0) : order(ids.back()));
      if (one_of(4)) frame.back()["deadline_ms"] = 1 + random_() % 3000;
    }
    const auto name = next_client();
    open[name] = ids;
    webapp_.take_frame(frame, WebappFixture::dealer(name));
  }
  void ask_single() {
    const auto id = next_id();
    const auto name = next_client();
    open[name] = {id};
    webapp_.take(WebappFixture::order(id, WebappFixture::dealer(name)));
  }
  void answer_one() {
    const auto at = random_() % webapp_.sent.size();
    const auto batch = webapp_.sent[at];
    webapp_.sent.erase(webapp_.sent.begin() + static_cast<std::ptrdiff_t>(at));
    std::string body;  // the answer's lsn repeats the id
    for (const auto& id : webapp_.ids_of(batch)) body += WebappFixture::confirmed(std::stoull(id));
    if (one_of(10))
      webapp_.refuse(batch.number, Code::overloaded);
    else if (one_of(10))
      webapp_.result(batch.number, body.substr(0, random_() % body.size()));
    else if (!one_of(10))  // else it is lost, and asked for again
      webapp_.result(batch.number, body);
  }
  void collect() {
    for (const auto& array : webapp_.arrays()) {
      REQUIRE(array.entries == array.replies.size());
      settle(array.client, array.replies);
    }
    for (const auto& reply : webapp_.replies()) settle(reply.client, {reply});
  }
  void settle(const ClientToken& client, const std::vector<SeenReply>& replies) {
    const auto asker = open.find(std::string(client.identity()));
    REQUIRE(asker != open.end());
    REQUIRE(replies.size() == asker->second.size());
    for (std::size_t i = 0; i < replies.size(); ++i) {
      REQUIRE(replies[i].id == asker->second[i]);
      if (replies[i].kind == ReplyKind::answer)
        REQUIRE(std::to_string(replies[i].answer.lsn) == replies[i].id);
    }
    open.erase(asker);
    ++answered;
  }

  std::mt19937 random_;
  WebappFixture webapp_;
  std::uint64_t ids_ = 0;
};

}  // namespace

TEST_CASE("a random crowd of singles and arrays is answered exactly once, in order") {
  const char* given = std::getenv("STAMPEDE_TEST_SEED");
  const auto seed = given != nullptr ? static_cast<unsigned>(std::strtoul(given, nullptr, 10))
                                     : std::random_device{}();
  std::printf("webapp arrays: STAMPEDE_TEST_SEED=%u\n", seed);
  RandomCrowd crowd(seed);
  for (int step = 0; step < 20'000; ++step) crowd.step();
  crowd.finish();
  CHECK(crowd.open.empty());
  CHECK(crowd.answered == crowd.asked);
}
