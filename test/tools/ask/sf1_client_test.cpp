#include "tools/ask/sf1_client.h"

#include <doctest/doctest.h>

#include <atomic>
#include <chrono>
#include <future>
#include <memory>
#include <string>
#include <variant>

#include "test/tools/ask/fake_webapp.h"
#include "tools/ask/order.h"
#include "tools/ask/tool_options.h"

using namespace stampede;
using namespace stampede::tools;
using nlohmann::json;
using std::chrono::milliseconds;
using std::chrono::steady_clock;

namespace {

constexpr milliseconds kPatience{10'000};

json order(const std::string& id) {
  return {{"op", "order"}, {"id", id}, {"item", 1}, {"user", "ann"}, {"qty", 1}};
}

json answer_of(const Sf1Client::Outcome& outcome) {
  const auto* failure = std::get_if<Sf1Failure>(&outcome);
  REQUIRE_MESSAGE(failure == nullptr, failure->message);
  return std::get<json>(outcome);
}

}  // namespace

TEST_CASE("an answer is returned as it came") {
  FakeWebapp webapp([](const json& request) { return std::vector{confirmed(request, 9)}; });
  Sf1Client client(webapp.endpoint());
  const json answer = answer_of(client.ask(order("a"), kPatience));
  CHECK(answer["order_id"] == "9");
  CHECK(answer["left"] == 7);
  CHECK(exit_for(answer) == kExitDone);
}

TEST_CASE("queued and other ids' answers are passed over") {
  FakeWebapp webapp([](const json& request) {
    json other = confirmed(request, 1);
    other["id"] = "somebody-else";
    const json queued{{"id", request["id"]}, {"state", "queued"}};
    return std::vector{other, queued, json{{"nonsense", 1}}, confirmed(request, 2)};
  });
  Sf1Client client(webapp.endpoint());
  CHECK(answer_of(client.ask(order("a"), kPatience))["order_id"] == "2");
}

TEST_CASE("a code that allows it is tried again with the same id") {
  std::atomic<int> tries{0};
  std::atomic<bool> same_id{true};
  FakeWebapp webapp([&](const json& request) {
    if (request["id"] != "a") same_id = false;
    return std::vector{++tries < 4 ? refused(request, "replaying", true, 10)
                                   : confirmed(request, 3)};
  });
  Sf1Client client(webapp.endpoint());
  CHECK(answer_of(client.ask(order("a"), kPatience))["order_id"] == "3");
  CHECK(tries == 4);
  CHECK(same_id);
}

TEST_CASE("a final code is returned at once") {
  std::atomic<int> tries{0};
  FakeWebapp webapp([&](const json& request) {
    ++tries;
    return std::vector{refused(request, "unknown_item", false)};
  });
  Sf1Client client(webapp.endpoint());
  const json answer = answer_of(client.ask(order("a"), kPatience));
  CHECK(answer["code"] == "unknown_item");
  CHECK(exit_for(answer) == kExitFailure);
  CHECK(tries == 1);
}

TEST_CASE("silence is answered by asking again on a new connection") {
  std::atomic<int> tries{0};
  FakeWebapp webapp([&](const json& request) {
    return ++tries == 1 ? std::vector<json>{} : std::vector{confirmed(request, 4)};
  });
  Sf1Client client(webapp.endpoint());
  CHECK(answer_of(client.ask(order("a"), kPatience))["order_id"] == "4");
  CHECK(tries == 2);
}

TEST_CASE("no answer at all says that the outcome is unknown and names the id") {
  FakeWebapp webapp([](const json&) { return std::vector<json>{}; });
  Sf1Client client(webapp.endpoint());
  const auto outcome = client.ask(order("my-id"), milliseconds(300));
  const auto* failure = std::get_if<Sf1Failure>(&outcome);
  REQUIRE(failure != nullptr);
  CHECK(failure->exit == kExitTimedOut);
  CHECK(failure->message.find("my-id") != std::string::npos);
  CHECK(failure->message.find("unknown") != std::string::npos);
}

TEST_CASE("when only retries were advised the last code is the answer") {
  FakeWebapp webapp(
      [](const json& request) { return std::vector{refused(request, "no_backend", true, 20)}; });
  Sf1Client client(webapp.endpoint());
  CHECK(answer_of(client.ask(order("a"), milliseconds(200)))["code"] == "no_backend");
}

TEST_CASE("a reason that comes after silence, to the connection before, is heard") {
  std::atomic<int> tries{0};
  FakeWebapp webapp([&](const json& request) {
    if (++tries > 1) return std::vector<json>{};
    // Longer than the first silence.
    static_cast<void>(std::promise<void>().get_future().wait_for(milliseconds(1300)));
    return std::vector{refused(request, "no_backend", true, 20)};
  });
  Sf1Client client(webapp.endpoint());
  CHECK(answer_of(client.ask(order("a"), milliseconds(3000)))["code"] == "no_backend");
}

TEST_CASE("every try says how long it is listened for, and less") {
  std::atomic<int> tries{0};
  std::atomic<bool> bounded{true};
  FakeWebapp webapp([&](const json& request) {
    const auto limit = ++tries == 1 ? 1000 : 2000;
    const auto ms = request.value("deadline_ms", 0);
    if (ms < 1 || ms >= limit) bounded = false;
    return tries < 2 ? std::vector<json>{} : std::vector{confirmed(request, 5)};
  });
  Sf1Client client(webapp.endpoint());
  CHECK(answer_of(client.ask(order("a"), kPatience))["order_id"] == "5");
  CHECK(bounded);
}

TEST_CASE("a refusal that names nobody is the open question's, at once") {
  FakeWebapp webapp([](const json&) {
    return std::vector{json{{"code", "too_large"}, {"message", "no"}, {"retry", false}}};
  });
  Sf1Client client(webapp.endpoint());
  const auto start = steady_clock::now();
  CHECK(answer_of(client.ask(order("a"), kPatience))["code"] == "too_large");
  CHECK(steady_clock::now() - start < kPatience / 2);
}

TEST_CASE("a port where nobody listens is told apart from silence") {
  Sf1Client client("tcp://127.0.0.1:" + std::to_string(free_port()));
  const auto start = steady_clock::now();
  const auto outcome = client.ask(order("a"), kPatience);
  const auto* failure = std::get_if<Sf1Failure>(&outcome);
  REQUIRE(failure != nullptr);
  CHECK(failure->exit == kExitNoConnection);
  CHECK(steady_clock::now() - start < kPatience);
}

TEST_CASE("a webapp that was restarted between two questions is found again") {
  const auto script = [](const json& request) { return std::vector{confirmed(request, 5)}; };
  auto webapp = std::make_unique<FakeWebapp>(script);
  const int port = webapp->port();
  Sf1Client client(webapp->endpoint());
  CHECK(answer_of(client.ask(order("a"), kPatience))["order_id"] == "5");
  webapp.reset();
  webapp = std::make_unique<FakeWebapp>(script, port);
  CHECK(answer_of(client.ask(order("b"), kPatience))["id"] == "b");
}

TEST_CASE("answers read as people expect") {
  const json bought{
      {"id", "a"}, {"state", "confirmed"}, {"order_id", "1099511815178"}, {"item", 1}, {"qty", 1},
      {"left", 5}, {"stored", true}};
  CHECK(describe_answer(bought) == "confirmed  order 1.187402  item 1  left 5  stored");
  auto held = bought;
  held.update({{"promo", 7}, {"unit_price_cents", 9}, {"fulfilment", "unpaid"}});
  held["pay_by"] = 1767225600250;
  CHECK(describe_answer(held) ==
        "confirmed  order 1.187402  item 1  promo 7  unit_price_cents 9  fulfilment unpaid  "
        "pay_by 2026-01-01T00:00:00.250Z  left 5  stored");
  const json sold_out{{"id", "a"}, {"state", "rejected"}, {"reason", "sold_out"}, {"item", 1},
                      {"qty", 2},  {"replayed", true}};
  CHECK(describe_answer(sold_out) ==
        "rejected   sold_out  item 1  qty 2  (same answer as before; nothing bought twice)");
  CHECK(exit_for(sold_out) == kExitRejected);
  const json error{{"code", "bad_request"}, {"field", "qty"}, {"message", "too many"}};
  CHECK(describe_answer(error) == "error      bad_request (qty): too many");
}
