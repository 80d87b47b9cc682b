#include "tools/bench/bench_load.h"

#include <doctest/doctest.h>
#include <poll.h>

#include <atomic>
#include <map>
#include <memory>
#include <string>

#include "test/tools/ask/fake_webapp.h"
#include "tools/bench/sf1_wire.h"

using namespace stampede::tools;
using nlohmann::json;
using std::literals::chrono_literals::operator""ms;
using std::literals::chrono_literals::operator""s;

namespace {

constexpr std::uint64_t kFirst = std::uint64_t{1} << 40;

// Sells `stock` units and remembers its answers, as the real system does.
class Shop {
 public:
  explicit Shop(std::uint64_t stock) : stock_(stock) {}

  json decide(const json& request) {
    const std::string id = request.at("id");
    const auto known = answers_.find(id);
    if (known != answers_.end()) return known->second;
    json answer = sold_ < stock_ ? confirmed(request, kFirst + ++sold_)
                                 : json{{"id", id}, {"state", "rejected"}, {"reason", "sold_out"}};
    return answers_.emplace(id, answer).first->second;
  }

 private:
  std::uint64_t stock_;
  std::uint64_t sold_ = 0;
  std::map<std::string, json> answers_;
};

LoadResult run(const std::string& endpoint, LoadOptions options, double duplicates = 0) {
  BenchPlan plan({7, "t", 3, 100, duplicates});
  Sf1Wire wire(plan, endpoint, 2, options.batch > 1);
  return BenchLoad(plan, wire, options, nullptr).run();
}

LoadOptions closed(std::uint64_t requests) {
  LoadOptions options;
  options.closed = true;
  options.window = 50;
  options.requests = requests;
  return options;
}

}  // namespace

TEST_CASE("closed loop: every order is answered and counted once") {
  Shop shop(600);
  FakeWebapp webapp([&](const json& request) { return std::vector{shop.decide(request)}; });
  const auto result = run(webapp.endpoint(), closed(1000));
  CHECK(result.connected);
  CHECK(result.offered == 1000);
  CHECK(result.confirmed == 600);
  CHECK(result.rejected == 400);
  CHECK(result.reasons.at("sold_out") == 400);
  CHECK(result.no_answer == 0);
  CHECK(result.errors == 0);
  CHECK(result.contradictions == 0);
  CHECK(result.latency.count() == 1000);
  CHECK(result.first_order_id == kFirst + 1);
  CHECK(result.last_order_id == kFirst + 600);
}

TEST_CASE(
    "a ticket for each order, then the orders: what is left over is told and not asked again") {
  Shop shop(300);
  std::map<std::string, int> tries;
  int orders = 0;
  FakeWebapp webapp([&](const json& request) {
    const std::string id = request.at("id");
    const std::string ticket = "t1." + id;
    if (request.at("op") == "ticket") {
      if (++tries[id] == 1 && tries.size() % 7 == 0)
        return std::vector{refused(request, "overloaded", true, 5)};
      return std::vector{json{{"id", id}, {"ticket", ticket}, {"promo", 7}, {"item", 1}}};
    }
    ++orders;
    if (request.at("ticket") != ticket)
      return std::vector{refused(request, "ticket_invalid", false)};
    const json answer = shop.decide(request);
    if (answer.at("state") == "confirmed") return std::vector{answer};
    return std::vector{refused(request, "sold_out", true)};
  });
  BenchContent content{7, "t", 1, 100};
  content.promo = 7;
  content.tickets = true;
  BenchPlan plan(content);
  Sf1Wire wire(plan, webapp.endpoint(), 2, false);
  const auto tickets = BenchLoad(plan, wire, closed(500), nullptr).run();
  CHECK((tickets.connected && tickets.offered == 500 && tickets.tickets == 500));
  CHECK(tickets.codes.at("overloaded") > 50);
  CHECK((tickets.confirmed == 0 && tickets.errors == 0 && tickets.contradictions == 0));
  REQUIRE(plan.order_with_tickets(500));
  const auto load = BenchLoad(plan, wire, closed(500), nullptr).run();
  CHECK(load.confirmed == 300);
  CHECK((load.for_now == 200 && load.reasons.empty() && load.answered() == 500));
  CHECK((load.rejected == 0 && load.errors == 0 && load.contradictions == 0));
  CHECK(orders == 500);
}

TEST_CASE("open loop: as many orders as rate and duration say, at their time") {
  Shop shop(1'000'000);
  FakeWebapp webapp([&](const json& request) { return std::vector{shop.decide(request)}; });
  LoadOptions options;
  options.rate = 2000;
  options.duration = 500ms;
  const auto result = run(webapp.endpoint(), options);
  CHECK(result.offered == 1000);
  CHECK(result.confirmed == 1000);
  CHECK(result.seconds >= 0.49);
}

TEST_CASE("open loop: waiting counts from the planned time, also for those behind a stall") {
  Shop shop(1'000'000);
  int seen = 0;
  FakeWebapp webapp([&](const json& request) {
    if (++seen == 10) ::poll(nullptr, 0, 200);  // the stall that is measured
    return std::vector{shop.decide(request)};
  });
  LoadOptions options;
  options.rate = 1000;
  options.duration = 300ms;
  const auto result = run(webapp.endpoint(), options);
  CHECK(result.confirmed == 300);
  CHECK(result.latency.max_ns() >= 190'000'000);
  CHECK(result.latency.percentile_ns(0.5) >= 20'000'000);  // most orders stood behind it
}

