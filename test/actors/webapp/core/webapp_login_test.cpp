// What sessions make of requests on their way: whose name reaches the backend, what waits, what is
// told to whom.

#include <doctest/doctest.h>

#include <nlohmann/json.hpp>

#include "test/actors/webapp/core/webapp_fixture.h"

using namespace stampede::actors;
using nlohmann::json;

namespace {

WebappSettings with_sessions() {
  WebappSettings settings;
  settings.login = LoginSettings{.sessions = true, .hash_key = {1, 2}};
  return settings;
}

struct Login : WebappFixture {
  Login() : WebappFixture(with_sessions()) {
    hello();
    std::string nobody;  // which sessions have ended is what a webapp asks first
    append_ended_sessions(nobody, {});
    result(1, nobody);
    sent.clear();
  }

  void show(std::string_view token, bool waits = true) {
    Credentials who;
    who.token = token;
    who.connection = "c1";
    who.waits = waits;
    core.shows(who);
  }
  void judge(Code code, const std::string& user = "", bool service = false) {
    for (const auto& token : core.desk()->take_new()) {
      Verdict verdict{code, "", {}};
      verdict.session.user = user;
      verdict.session.service = service;
      verdict.session.expires_ms = 99;
      core.desk()->on_verdict(token.number, verdict, 60'000'000, now);
    }
  }
  void learn(std::string_view token, const std::string& user, bool service = false) {
    show(token);
    CHECK_FALSE(take(get("nobody's")));
    judge(Code::none, user, service);
  }
  static ClientAsk order_of(std::string_view id, std::string_view user) {
    auto ask = order(id);
    ask.request.user = user;
    return ask;
  }
  // The requests of the last batch that was sent.
  std::vector<std::pair<std::string, std::string>> users_sent() {
    round();
    std::vector<std::pair<std::string, std::string>> users;
    if (sent.empty()) return users;
    BodyReader reader;
    reader.open(sent.back().body);
    for (Request request; reader.next(request);)
      users.emplace_back(std::string(request.id), std::string(request.user));
    CHECK_FALSE(reader.bad());
    return users;
  }
  using Users = std::vector<std::pair<std::string, std::string>>;
};

json order_map(const std::string& id, const json& more = json::object()) {
  json map{{"op", "order"}, {"id", id}, {"item", 1}};
  map.update(more);
  return map;
}

}  // namespace

TEST_CASE("an order is its session's, not its message's") {
  Login webapp;
  webapp.learn("ann's", "ann");
  webapp.show("ann's");
  CHECK(webapp.take(Login::order_of("a", "")));
  CHECK(webapp.take(Login::order_of("b", "ann")));
  CHECK(webapp.users_sent() == Login::Users{{"a", "ann"}, {"b", "ann"}});
  CHECK(webapp.take(Login::order_of("c", "bob")));
  const auto refusal = webapp.only_reply();
  CHECK((refusal.code == Code::not_allowed && refusal.field == "user" && refusal.id == "c"));
}

TEST_CASE("what waits for its token was not taken, and counts once when it comes again") {
  Login webapp;
  webapp.show("ann's");
  CHECK_FALSE(webapp.take(Login::order_of("a", "")));
  CHECK(webapp.replies().empty());
  CHECK_FALSE(webapp.core.busy());
  CHECK(webapp.core.desk()->awaited().size() == 1);
  CHECK(webapp.core.counters().requests == 0);
  webapp.judge(Code::none, "ann");
  CHECK(webapp.take(Login::order_of("a", "")));
  CHECK(webapp.core.counters().requests == 1);
  CHECK(webapp.users_sent() == Login::Users{{"a", "ann"}});
}

TEST_CASE("refused tokens are told to whoever shows them, and nothing is asked of the backend") {
  Login webapp;
  webapp.show("");
  CHECK(webapp.take(Login::order_of("a", "ann")));
  CHECK(webapp.only_reply().code == Code::not_logged_in);
  webapp.show("old");
  CHECK_FALSE(webapp.take(Login::order_of("b", "ann")));
  webapp.judge(Code::session_expired);
  webapp.show("old", false);
  CHECK(webapp.take(Login::order_of("b", "ann")));
  const auto refusal = webapp.only_reply();
  CHECK((refusal.code == Code::session_expired && refusal.field == "token"));
  webapp.show("unheard of", false);
  CHECK(webapp.take(Login::order_of("d", "ann")));
  CHECK(webapp.only_reply().code == Code::overloaded);
  webapp.round();
  CHECK(webapp.sent.empty());
  CHECK(webapp.core.counters().refused[static_cast<std::size_t>(Code::not_logged_in)] == 1);
}

