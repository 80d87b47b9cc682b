// Token buckets: what passes, for how long not, and who feels a flood of others.

#include "actors/webapp/core/rate_limits.h"

#include <doctest/doctest.h>

#include <cstdlib>
#include <limits>
#include <random>
#include <string>

#include "test/actors/webapp/core/webapp_fixture.h"

using namespace stampede::actors;
using nlohmann::json;

namespace {

constexpr std::int64_t kSecondNs = 1'000'000'000;
constexpr std::int64_t kSecondUs = 1'000'000;
constexpr Rate kTwoASecond{kSecondNs / 2, 5, 0};
constexpr std::size_t kPlaces = 1024;
constexpr std::uint64_t kMallory = 0x123456789abcdef0U;

// How many of `tries` pass at once.
int passed(RateTable& table, std::uint64_t key, std::int64_t now, int tries = 20) {
  int count = 0;
  for (; tries > 0; --tries) count += table.take(key, now) == 0 ? 1 : 0;
  return count;
}

std::uint64_t seed() {
  const char* given = std::getenv("STAMPEDE_SEED");
  const auto seed = given != nullptr ? std::strtoull(given, nullptr, 10) : std::random_device{}();
  MESSAGE("STAMPEDE_SEED=" << seed);
  return seed;
}

std::shared_ptr<RateLimits> limits(const RateSettings& settings) {
  return std::make_shared<RateLimits>(settings, HashKey{1, 2}, kPlaces);
}

WebappSettings settings_with(const RateSettings& settings) {
  WebappSettings made;
  made.rates = limits(settings);
  return made;
}

}  // namespace

TEST_CASE("a burst passes at once, then as many as time brings, and never more than a burst") {
  RateTable table(kTwoASecond, kPlaces);
  CHECK(passed(table, 1, 0) == 5);
  CHECK(table.take(1, 0) == kSecondNs / 2);
  CHECK(table.take(1, kSecondNs / 2 - 1) == 1);
  CHECK(passed(table, 1, kSecondNs / 2) == 1);
  CHECK(passed(table, 1, 2 * kSecondNs) == 3);
  CHECK(passed(table, 1, 100 * kSecondNs) == 5);
  CHECK(passed(table, 2, 100 * kSecondNs) == 5);
}

