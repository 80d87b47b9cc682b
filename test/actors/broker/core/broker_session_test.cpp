// Sessions with backends, what webapps are told, what is malformed.

#include "test/actors/broker/core/broker_fixture.h"

namespace stampede::actors {

// --- sessions -------------------------------------------------------------------------------

TEST_CASE_FIXTURE(BrokerFixture, "a new epoch reopens the way, frees all credit and is announced") {
  subscribe("result/webapp-1/");
  subscribe("result/webapp-2/");
  serve(1, 100);
  work(1, 100);
  CHECK(hello(Phase::replaying, 2, 100) ==
        "reopen; hello 1 replaying epoch 2 window 100; hello 2 replaying epoch 2 window 100");
  CHECK(core.in_flight() == 0);
  CHECK_FALSE(core.connected());
  hello(Phase::serving, 2, 100);
  CHECK(work(2, 1) == "refuse 2 replaying");
  connect();
  CHECK(work(2, 100) == "forward 2");
  CHECK(last[0].envelope.counter == 100);
}

TEST_CASE_FIXTURE(BrokerFixture, "another instance of the same epoch is a new session, too") {
  serve(1, 100);
  work(1, 100);
  CHECK(hello(Phase::serving, 1, 100, 0, 4711) == "reopen");
  CHECK(core.in_flight() == 0);
  CHECK(core.counters().sessions == 2);
}

TEST_CASE_FIXTURE(BrokerFixture,
                  "results, news and hellos of a lower epoch are ignored and counted") {
  serve(1, 100);
  work(1, 100);
  serve(2, 100);
  work(2, 100);
  CHECK(result(1, 1, 100) == "");
  CHECK(hello(Phase::draining, 1, 100, 100) == "");
  last.clear();
  core.on_backend({.kind = EnvelopeKind::news, .count = 1, .epoch = 1}, now, last);
  CHECK(last.empty());
  CHECK(core.credit() == 0);
  CHECK(core.phase() == Phase::serving);
  CHECK(core.counters().stale == 3);
}

TEST_CASE_FIXTURE(BrokerFixture, "a lower epoch of another log is another session") {
  subscribe("result/webapp-1/");
  const auto hello_of = [&](std::uint32_t log, std::uint64_t epoch, std::uint64_t backend) {
    return hello(Phase::serving, epoch, 100, 0, backend, kBroker, log);
  };
  hello_of(9, 3, 501);
  connect();
  work(1, 1);
  CHECK(hello_of(9, 2, 502) == "");  // the same log's past
  CHECK(hello_of(8, 1, 601) == "reopen; hello 1 starting epoch 1 window 100");
  CHECK(connect() == "hello 1 ready epoch 1 window 100");
  CHECK(last[0].envelope.origin == 8);
  CHECK(work(2, 1) == "forward 2");
  CHECK(core.in_flight() == 1);
  // Who was left is not gone back to, and what it still says is the past.
  CHECK(hello_of(9, 3, 501) == "");
  CHECK(result(1, 3, 1) == "");
  CHECK(result(2, 1, 1) == "result 2 to 1");
  CHECK(hello_of(8, 2, 602) == "reopen; hello 1 starting epoch 2 window 100");
  CHECK(core.epoch() == 2);
}

TEST_CASE_FIXTURE(BrokerFixture,
                  "results of an epoch not yet heard of are passed on without credit") {
  serve(1, 100);
  work(1, 100);
  CHECK(result(1, 2, 100) == "result 1 to 1");
  CHECK(core.credit() == 0);
}

TEST_CASE_FIXTURE(BrokerFixture,
                  "a starting backend without an epoch is heard and changes no session") {
  subscribe("result/webapp-1/");
  serve(3, 100);
  work(1, 100);
  CHECK(hello(Phase::starting, 0, 100, 0, 4711) == "hello 1 starting epoch 3 window 100");
  CHECK(work(2, 1) == "refuse 2 replaying");
  CHECK(core.epoch() == 3);
  CHECK(core.in_flight() == 100);
  CHECK(hello(Phase::serving, 4, 100, 0, 4711) == "reopen; hello 1 starting epoch 4 window 100");
}

// --- what webapps are told ------------------------------------------------------------------

TEST_CASE_FIXTURE(BrokerFixture,
                  "a webapp hears the state when it subscribes, and news of it after") {
  CHECK(subscribe("result/webapp-1/") == "hello 1 no_backend epoch 0 window 0");
  hello(Phase::replaying, 1);
  CHECK(said() == "hello 1 replaying epoch 1 window 1000");
  CHECK(hello(Phase::replaying, 1) == "");  // nothing new
  CHECK(subscribe("result/webapp-12/") == "hello 12 replaying epoch 1 window 1000");
  CHECK(last[0].envelope.sender == kBroker);
  CHECK(last[0].envelope.broker == kBroker);
  CHECK(subscribe("result/webapp-1/", false) == "");
  connect();
  CHECK(hello(Phase::serving, 1) == "hello 12 ready epoch 1 window 1000");
}

TEST_CASE_FIXTURE(BrokerFixture, "the state is repeated every second, for one who missed it") {
  subscribe("result/webapp-1/");
  CHECK(tick(0) == "hello 1 no_backend epoch 0 window 0");
  CHECK(tick(kHelloRepeatMs - 1) == "");
  CHECK(tick(1) == "hello 1 no_backend epoch 0 window 0");
}

TEST_CASE_FIXTURE(BrokerFixture,
                  "the state is repeated at full seconds, however late the last one was") {
  subscribe("result/webapp-1/");
  CHECK(tick(3) != "");
  CHECK(tick(500) == "");
  CHECK(tick(498) != "");  // one millisecond behind the next one
}

TEST_CASE_FIXTURE(BrokerFixture,
                  "only topics of possible webapps count, so their number is bounded") {
  for (const std::string topic :
       {"", "news/", "result/", "result/webapp-", "result/webapp-/", "result/webapp-0/",
        "result/webapp-1", "result/webapp-1/x", "result/webapp-x/", "result/webapp--1/",
        "result/webapp-1001/", "result/webapp-99999999999999999999/", "stock/1/"}) {
    CAPTURE(topic);
    CHECK(subscribe(topic) == "");
  }
  CHECK(core.webapps().empty());
  CHECK(subscribe("result/webapp-1000/") != "");
}

TEST_CASE_FIXTURE(BrokerFixture, "what a webapp could not take is counted") {
  core.not_published({BrokerEffect::Kind::publish_result, 1, {}});
  core.not_published({BrokerEffect::Kind::tell, 1, {}});
  core.not_published({BrokerEffect::Kind::publish_news, 0, {}});
  CHECK(core.counters().dropped_results == 2);
  CHECK(core.counters().dropped_news == 1);
}

// --- malformed ------------------------------------------------------------------------------

TEST_CASE_FIXTURE(BrokerFixture,
                  "malformed work is refused when its sender is known, and counted") {
  serve();
  const Envelope good{
      .kind = EnvelopeKind::work, .count = 1, .origin = 1, .sender = kWebapp, .number = 1};
  const auto with = [&](auto change, std::size_t body_bytes = 100) {
    Envelope envelope = good;
    change(envelope);
    return work(envelope, body_bytes);
  };
  CHECK(with([](Envelope&) {}) == "forward 1");
  CHECK(with([](Envelope& e) { e.kind = EnvelopeKind::result; }) == "");
  CHECK(with([](Envelope& e) { e.origin = 0; }) == "");
  CHECK(with([](Envelope& e) { e.origin = kWebappsMax + 1; }) == "");
  CHECK(with([](Envelope& e) { e.sender = 0; }) == "");
  CHECK(with([](Envelope& e) { e.number = 0; }) == "");
  CHECK(with([](Envelope& e) { e.count = 0; }) == "refuse 1 internal");
  CHECK(with([](Envelope& e) { e.count = kBatchOrdersMax + 1; }) == "refuse 1 internal");
  CHECK(with([](Envelope&) {}, 0) == "refuse 1 internal");
  CHECK(with([](Envelope&) {}, kBatchBytesMax + 1) == "refuse 1 internal");
  CHECK(core.counters().malformed == 9);
}

TEST_CASE_FIXTURE(BrokerFixture, "malformed words of a backend change nothing and are counted") {
  serve();
  const auto say = [&](const Envelope& envelope) {
    last.clear();
    core.on_backend(envelope, now, last);
    return said();
  };
  CHECK(say({.kind = EnvelopeKind::work, .origin = 1}) == "");
  CHECK(say({.kind = EnvelopeKind::wanted}) == "");
  CHECK(say({.kind = EnvelopeKind::result, .origin = 0, .epoch = 9}) == "");
  CHECK(say({.kind = EnvelopeKind::hello, .code = 0, .sender = 1, .epoch = 9}) == "");
  CHECK(say({.kind = EnvelopeKind::hello, .code = 6, .sender = 1, .epoch = 9}) == "");
  CHECK(say({.kind = EnvelopeKind::hello, .code = 3, .sender = 0, .epoch = 9}) == "");
  CHECK(say({.kind = EnvelopeKind::hello, .code = 3, .sender = 1, .epoch = 0}) == "");
  CHECK(core.counters().malformed == 7);
  CHECK(core.epoch() == 1);
  CHECK(core.phase() == Phase::serving);
}

}  // namespace stampede::actors