TEST_CASE("each order of an array is its own token's; it waits as a whole") {
  Login webapp;
  webapp.show("");
  const json array{order_map("a", {{"token", "ann's"}}),
                   order_map("b", {{"token", "bob's"}, {"user", "bob"}}),
                   order_map("c", {{"token", "bob's"}, {"user", "ann"}}), order_map("d"),
                   order_map("e", {{"token", "no"}})};
  CHECK_FALSE(webapp.take_frame(array));
  CHECK(webapp.core.desk()->awaited().size() == 3);
  for (const auto& token : webapp.core.desk()->take_new()) {
    Verdict verdict{token.token == "no" ? Code::not_logged_in : Code::none, "", {}};
    verdict.session.user = token.token.substr(0, 3);
    webapp.core.desk()->on_verdict(token.number, verdict, 60'000'000, webapp.now);
  }
  CHECK(webapp.take_frame(array));
  CHECK(webapp.users_sent() == Login::Users{{"a", "ann"}, {"b", "bob"}});
  webapp.result(2, Login::confirmed(5) + Login::confirmed(6));
  const auto seen = webapp.only_array();
  REQUIRE(seen.replies.size() == 5);
  CHECK(seen.replies[0].answer.lsn == 5);
  CHECK(seen.replies[1].answer.lsn == 6);
  CHECK((seen.replies[2].code == Code::not_allowed && seen.replies[2].field == "user"));
  CHECK(seen.replies[3].code == Code::not_logged_in);
  CHECK((seen.replies[4].code == Code::not_logged_in && seen.replies[4].field == "token"));
}

TEST_CASE("an array without tokens is its connection's or its request's") {
  Login webapp;
  webapp.learn("ann's", "ann");
  webapp.show("ann's");
  ClientAsk log_in{Login::dealer(), {}};
  log_in.request.op = ClientOp::auth;
  CHECK(webapp.take(log_in));
  CHECK(webapp.only_reply().user == "ann");
  webapp.show("");
  CHECK(webapp.take_frame({order_map("a"), order_map("b", {{"user", "ann"}})}));
  CHECK(webapp.users_sent() == Login::Users{{"a", "ann"}, {"b", "ann"}});
  // Over HTTP, where the orders were read elsewhere.
  webapp.learn("bob's", "bob");
  webapp.show("bob's");
  ClientRequest orders[2];
  const std::string_view tokens[] = {"", "ann's"};
  for (auto& one : orders) one.op = ClientOp::order;
  orders[0].id = "h", orders[1].id = "i";
  CHECK(webapp.core.on_orders(Login::http(1), orders, webapp.now, tokens));
  CHECK(webapp.users_sent() == Login::Users{{"h", "bob"}, {"i", "ann"}});
}

TEST_CASE("a customer's get names him to the backend, a service's names nobody") {
  Login webapp;
  webapp.learn("ann's", "ann");
  webapp.show("ann's");
  CHECK(webapp.take(Login::get("a")));
  CHECK(webapp.users_sent() == Login::Users{{"a", "ann"}});
  webapp.learn("shop's", "shop", true);
  webapp.show("shop's");
  CHECK(webapp.take(Login::get("b")));
  CHECK(webapp.users_sent() == Login::Users{{"b", ""}});
}

TEST_CASE("a page that asks who it is for shows its own user, and a service's keeps the old way") {
  Login webapp;
  webapp.learn("ann's", "ann");
  webapp.learn("shop's", "shop", true);
  auto ask = Login::http_order("", WaitMode::detach_now);
  ask.request.user = {};
  ask.user_is_id = true;
  webapp.show("ann's");
  CHECK(webapp.take(ask));
  auto sent = webapp.users_sent();
  REQUIRE(sent.size() == 1);
  CHECK(sent[0].second == "ann");
  webapp.show("shop's");
  CHECK(webapp.take(ask));
  sent = webapp.users_sent();
  REQUIRE(sent.size() == 1);
  CHECK(sent[0].second == sent[0].first);
}

TEST_CASE("what a webapp remembers of an order it tells its buyer and services alone") {
  Login webapp;
  webapp.learn("ann's", "ann");
  webapp.learn("bob's", "bob");
  webapp.learn("shop's", "shop", true);
  webapp.show("ann's");
  auto ask = Login::http_order("a", WaitMode::detach_now, 1);
  CHECK(webapp.take(ask));
  CHECK(webapp.only_reply().kind == ReplyKind::queued);
  const auto ask_as = [&](std::string_view token) {
    webapp.show(token);
    CHECK(webapp.take(Login::get("a", Login::http(2))));
    return webapp.replies();
  };
  CHECK(ask_as("ann's").at(0).kind == ReplyKind::queued);
  CHECK(ask_as("shop's").at(0).kind == ReplyKind::queued);
  CHECK(ask_as("bob's").empty());  // the backend says whose it is
  CHECK(webapp.users_sent() == Login::Users{{"a", "ann"}, {"a", "bob"}});
  webapp.result(2, Login::error(Code::promo_only) + Login::error(Code::unknown_request));
  CHECK(webapp.only_reply().code == Code::unknown_request);  // bob hears nothing of ann's refusal
  CHECK(ask_as("ann's").empty());
  webapp.round();
  webapp.result(3, Login::error(Code::unknown_request));
  CHECK(webapp.only_reply().code == Code::promo_only);
}