TEST_CASE("a clock that stands still lets a burst pass and no more, whatever its value") {
  for (const auto now : {std::int64_t{0}, -7 * kSecondNs, std::int64_t{1} << 62}) {
    CAPTURE(now);
    RateTable table(kTwoASecond, kPlaces);
    CHECK(passed(table, 1, now, 10'000) == 5);
  }
}

TEST_CASE("a clock that goes back locks nobody longer than a whole bucket or a ban takes") {
  RateTable table(kTwoASecond, kPlaces);
  CHECK(passed(table, 1, 1'000'000 * kSecondNs) == 5);
  CHECK(table.take(1, 0) == kSecondNs / 2);
  CHECK(passed(table, 1, kSecondNs / 2) == 0);  // as if it had begun then
  RateTable banning({kSecondNs, 1, 60 * kSecondNs}, kPlaces);
  CHECK(passed(banning, 1, 1'000'000 * kSecondNs) == 1);
  CHECK(banning.take(1, 0) == 60 * kSecondNs);
}

TEST_CASE("a ban lasts its time, not longer for being tried, and ends with a full bucket") {
  RateTable table({kSecondNs, 3, 60 * kSecondNs}, kPlaces);
  CHECK(passed(table, 1, 0) == 3);
  for (int second = 1; second < 60; ++second)
    CHECK(table.take(1, second * kSecondNs) == (60 - second) * kSecondNs);
  CHECK(passed(table, 1, 60 * kSecondNs) == 3);
  CHECK(table.take(1, 61 * kSecondNs) == 59 * kSecondNs);
}

TEST_CASE("a flood of newcomers neither frees who is limited nor keeps out who is not") {
  std::mt19937_64 random(seed());
  RateTable table({kSecondNs, 5, 0}, kPlaces);
  std::int64_t now = 0;
  CHECK(passed(table, kMallory, now) == 5);
  int of_mallory = 0;
  for (int i = 0; i <= 200'000; ++i) {
    now += kSecondNs / 100'000;  // a hundred thousand newcomers a second in a thousand places
    CHECK(table.take(random(), now) == 0);
    if (i % 100 == 0) of_mallory += table.take(kMallory, now) == 0 ? 1 : 0;
  }
  CHECK(of_mallory == 2);  // as in a quiet time: two seconds have passed
}

TEST_CASE("where all places are taken by the limited, they stay so and newcomers pass") {
  RateTable table({kSecondNs, 2, 0}, RateTable::kWays);  // one set
  for (std::uint64_t key = 1; key <= RateTable::kWays; ++key) CHECK(passed(table, key, 0) == 2);
  for (std::uint64_t key = 100; key < 200; ++key) CHECK(table.take(key, 0) == 0);
  for (std::uint64_t key = 1; key <= RateTable::kWays; ++key) CHECK(passed(table, key, 0) == 0);
  CHECK(passed(table, 300, kSecondNs) == 2);  // they have a token again: there is room
}

TEST_CASE("who is banned keeps the place when others are merely limited") {
  RateTable table({kSecondNs, 2, 600 * kSecondNs}, RateTable::kWays);
  CHECK(passed(table, 1, 0) == 2);
  std::mt19937_64 random(seed());
  for (std::int64_t now = 0; now < 500 * kSecondNs; now += kSecondNs / 10) {
    CHECK(table.take(random(), now) == 0);
    CHECK(table.take(1, now) > 0);
  }
}

TEST_CASE("rates are those of the settings, in whole milliseconds to wait") {
  RateLimits both({.user_per_s = 3, .user_burst = 1, .address_per_min = 2, .address_ban_s = 0},
                  {1, 2}, kPlaces);
  CHECK(both.take_user("ann", 0) == 0);
  CHECK(both.take_user("ann", 0) == 334);
  CHECK(both.take_user("ann", 333'000) == 1);
  CHECK(both.take_user("ann", 334'000) == 0);
  CHECK(both.take_user("bob", 0) == 0);
  CHECK(both.take_user("", 0) == 0);
  CHECK(both.take_user("", 0) == 0);
  CHECK(both.take_address(7, 0) == 0);
  CHECK(both.take_address(7, 0) == 0);
  CHECK(both.take_address(7, 0) == 30'000);
  CHECK(both.take_address(8, 0) == 0);
  for (int i = 0; i < 100; ++i) CHECK(both.take_address(0, 0) == 0);
  RateLimits none({.user_per_s = 0, .user_burst = 1, .address_per_min = 0}, {1, 2}, kPlaces);
  for (int i = 0; i < 100; ++i) CHECK(none.take_user("ann", 0) + none.take_address(7, 0) == 0);
}

TEST_CASE("an order over the user's rate is refused before anything else is looked at") {
  WebappFixture webapp(settings_with({.user_per_s = 1, .user_burst = 2}));
  webapp.hello();
  for (const char* id : {"a", "b", "c"}) webapp.take(WebappFixture::order(id));
  auto refusal = webapp.only_reply();
  CHECK(refusal.id == "c");
  CHECK(refusal.code == Code::rate_limited);
  CHECK(refusal.field == "user");
  CHECK(refusal.retry_after_ms == 1000);
  webapp.core.drain();
  webapp.take(WebappFixture::order("d"));
  webapp.round();
  const auto replies = webapp.replies();
  CHECK(replies.back().code == Code::rate_limited);  // and not draining
  auto bob = WebappFixture::order("e");
  bob.request.user = "bob";
  webapp.take(bob);
  CHECK(webapp.replies().back().code == Code::draining);
  CHECK(webapp.core.counters().refused[static_cast<std::size_t>(Code::rate_limited)] >= 1);
}

TEST_CASE("limits that come later count from then on, and none when they are gone") {
  WebappFixture webapp;
  webapp.hello();
  const auto over = [&](const char* id) {
    webapp.take(WebappFixture::order(id));
    const auto replies = webapp.replies();
    return !replies.empty() && replies.back().code == Code::rate_limited;
  };
  CHECK_FALSE(over("a"));
  CHECK_FALSE(over("b"));
  webapp.core.limit_rates(limits({.user_per_s = 1, .user_burst = 1}));
  CHECK_FALSE(over("c"));
  CHECK(over("d"));
  webapp.core.limit_rates(nullptr);
  webapp.core.end_of_round(webapp.now);
  const auto before = webapp.core.counters().refused[static_cast<std::size_t>(Code::rate_limited)];
  for (const char* id : {"e", "f", "g"}) webapp.take(WebappFixture::order(id));
  CHECK(webapp.core.counters().refused[static_cast<std::size_t>(Code::rate_limited)] == before);
}

TEST_CASE("each order of an array counts for its user and for the address it comes from") {
  const auto order = [](const std::string& id, const std::string& user) {
    return json{{"op", "order"}, {"id", id}, {"item", 1}, {"user", user}};
  };
  WebappFixture webapp(
      settings_with({.user_per_s = 1, .user_burst = 2, .address_per_min = 5, .address_ban_s = 9}));
  webapp.hello();
  webapp.core.comes_from(7);
  json array = json::array();
  for (int i = 0; i < 4; ++i) array.push_back(order("ann" + std::to_string(i), "ann"));
  array.push_back(order("bob0", "bob"));
  array.push_back(order("bob1", "bob"));  // the sixth of this address
  webapp.take_frame(array);
  webapp.round();
  REQUIRE(webapp.sent.size() == 1);
  CHECK(webapp.ids_of(webapp.sent[0]) == std::vector<std::string>{"ann0", "ann1", "bob0"});
  webapp.result(
      1, WebappFixture::confirmed() + WebappFixture::confirmed() + WebappFixture::confirmed());
  const auto seen = webapp.only_array();
  REQUIRE(seen.replies.size() == 6);
  CHECK(seen.replies[1].kind == ReplyKind::answer);
  CHECK(seen.replies[2].code == Code::rate_limited);
  CHECK(seen.replies[2].field == "user");
  CHECK(seen.replies[2].retry_after_ms == 1000);
  CHECK(seen.replies[4].kind == ReplyKind::answer);
  CHECK(seen.replies[5].field == "address");
  CHECK(seen.replies[5].retry_after_ms == 9000);
}

TEST_CASE("a malformed order counts as a good one, for its address and for the user it names") {
  WebappFixture webapp(
      settings_with({.user_per_s = 1, .user_burst = 2, .address_per_min = 6, .address_ban_s = 9}));
  webapp.hello();
  webapp.core.comes_from(7);
  const auto told = [&](json map) {
    const auto packed = json::to_msgpack(map);
    Sf1Decoder decoder;
    REQUIRE_FALSE(decoder.decode({reinterpret_cast<const char*>(packed.data()), packed.size()}));
    webapp.core.on_malformed(WebappFixture::dealer(), decoder.refusal(), webapp.now);
    return webapp.only_reply();
  };
  const json wrong{{"op", "order"}, {"id", "a"}, {"item", 1}, {"user", "ann"}, {"qty", 0}};
  CHECK(told(wrong).code == Code::bad_request);
  auto cancel = wrong;
  cancel["op"] = "cancel";
  cancel.erase("qty");
  CHECK(told(cancel).code == Code::bad_request);
  const auto third = told(wrong);
  CHECK((third.code == Code::rate_limited && third.field == "user" && third.id == "a"));
  auto other = wrong;
  other["op"] = "get";  // no order, and so nobody's
  other["id"] = "a/b";
  CHECK(told(other).code == Code::bad_protocol);
  other["op"] = "order";
  CHECK(told(other).field == "user");
  other["user"] = "";
  CHECK(told(other).code == Code::bad_protocol);
  const auto seventh = told(wrong);
  CHECK((seventh.code == Code::rate_limited && seventh.field == "address"));
}

TEST_CASE("malformed orders of an array count each, in their places") {
  WebappFixture webapp(
      settings_with({.user_per_s = 1, .user_burst = 2, .address_per_min = 4, .address_ban_s = 9}));
  webapp.hello();
  webapp.core.comes_from(7);
  json array = json::array();
  for (const char* user : {"ann", "ann", "ann", "bob", "bob"})
    array.push_back({{"op", "order"}, {"id", "x"}, {"item", 1}, {"user", user}, {"qty", 0}});
  webapp.take_frame(array);
  const auto seen = webapp.only_array();
  REQUIRE(seen.replies.size() == 5);
  for (const int at : {0, 1, 3}) CHECK(seen.replies[at].code == Code::bad_request);
  CHECK((seen.replies[2].code == Code::rate_limited && seen.replies[2].field == "user"));
  CHECK((seen.replies[4].code == Code::rate_limited && seen.replies[4].field == "address"));
  CHECK(webapp.sent.empty());
}

TEST_CASE("a banned address hears nothing else of anything but a ping; others feel nothing") {
  WebappFixture webapp(settings_with({.address_per_min = 1, .address_ban_s = 60}));
  webapp.hello();
  webapp.core.comes_from(7);
  webapp.take(WebappFixture::get("a"));
  webapp.take(WebappFixture::get("b"));
  CHECK(webapp.only_reply().code == Code::rate_limited);
  webapp.core.on_malformed(WebappFixture::dealer(), {Code::bad_request, "c", "qty"}, webapp.now);
  CHECK(webapp.replies().back().code == Code::rate_limited);
  ClientAsk ping{WebappFixture::dealer(), {}};
  ping.request.op = ClientOp::ping;
  webapp.take(ping);
  CHECK(webapp.replies().back().kind == ReplyKind::pong);
  webapp.core.comes_from(8);
  webapp.take(WebappFixture::get("d"));
  webapp.core.comes_from(0);
  for (int i = 0; i < 10; ++i) webapp.take(WebappFixture::get("e"));
  webapp.core.comes_from(7);
  webapp.pass(60'000);
  webapp.take_and_send(WebappFixture::get("f"));
  std::vector<std::string> ids;
  for (const auto& batch : webapp.sent)
    for (const auto& id : webapp.ids_of(batch)) ids.push_back(id);
  CHECK(ids.front() == "a");
  CHECK(ids.back() == "f");
}
