// The broker's role with real sockets: a webapp and a backend played by the test.

#include "actors/broker/broker_port.h"

#include <doctest/doctest.h>

#include <chrono>
#include <memory>
#include <optional>

#include "actors/node/socket_directory.h"
#include "actors/protocol/envelope.h"
#include "test/transport/zmq/zmq_fixture.h"

namespace stampede::actors {

using transport::Channel;
using transport::Context;
using transport::Envelope;
using transport::EnvelopeKind;
using transport::Message;
using transport::Socket;
using transport::SocketKind;
using Clock = std::chrono::steady_clock;

namespace {

constexpr std::uint64_t kWebapp = 901;

struct SystemConfig : caf::actor_system_config {
  SystemConfig() {
    set("scheduler.max-threads", 1);
    set("scheduler.policy", caf::atom("sharing"));
  }
};

struct Heard {
  Envelope envelope;
  std::string topic;
  std::string body;
};

// A broker in this process. Ends in the order: actor, actor system, context.
struct BrokerPortFixture {
  transport::SocketDirectory directory;
  Context context;
  SystemConfig caf_config;
  caf::actor_system system{caf_config};
  std::unique_ptr<NodeRuntime> node;
  caf::actor port;
  std::optional<Socket> requests, results;        // the webapp's
  std::optional<Socket> backend_in, backend_out;  // the backend's
  Envelope hello{.kind = EnvelopeKind::hello};
  Clock::time_point next_hello{};

  void run(bool tcp, std::uint64_t inflight_max = 16'384) {
    NodeOptions options;
    options.role = "broker";
    options.config.run_dir = directory.path();
    options.config.net.mode = tcp ? "tcp" : "ipc";
    options.config.net.port_base = transport::free_tcp_port(4) - 11;  // a broker has 11 to 14
    options.config.broker.inflight_max = inflight_max;
    node = std::make_unique<NodeRuntime>(std::move(options), 4711, system, context);
    REQUIRE(make_socket_directory(transport::net_options(node->config())).empty());
    port = node->spawn_actor<transport::PortActor>({"port"}, &context,
                                                   std::make_unique<BrokerPort>(*node));
    requests.emplace(context, connect(SocketKind::push, Channel::requests_in));
    auto listen = connect(SocketKind::sub, Channel::results_out);
    listen.subscriptions = {"result/webapp-1/", "news/"};
    results.emplace(context, listen);
  }

  ~BrokerPortFixture() {
    node->request_stop();
    caf::scoped_actor self(system, true);  // hidden: the node counts its actors
    self->monitor(port);
    caf::anon_send(
        port, caf::exit_msg{caf::actor_addr{}, caf::make_error(caf::exit_reason::user_shutdown)});
    self->receive([&](const caf::down_msg& down) {
      CHECK(system.render(down.reason) == "exit_reason(user_shutdown)");
    });
    node->await_actors();
  }

  transport::SocketOptions connect(SocketKind kind, Channel channel) {
    return transport::connect_to(kind, node->endpoint(channel));
  }

  void start_backend(std::uint64_t epoch, Phase phase = Phase::serving) {
    backend_out.emplace(context, connect(SocketKind::push, Channel::results_in));
    backend_in.emplace(context, connect(SocketKind::pull, Channel::requests_out));
    hello.code = static_cast<std::uint16_t>(phase);
    hello.sender = 5000 + epoch;
    hello.epoch = epoch;
    hello.counter = 1000;
    next_hello = {};
  }

  // As a backend does, every now and then while the test waits.
  void keep_alive() {
    if (!backend_out || Clock::now() < next_hello) return;
    if (say(hello)) next_hello = Clock::now() + std::chrono::milliseconds(100);
  }

  bool say(const Envelope& envelope, std::string_view body = "") {
    Message parts = transport::message_of({transport::encode(envelope), body});
    return backend_out->send(parts);
  }

  template <class Done>
  void wait_until(Done done) {
    const auto until = Clock::now() + std::chrono::milliseconds(transport::kPatienceMs);
    while (!done()) {
      REQUIRE(Clock::now() < until);
      keep_alive();
      transport::wait_for(*results, ZMQ_POLLIN, 5);
    }
  }

  // The next message for the webapp that `wanted` accepts.
  template <class Wanted>
  Heard hear(Wanted wanted) {
    Heard heard;
    Message parts;
    wait_until([&] {
      while (results->receive(parts)) {
        REQUIRE(parts.size() >= 2);
        const auto envelope = transport::decode_envelope(parts[1].bytes());
        REQUIRE(envelope.has_value());
        heard = {*envelope, std::string(parts[0].bytes()),
                 parts.size() > 2 ? std::string(parts[2].bytes()) : ""};
        if (wanted(heard.envelope)) return true;
      }
      return false;
    });
    return heard;
  }

  Heard hear(EnvelopeKind kind) {
    return hear([kind](const Envelope& envelope) { return envelope.kind == kind; });
  }

  Heard hear_phase(Phase phase, std::uint64_t epoch) {
    return hear([=](const Envelope& envelope) {
      return envelope.kind == EnvelopeKind::hello && envelope.epoch == epoch &&
             envelope.code == static_cast<std::uint16_t>(phase);
    });
  }

