// Who is served, and the credit.

#include "test/actors/broker/core/broker_fixture.h"

namespace stampede::actors {

// --- who is served --------------------------------------------------------------------------

TEST_CASE_FIXTURE(BrokerFixture, "each phase of the backend has its answer") {
  CHECK(work(1, 10) == "refuse 1 no_backend");
  const struct {
    Phase phase;
    const char* answer;
  } table[] = {{Phase::starting, "refuse 2 replaying"},
               {Phase::replaying, "refuse 2 replaying"},
               {Phase::serving, "forward 2"},
               {Phase::draining, "refuse 2 draining"},
               {Phase::stopped, "refuse 2 no_backend"}};
  connect();
  for (const auto& row : table) {
    hello(row.phase, 1);
    CHECK(work(2, 10) == row.answer);
  }
}

TEST_CASE_FIXTURE(BrokerFixture, "a refusal names the batch and says how many entries it had") {
  work(9, 12);
  REQUIRE(last.size() == 1);
  const auto& refusal = last[0].envelope;
  CHECK(last[0].webapp == 1);
  CHECK(refusal.kind == EnvelopeKind::refusal);
  CHECK(refusal.sender == kWebapp);
  CHECK(refusal.number == 9);
  CHECK(refusal.count == 12);
  CHECK(refusal.origin == 1);
  CHECK(refusal.broker == kBroker);
  CHECK(core.counters().refused[static_cast<std::size_t>(Code::no_backend)] == 12);
}

TEST_CASE_FIXTURE(BrokerFixture, "a forwarded batch carries broker, epoch and the running total") {
  serve(4);
  work(1, 10);
  work(2, 5);
  REQUIRE(last.size() == 1);
  const Envelope expected{.kind = EnvelopeKind::work,
                          .count = 5,
                          .origin = 1,
                          .sender = kWebapp,
                          .number = 2,
                          .broker = kBroker,
                          .epoch = 4,
                          .counter = 15};
  CHECK(last[0].envelope == expected);
  CHECK(core.in_flight() == 15);
}

TEST_CASE_FIXTURE(BrokerFixture, "silence of 2 s means no backend, until the next hello") {
  subscribe("result/webapp-1/");
  serve();
  now += kHelloSilenceMs - 1;
  CHECK(work(1, 1) == "forward 1");
  now += 1;
  CHECK(work(2, 1) == "hello 1 no_backend epoch 1 window 1000; refuse 2 no_backend");
  CHECK(hello(Phase::serving, 1) == "hello 1 ready epoch 1 window 1000");
  CHECK(work(3, 1) == "forward 3");
  CHECK(core.in_flight() == 2);  // the same session: what was forwarded still counts
}

TEST_CASE_FIXTURE(BrokerFixture, "a backend that says that it has stopped is no backend at once") {
  subscribe("result/webapp-1/");
  serve();
  CHECK(hello(Phase::draining, 1) == "hello 1 draining epoch 1 window 1000");
  CHECK(work(1, 1) == "refuse 1 draining");
  hello(Phase::stopped, 1);
  CHECK(work(2, 1) == "refuse 2 no_backend");
}

TEST_CASE_FIXTURE(BrokerFixture,
                  "a backend that cannot be reached yet is not announced as serving") {
  subscribe("result/webapp-1/");
  CHECK(hello(Phase::serving, 1) == "hello 1 starting epoch 1 window 1000");
  CHECK(work(1, 1) == "refuse 1 replaying");
  CHECK(connect() == "hello 1 ready epoch 1 window 1000");
  CHECK(work(1, 1) == "forward 1");
}

TEST_CASE_FIXTURE(BrokerFixture, "a batch that nobody took is refused and costs no credit") {
  subscribe("result/webapp-1/");
  serve(1, 100);
  work(1, 60);
  const auto forwarded = last[0].envelope;
  last.clear();
  core.not_forwarded(forwarded, last);
  CHECK(said() == "hello 1 starting epoch 1 window 100; refuse 1 no_backend");
  CHECK(core.credit() == 100);
  CHECK(core.counters().forwarded == 0);
  CHECK(work(1, 60) == "refuse 1 replaying");
  connect();
  CHECK(work(1, 60) == "forward 1");
}

// --- credit ---------------------------------------------------------------------------------

TEST_CASE_FIXTURE(BrokerFixture, "a batch over the credit is refused whole, one that fits passes") {
  serve(1, 100);
  CHECK(work(1, 60) == "forward 1");
  CHECK(work(2, 41) == "refuse 2 overloaded");
  CHECK(work(3, 40) == "forward 3");
  CHECK(work(4, 1) == "refuse 4 overloaded");
  CHECK(result(1, 1, 60) == "result 1 to 1");
  CHECK(work(5, 61) == "refuse 5 overloaded");
  CHECK(work(6, 60) == "forward 6");
  CHECK(core.counters().refused[static_cast<std::size_t>(Code::overloaded)] == 103);
}

TEST_CASE_FIXTURE(BrokerFixture, "the smaller of the two windows counts, and it may shrink") {
  serve(1, 1'000'000);
  CHECK(core.window() == 20'000);
  for (std::uint64_t i = 0; i < 5; ++i)
    CHECK(work(i + 1, 4000) == "forward " + std::to_string(i + 1));
  CHECK(work(6, 1) == "refuse 6 overloaded");
  hello(Phase::serving, 1, 500);
  CHECK(core.credit() == 0);  // more is in flight than the window now allows
  result(5, 1, 20'000);
  CHECK(core.credit() == 500);
}

TEST_CASE_FIXTURE(BrokerFixture, "lost results cost credit only until the next one, or a hello") {
  serve(1, 100);
  work(1, 50);
  work(2, 50);
  SUBCASE("the next result carries the total") {
    result(2, 1, 100);
  }
  SUBCASE("a hello repeats the total") {
    hello(Phase::serving, 1, 100, 100);
  }
  CHECK(core.credit() == 100);
}

TEST_CASE_FIXTURE(BrokerFixture, "totals that come late or twice change nothing") {
  serve(1, 100);
  work(1, 30);
  work(2, 30);
  result(2, 1, 60);
  CHECK(result(1, 1, 30) == "result 1 to 1");  // still somebody's answer
  result(2, 1, 60);
  hello(Phase::serving, 1, 100, 30);
  CHECK(core.in_flight() == 0);
}

TEST_CASE_FIXTURE(BrokerFixture, "a batch sent twice counts twice and is answered twice") {
  serve(1, 100);
  CHECK(work(1, 40) == "forward 1");
  CHECK(work(1, 40) == "forward 1");
  CHECK(work(1, 40) == "refuse 1 overloaded");
  result(1, 1, 40);
  result(1, 1, 80);
  CHECK(core.credit() == 100);
}

TEST_CASE_FIXTURE(BrokerFixture, "a total beyond what was forwarded gives no extra credit") {
  serve(1, 100);
  work(1, 40);
  result(1, 1, 5000);
  CHECK(core.in_flight() == 0);
  CHECK(work(2, 100) == "forward 2");
  CHECK(work(3, 1) == "refuse 3 overloaded");
}

TEST_CASE_FIXTURE(BrokerFixture, "results for another broker are passed on and carry no credit") {
  serve(1, 100);
  work(1, 100);
  CHECK(result(1, 1, 100, kBroker + 1) == "result 1 to 1");
  hello(Phase::serving, 1, 100, 100, 0, kBroker + 1);
  CHECK(core.credit() == 0);
  result(1, 1, 100);
  CHECK(core.credit() == 100);
}

TEST_CASE_FIXTURE(BrokerFixture,
                  "a new broker starts with the full window beside the old one's work") {
  // The backend still works for the broker that died, and says so in hello and results.
  hello(Phase::serving, 7, 100, 5000, 0, kBroker + 1);
  CHECK(last.empty());  // nothing was ever queued: no reopening
  connect();
  CHECK(core.credit() == 100);
  CHECK(work(1, 100) == "forward 1");
  result(44, 7, 5100, kBroker + 1);
  CHECK(core.in_flight() == 100);
}

TEST_CASE_FIXTURE(BrokerFixture,
                  "work lost on its way holds its credit only until a later batch is answered") {
  serve(1, 100);
  work(1, 60);  // lost
  work(2, 40);
  result(2, 1, last[0].envelope.counter);  // the backend answers with the batch's own total
  CHECK(core.credit() == 100);
}

TEST_CASE_FIXTURE(BrokerFixture,
                  "used-up credit lets one batch through in 2 s, so that a loss heals") {
  serve(1, 100);
  work(1, 100);  // lost, with nothing behind it
  for (int i = 0; i < 7; ++i) {
    now += 250;
    hello(Phase::serving, 1, 100);
    CHECK(work(2, 10) == "refuse 2 overloaded");
  }
  now += 250;
  hello(Phase::serving, 1, 100);
  CHECK(work(2, 101) == "refuse 2 overloaded");  // never more than a window
  CHECK(work(2, 10) == "forward 2");
  CHECK(work(3, 10) == "refuse 3 overloaded");
  CHECK(core.counters().probes == 1);
  result(2, 1, 110);
  CHECK(core.credit() == 100);
}

}  // namespace stampede::actors