TEST_CASE("repeats get the same answer and are not counted as orders") {
  Shop shop(500);
  FakeWebapp webapp([&](const json& request) { return std::vector{shop.decide(request)}; });
  const auto result = run(webapp.endpoint(), closed(1000), 30);
  CHECK(result.offered == 1000);
  CHECK(result.confirmed == 500);
  CHECK(result.rejected == 500);
  CHECK(result.repeats > 200);
  CHECK(result.contradictions == 0);
}

TEST_CASE("an id that is answered in two ways is found") {
  std::uint64_t next = kFirst;
  FakeWebapp webapp([&](const json& request) { return std::vector{confirmed(request, ++next)}; });
  const auto result = run(webapp.endpoint(), closed(200), 50);
  CHECK(result.contradictions > 0);
  CHECK(result.contradictions == result.repeats);
  REQUIRE_FALSE(result.examples.empty());
  CHECK(result.examples.front().find("b7-t-") != std::string::npos);
}

TEST_CASE("codes that allow it are retried, others are errors") {
  Shop shop(1000);
  std::map<std::string, int> tries;
  int orders = 0;
  FakeWebapp webapp([&](const json& request) {
    const int tried = ++tries[request.at("id")];
    if (tried == 1 && ++orders % 10 == 0) {
      return std::vector{refused(request, "unknown_item", false)};
    }
    if (tried < 3) return std::vector{refused(request, "overloaded", true, 5)};
    return std::vector{shop.decide(request)};
  });
  const auto result = run(webapp.endpoint(), closed(200));
  CHECK(result.errors == 20);
  CHECK(result.confirmed == 180);
  CHECK(result.resent == 360);
  CHECK(result.codes.at("overloaded") == 360);
  CHECK(result.codes.at("unknown_item") == 20);
}

TEST_CASE("orders that nobody answers are counted when their time is over") {
  Shop shop(1000);
  int count = 0;
  FakeWebapp webapp([&](const json& request) {
    return ++count % 2 == 0 ? std::vector<json>{} : std::vector{shop.decide(request)};
  });
  LoadOptions options = closed(40);
  options.timeout = 300ms;
  const auto result = run(webapp.endpoint(), options);
  CHECK(result.offered == 40);
  CHECK(result.no_answer > 0);
  CHECK(result.confirmed + result.no_answer == 40);
}

TEST_CASE("what was open on a lost connection is sent again") {
  Shop shop(1000);
  std::atomic<int> swallowed{0};
  auto webapp = std::make_unique<FakeWebapp>([&](const json&) {
    ++swallowed;
    return std::vector<json>{};
  });
  const int port = webapp->port();
  const std::string endpoint = webapp->endpoint();
  std::thread restart([&] {
    while (swallowed < 50) std::this_thread::yield();
    webapp.reset();
    webapp = std::make_unique<FakeWebapp>(
        [&](const json& request) { return std::vector{shop.decide(request)}; }, port);
  });
  LoadOptions options = closed(100);
  options.timeout = 5s;  // shorter than silence is borne with: only the new connection brings it
  const auto result = run(endpoint, options);
  restart.join();
  CHECK(result.confirmed == 100);
  CHECK(result.no_answer == 0);
}

TEST_CASE("batches: orders travel in arrays, the last one shorter, and are judged one by one") {
  Shop shop(600);
  FakeWebapp webapp([&](const json& request) { return std::vector{shop.decide(request)}; });
  LoadOptions options = closed(1000);
  options.batch = 64;
  options.window = 256;
  const auto result = run(webapp.endpoint(), options);
  CHECK(webapp.arrays() == 16);
  CHECK(result.offered == 1000);
  CHECK(result.confirmed == 600);
  CHECK(result.rejected == 400);
  CHECK(result.latency.count() == 1000);
  CHECK(result.unreadable == 0);
}

TEST_CASE("batches: repeats stand in the arrays, and refused entries are asked again") {
  Shop shop(10'000);
  std::map<std::string, int> tries;
  FakeWebapp webapp([&](const json& request) {
    const bool first = ++tries[request.at("id")] == 1;
    if (first && tries.size() % 7 == 0) return std::vector{refused(request, "overloaded", true, 5)};
    return std::vector{shop.decide(request)};
  });
  LoadOptions options = closed(700);
  options.batch = 50;
  options.window = 100;
  const auto result = run(webapp.endpoint(), options, 30);
  CHECK(result.confirmed == 700);
  CHECK(result.repeats > 150);
  CHECK(result.resent >= 50);  // fewer than 100: a repeat may have brought the answer
  CHECK(result.contradictions == 0);
  CHECK(result.codes.at("overloaded") == 100);
}

TEST_CASE("batches, open loop: the orders of an array are due together") {
  Shop shop(1'000'000);
  FakeWebapp webapp([&](const json& request) { return std::vector{shop.decide(request)}; });
  LoadOptions options;
  options.rate = 4000;
  options.duration = 500ms;
  options.batch = 100;
  const auto result = run(webapp.endpoint(), options);
  CHECK(result.confirmed == 2000);
  CHECK(webapp.arrays() == 20);
  CHECK(result.seconds >= 0.47);  // the last array is due at 0.475 s
}

TEST_CASE("nobody listening is told") {
  const auto result = run("tcp://127.0.0.1:" + std::to_string(free_port()), closed(10));
  CHECK_FALSE(result.connected);
  CHECK(result.offered == 0);
}