TEST_CASE("an id that two users ordered with is nobody's here") {
  Login webapp;
  webapp.learn("ann's", "ann");
  webapp.learn("bob's", "bob");
  for (const char* token : {"ann's", "bob's"}) {
    webapp.show(token);
    auto ask = Login::http_order("a", WaitMode::detach_now, 1);
    ask.request.user = {};
    CHECK(webapp.take(ask));
  }
  CHECK(webapp.replies().size() == 2);
  for (const char* token : {"ann's", "bob's"}) {
    webapp.show(token);
    CHECK(webapp.take(Login::get("a", Login::http(2))));
    CHECK(webapp.replies().empty());
  }
}

TEST_CASE("where only keys are looked at a get is as it was") {
  WebappSettings settings;
  settings.login = LoginSettings{};
  WebappFixture webapp(settings);
  webapp.hello();
  auto ask = WebappFixture::get("a");
  ask.request.user = "ann";  // a member that get has not
  CHECK(webapp.take(ask));
  webapp.round();
  BodyReader reader;
  reader.open(webapp.sent.at(0).body);
  Request request;
  REQUIRE(reader.next(request));
  CHECK(request.user.empty());
  ClientAsk pay{WebappFixture::dealer(), {}};
  pay.request.op = ClientOp::pay;
  pay.request.id = "p";
  CHECK(webapp.take(pay));
  CHECK(webapp.only_reply().code == Code::not_allowed);
}

TEST_CASE("a malformed order counts for the user of its token, once that is known") {
  auto settings = with_sessions();
  settings.rates = std::make_shared<RateLimits>(RateSettings{.user_per_s = 1, .user_burst = 1},
                                                HashKey{1, 2}, 1024);
  WebappFixture webapp(settings);
  webapp.hello();
  Credentials who;
  who.token = "ann's";
  const auto told = [&](const char* user) {
    const auto packed = json::to_msgpack(order_map("a", {{"user", user}, {"qty", 0}}));
    Sf1Decoder decoder(nullptr, true);
    REQUIRE_FALSE(decoder.decode({reinterpret_cast<const char*>(packed.data()), packed.size()}));
    webapp.core.shows(who);
    webapp.core.on_malformed(WebappFixture::dealer(), decoder.refusal(), webapp.now);
    return webapp.only_reply().code;
  };
  for (int n = 0; n < 3; ++n) CHECK(told("bob") == Code::bad_request);  // nobody is known
  CHECK(webapp.core.desk()->take_new().empty());  // and nobody is looked at for it
  CHECK_FALSE(webapp.take(WebappFixture::order("b")));
  for (const auto& token : webapp.core.desk()->take_new()) {
    Verdict verdict{Code::none, "", {}};
    verdict.session.user = "ann";
    webapp.core.desk()->on_verdict(token.number, verdict, 60'000'000, webapp.now);
  }
  CHECK(told("bob") == Code::bad_request);
  CHECK(told("bob") == Code::rate_limited);
}

TEST_CASE("an address that is over its limit has no token looked at") {
  auto settings = with_sessions();
  settings.rates = std::make_shared<RateLimits>(
      RateSettings{.user_per_s = 0, .user_burst = 1, .address_per_min = 1, .address_ban_s = 60},
      HashKey{1, 2}, 1024);
  WebappFixture webapp(settings);
  webapp.hello();
  webapp.core.comes_from(7);
  Credentials who;
  who.token = "t1";
  webapp.core.shows(who);
  CHECK_FALSE(webapp.take(WebappFixture::order("a")));
  who.token = "t2";
  webapp.core.shows(who);
  CHECK(webapp.take(WebappFixture::order("b")));
  CHECK(webapp.only_reply().code == Code::rate_limited);
  CHECK(webapp.take_frame(json::array({order_map("c", {{"token", "t3"}})})));
  CHECK(webapp.only_array().replies.at(0).code == Code::rate_limited);
  CHECK(webapp.core.desk()->take_new().size() == 1);
  // What waited was counted already.
  webapp.core.comes_from(7, 1);
  who.token = "t1";
  who.waits = false;
  webapp.core.shows(who);
  CHECK(webapp.take(WebappFixture::order("a")));
  CHECK(webapp.only_reply().code == Code::overloaded);
}
