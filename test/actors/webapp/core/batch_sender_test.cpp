// Batches on their way: numbers, credit, repeats, and what is kept until it was answered.

#include "actors/webapp/core/batch_sender.h"

#include <doctest/doctest.h>

#include <string>
#include <vector>

using namespace stampede::actors;
using Numbers = std::vector<std::uint64_t>;

namespace {

constexpr std::int64_t kMs = 1000;
constexpr std::uint64_t kInstance = 77;

struct Sender : private WorkOutput {
  Sender() { hello(); }

  void hello(std::uint64_t broker = 1, std::uint64_t epoch = 1, Phase phase = Phase::serving,
             std::uint64_t window = 0) {
    sender.on_hello({broker, epoch, window, phase}, now);
  }
  // So many orders that nobody in particular waits for.
  void take(std::size_t orders) {
    for (; orders > 0; --orders) {
      ClientAsk ask;
      ask.request.op = ClientOp::order;
      ask.request.user = "ann";
      table.add(sender.open_batch(1, kAnswerBytes).content, ask, "x", now);
    }
  }
  Numbers round() {
    sent.clear();
    sender.end_of_round(now);
    return sent;
  }
  Numbers take_and_send(std::size_t orders) {
    take(orders);
    return round();
  }
  Numbers pass(std::int64_t ms) {
    now += ms * kMs;
    sender.check_silence(now);
    sender.on_tick(now);
    return round();
  }
  OutgoingBatch* find(std::uint64_t number) { return sender.find({kInstance, number, 1}); }
  void answer(std::uint64_t number) {
    REQUIRE(find(number) != nullptr);
    sender.release(sender.remove(number));
  }

  bool full = false;
  Numbers sent;
  std::vector<std::uint32_t> counts;
  std::vector<std::string> bodies;
  std::int64_t now = 1'000'000;
  WaitingTable table{1'000'000};
  BatchSender sender{*this, kInstance, 1000 * kMs};

 private:
  bool send_work(std::uint64_t number, std::uint32_t count, std::string_view body) override {
    if (full) return false;
    sent.push_back(number);
    counts.push_back(count);
    bodies.emplace_back(body);
    return true;
  }
};

}  // namespace

TEST_CASE("a round's requests are one batch, numbered in the order of sending") {
  Sender s;
  CHECK(s.round().empty());
  CHECK(s.take_and_send(3) == Numbers{1});
  CHECK(s.take_and_send(2) == Numbers{2});
  CHECK(s.counts == std::vector<std::uint32_t>{3, 2});
  CHECK(s.sender.counters().batches == 2);
}

TEST_CASE("a full batch is closed and the rest opens the next") {
  Sender s;
  CHECK(s.take_and_send(kBatchEntries + 1) == Numbers{1, 2});
  CHECK(s.counts == std::vector<std::uint32_t>{kBatchEntries, 1});
}

TEST_CASE("entries that are not to be torn apart open a new batch when they find no room") {
  Sender s;
  s.take(kBatchEntries - 10);
  auto& old = s.sender.open_batch(10, 10 * kAnswerBytes);
  CHECK(old.count() == kBatchEntries - 10);
  auto& fresh = s.sender.open_batch(11, 11 * kAnswerBytes);
  CHECK(fresh.count() == 0);
}

TEST_CASE("a broker that takes nothing costs no batch and no number") {
  Sender s;
  s.full = true;
  CHECK(s.take_and_send(1).empty());
  s.full = false;
  CHECK(s.round() == Numbers{1});
}

TEST_CASE("a window closes batches early, holds them back, and lets a larger one out alone") {
  Sender s;
  s.take(5);
  s.hello(1, 1, Phase::serving, 4);
  CHECK(s.round() == Numbers{1});  // five are in it: it was there before
  s.take(5);
  CHECK(s.round().empty());
  s.answer(1);
  CHECK(s.round() == Numbers{2});
  s.answer(2);
  CHECK(s.round() == Numbers{3});
  CHECK(s.counts == std::vector<std::uint32_t>{5, 4, 1});
}

TEST_CASE("small batches wait for company behind few that are on their way") {
  Sender s;
  for (std::uint64_t i = 1; i <= kSmallBatchesInFlightMax; ++i)
    CHECK(s.take_and_send(1) == Numbers{i});
  CHECK(s.take_and_send(kSmallBatch - 1).empty());
  CHECK(s.take_and_send(1) == Numbers{kSmallBatchesInFlightMax + 1});
  CHECK(s.counts.back() == kSmallBatch);
}

TEST_CASE("a new broker, a new epoch and a backend that serves again get all that is held") {
  Sender s;
  s.take_and_send(1);
  s.take_and_send(2);
  SUBCASE("broker") {
    s.hello(2, 1);
  }
  SUBCASE("epoch") {
    s.hello(1, 2);
    CHECK(s.sender.epoch() == 2);
  }
  SUBCASE("serving") {
    s.hello(1, 1, Phase::replaying);
    CHECK(s.round().empty());
    s.hello(1, 1, Phase::serving);
  }
  SUBCASE("heard again") {
    s.now += kHelloSilenceMaxUs + 1;
    s.sender.check_silence(s.now);
    CHECK_FALSE(s.sender.connected());
    CHECK(s.round().empty());
    s.hello();
  }
  CHECK(s.round() == Numbers{1, 2});
  CHECK(s.bodies[2] == s.bodies[0]);
  CHECK(s.bodies[3] == s.bodies[1]);
  CHECK(s.sender.counters().resent == 2);
  CHECK(s.round().empty());
}

TEST_CASE("a hello that says nothing new sends nothing") {
  Sender s;
  s.take_and_send(1);
  s.hello();
  CHECK(s.round().empty());
}