  void order(std::uint64_t number, std::uint32_t count, std::string_view body) {
    const Envelope work{.kind = EnvelopeKind::work,
                        .count = count,
                        .origin = 1,
                        .sender = kWebapp,
                        .number = number};
    const auto head = transport::encode(work);
    REQUIRE(transport::send_in_time(*requests, {head, body}));
  }

  Heard take_work() {
    Heard heard;
    Message parts;
    wait_until([&] { return backend_in->receive(parts); });
    REQUIRE(parts.size() == 2);
    heard.envelope = *transport::decode_envelope(parts[0].bytes());
    heard.body = parts[1].bytes();
    return heard;
  }
};

}  // namespace

TEST_CASE_FIXTURE(BrokerPortFixture,
                  "an order goes through and its answer comes back, bodies untouched") {
  bool tcp = false;
  SUBCASE("ipc") {}
  SUBCASE("tcp") {
    tcp = true;
  }
  run(tcp);
  CHECK(hear_phase(Phase::invalid, 0).topic == "result/webapp-1/");
  order(1, 3, "early");
  const auto refusal = hear(EnvelopeKind::refusal).envelope;
  CHECK(refusal.code == static_cast<std::uint16_t>(Code::no_backend));
  CHECK(refusal.number == 1);

  start_backend(1);
  const auto ready = hear_phase(Phase::serving, 1).envelope;
  CHECK(ready.sender == 4711);
  CHECK(ready.counter == 1000);
  const std::string body(100'000, 'b');
  order(2, 3, body);
  const auto work = take_work();
  CHECK(work.body == body);
  CHECK(work.envelope.number == 2);
  CHECK(work.envelope.broker == 4711);

  Envelope answer = work.envelope;
  answer.kind = EnvelopeKind::result;
  answer.counter = 3;
  REQUIRE(say(answer, "answers"));
  const auto result = hear(EnvelopeKind::result);
  CHECK(result.topic == "result/webapp-1/");
  CHECK(result.envelope == answer);
  CHECK(result.body == "answers");
}

TEST_CASE_FIXTURE(BrokerPortFixture,
                  "after a new epoch the way is open again for the new backend alone") {
  bool tcp = false;
  SUBCASE("ipc") {}
  SUBCASE("tcp") {
    tcp = true;
  }
  run(tcp);
  for (std::uint64_t epoch = 1; epoch <= 5; ++epoch) {
    start_backend(epoch);  // the one before it is gone, and with it what it was sent
    hear_phase(Phase::serving, epoch);
    order(epoch, 1000, "all the credit");
    const auto work = take_work();
    CHECK(work.envelope.number == epoch);
    CHECK(work.envelope.epoch == epoch);
  }
}

TEST_CASE_FIXTURE(BrokerPortFixture,
                  "used-up credit is an answer, and comes back with the results") {
  run(false);
  start_backend(1);
  hear_phase(Phase::serving, 1);
  order(1, 1000, "a");
  order(2, 1, "b");
  const auto refusal = hear(EnvelopeKind::refusal).envelope;
  CHECK(refusal.number == 2);
  CHECK(refusal.code == static_cast<std::uint16_t>(Code::overloaded));
  Envelope answer = take_work().envelope;
  answer.kind = EnvelopeKind::result;
  answer.counter = 1000;
  REQUIRE(say(answer));
  hear(EnvelopeKind::result);
  order(3, 1000, "c");
  CHECK(take_work().envelope.number == 3);
}

TEST_CASE_FIXTURE(BrokerPortFixture, "malformed messages harm nobody") {
  run(false);
  start_backend(1);
  hear_phase(Phase::serving, 1);
  REQUIRE(transport::send_in_time(*requests, {"no envelope"}));
  REQUIRE(transport::send_in_time(*requests, {"no envelope", "body"}));
  REQUIRE(transport::send_in_time(*requests, {"", "", "", "", ""}));
  Message garbage = transport::message_of({"x", "y", "z"});
  REQUIRE(backend_out->send(garbage));
  order(1, 1, "good");
  CHECK(take_work().body == "good");
}

TEST_CASE_FIXTURE(BrokerPortFixture, "news reach every webapp, past one that has stopped reading") {
  run(false);
  start_backend(1);
  hear_phase(Phase::serving, 1);
  auto listen = connect(SocketKind::sub, Channel::results_out);
  listen.subscriptions = {"result/webapp-2/", "news/"};
  listen.receive_high_water = 1;
  Socket stuck(context, listen);
  const std::string body(20'000, 'n');
  // More than the stuck one's queues hold; the webapp that reads misses none of them.
  bool came_alone = false;
  for (std::uint32_t i = 1; i <= 6000; ++i) {
    const Envelope news{.kind = EnvelopeKind::news, .count = i, .epoch = 1};
    wait_until([&] { return say(news, body); });
    const auto heard = hear(EnvelopeKind::news);
    REQUIRE(heard.envelope.count == i);
    REQUIRE(heard.body.size() == body.size());
    came_alone = came_alone || heard.topic == "result/webapp-1/";
  }
  CHECK(came_alone);  // the stuck one was full
}

}  // namespace stampede::actors