TEST_CASE("repeats go before what is new") {
  Sender s;
  s.take_and_send(1);
  s.take(1);
  s.hello(2);
  CHECK(s.round() == Numbers{1, 2});
}

TEST_CASE("a batch without answer is sent again after 1, 2, 4, 8, 8 times resend_us") {
  Sender s;
  s.take_and_send(1);
  std::vector<std::int64_t> seconds;
  for (std::int64_t at = 1; at <= 60; ++at) {
    for (int tenth = 0; tenth < 10; ++tenth) {
      s.hello();
      if (!s.pass(100).empty()) seconds.push_back(at);
    }
  }
  CHECK(seconds == std::vector<std::int64_t>{1, 3, 7, 15, 23, 31, 39, 47, 55});
}

TEST_CASE("a batch that nobody looked at is held, and sent again after resend_us") {
  Sender s;
  s.take_and_send(1);
  s.sender.hold(*s.find(1), Code::replaying, s.now);
  CHECK(s.find(1)->refused == Code::replaying);
  CHECK_FALSE(s.find(1)->in_flight);
  CHECK(s.pass(900).empty());
  CHECK(s.pass(100) == Numbers{1});
}

TEST_CASE("answers for others, for nothing, and from an epoch that is over are counted") {
  Sender s;
  s.hello(1, 3);
  s.take_and_send(1);
  CHECK(s.sender.find_result({kInstance + 1, 1, 3}) == nullptr);
  CHECK(s.sender.find_result({kInstance, 2, 9}) == nullptr);
  CHECK(s.sender.epoch() == 3);
  CHECK(s.sender.find_result({kInstance, 1, 2}) == nullptr);
  CHECK(s.sender.counters().results_ignored == 3);
  REQUIRE(s.sender.find_result({kInstance, 1, 4}) != nullptr);
  CHECK(s.sender.epoch() == 4);
  CHECK(s.sender.find_result({kInstance, 1, 3}) == nullptr);
}

TEST_CASE("a lower epoch of another log begins anew, of the same log it is the past") {
  Sender sale;
  const auto hello = [&](std::uint64_t epoch, std::uint32_t log) {
    sale.sender.on_hello({1, epoch, 0, Phase::serving, log}, sale.now);
  };
  const auto result = [&](std::uint64_t epoch) {
    return sale.sender.find_result({kInstance, 1, epoch}) != nullptr;
  };
  hello(5, 9);
  CHECK(sale.take_and_send(3) == Numbers{1});
  hello(4, 9);
  sale.round();
  CHECK_FALSE(result(4));
  hello(1, 8);
  CHECK(sale.round() == Numbers{1});  // asked of the new one, too
  CHECK(result(1));
  CHECK(sale.sender.epoch() == 1);
}

TEST_CASE("an answered batch makes room for others and is held no more") {
  Sender s;
  for (std::uint64_t i = 0; i < kSmallBatchesInFlightMax; ++i) s.take_and_send(1);
  CHECK(s.take_and_send(1).empty());
  s.answer(1);
  CHECK(s.round() == Numbers{kSmallBatchesInFlightMax + 1});
  CHECK(s.find(1) == nullptr);
  s.hello(2);
  CHECK(s.round() == Numbers{2, 3});
}

TEST_CASE("a batch that leaves while it waits to be sent again is not sent") {
  Sender s;
  s.take_and_send(1);
  s.hello(2);
  s.answer(1);
  CHECK(s.round().empty());
  CHECK(s.take_and_send(1) == Numbers{2});
}

TEST_CASE("a delayed batch is sent when its time has come, under a number of its own") {
  Sender s;
  s.take_and_send(1);
  auto batch = s.sender.new_batch();
  ClientAsk ask;
  ask.request.op = ClientOp::order;
  s.table.add(batch->content, ask, "late", s.now);
  s.sender.send_later(std::move(batch), s.now + 200 * kMs);
  CHECK(s.pass(199).empty());
  CHECK(s.pass(1) == Numbers{2});
}

TEST_CASE("every batch is visited and can be taken out, wherever it is") {
  Sender s;
  s.take_and_send(1);  // sent
  s.full = true;
  s.take_and_send(kBatchEntries + 1);  // one full, one gathering
  s.sender.send_later(s.sender.new_batch(), s.now + 1000 * kMs);
  std::vector<std::uint32_t> seen;
  s.sender.for_each([&](OutgoingBatch& batch) { seen.push_back(batch.count()); });
  CHECK(seen.size() == 4);
  int dropped = 0;
  const auto drop = [&](OutgoingBatchPtr batch) {
    ++dropped;
    if (batch->in_flight) s.sender.send_later(s.sender.new_batch(), s.now);  // stays
    s.sender.release(std::move(batch));
  };
  s.sender.remove_if([](const OutgoingBatch&) { return false; }, drop);
  CHECK(dropped == 0);
  s.sender.remove_if([](const OutgoingBatch&) { return true; }, drop);
  CHECK(dropped == 4);
  seen.clear();
  s.sender.for_each([&](OutgoingBatch& batch) { seen.push_back(batch.count()); });
  CHECK(seen == std::vector<std::uint32_t>{0});
}

TEST_CASE("a released batch comes back empty, as if new") {
  Sender s;
  s.take_and_send(3);
  s.sender.hold(*s.find(1), Code::draining, s.now);
  s.answer(1);
  const auto batch = s.sender.new_batch();
  CHECK(batch->count() == 0);
  CHECK(batch->number == 0);
  CHECK(batch->attempts == 0);
  CHECK(batch->refused == Code::none);
  CHECK(batch->content.requests().capacity() > 0);
}
