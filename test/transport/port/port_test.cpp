#include "transport/port/port.h"

#include <doctest/doctest.h>
#include <sys/eventfd.h>

#include <algorithm>
#include <atomic>
#include <memory>
#include <numeric>

#include "test/support/eventually.h"
#include "test/transport/port/port_fixture.h"
#include "test/transport/zmq/raw_peer.h"
#include "transport/port/time_grid.h"
#include "transport/zmq/peer_guard.h"

namespace stampede::transport {

TEST_CASE_FIXTURE(PortFixture, "what is pulled is pushed on in order") {
  SocketId in = 0, out = 0;
  role->at_start = [&](PortControl& port) {
    in = port.open(bind_to(SocketKind::pull, directory.ipc("in")));
    out = port.open(connect_to(SocketKind::push, directory.ipc("out")));
  };
  role->at_message = [&](PortControl& port, SocketId id, Message& parts) {
    CHECK(id == in);
    CHECK(port.send(out, parts));
  };
  Socket pull(context, bind_to(SocketKind::pull, directory.ipc("out")));
  Socket push(context, connect_to(SocketKind::push, directory.ipc("in")));
  const auto port = spawn();
  constexpr int kMessages = 2000;  // several rounds' worth
  for (int i = 0; i < kMessages; ++i) REQUIRE(send_in_time(push, {"head", std::to_string(i)}));
  Message parts;
  for (int i = 0; i < kMessages; ++i) {
    REQUIRE(receive_in_time(pull, parts));
    REQUIRE(text_of(parts) == "head|" + std::to_string(i));
  }
  end(port, caf::exit_reason::user_shutdown);
}

TEST_CASE_FIXTURE(PortFixture,
                  "each dealer gets its own answers, with its delimiter if it sent one") {
  SocketId router = 0;
  role->at_start = [&](PortControl& port) {
    router = port.open(bind_to(SocketKind::router, directory.ipc("r")));
  };
  role->at_message = [&](PortControl& port, SocketId id, Message& parts) {
    parts.back() = Frame("answer to " + std::string(parts.back().bytes()));
    CHECK(port.send(id, parts));
  };
  const auto port = spawn();
  Socket one(context, connect_to(SocketKind::dealer, directory.ipc("r")));
  Socket two(context, connect_to(SocketKind::dealer, directory.ipc("r")));
  for (int i = 0; i < 300; ++i) {
    REQUIRE(send_in_time(one, {"a" + std::to_string(i)}));
    REQUIRE(send_in_time(two, {"", "b" + std::to_string(i)}));
  }
  Message parts;
  for (int i = 0; i < 300; ++i) {
    REQUIRE(receive_in_time(one, parts));
    REQUIRE(text_of(parts) == "answer to a" + std::to_string(i));
    REQUIRE(receive_in_time(two, parts));
    REQUIRE(parts.size() == 2);
    REQUIRE(parts[0].size() == 0);
    REQUIRE(parts[1].bytes() == "answer to b" + std::to_string(i));
  }
  end(port, caf::exit_reason::user_shutdown);
}

TEST_CASE_FIXTURE(PortFixture, "mail and messages are both served while both pour in") {
  constexpr int kEach = 50'000;
  int mails = 0, messages = 0;
  std::promise<void> all;
  const auto count = [&](int& counter) {
    if (++counter <= kEach && mails == kEach && messages == kEach) all.set_value();
  };
  role->at_start = [&](PortControl& port) {
    port.open(bind_to(SocketKind::pull, directory.ipc("in")));
  };
  role->handlers = [&](PortControl&) { return caf::message_handler{[&](int) { count(mails); }}; };
  role->at_message = [&](PortControl&, SocketId, Message&) { count(messages); };
  const auto port = spawn();
  Socket push(context, connect_to(SocketKind::push, directory.ipc("in")));
  for (int i = 0; i < kEach; ++i) {
    caf::anon_send(port, i);
    REQUIRE(send_in_time(push, {"x"}));
  }
  auto done = all.get_future();
  CHECK(comes(done));
  end(port, caf::exit_reason::user_shutdown);
}

TEST_CASE_FIXTURE(PortFixture, "all that waits is taken in one round before it ends") {
  int taken = 0;
  std::promise<int> first_round;
  bool told = false;
  std::promise<void> go;
  auto released = go.get_future();
  role->at_start = [&](PortControl& port) {
    port.open(bind_to(SocketKind::pull, directory.ipc("in")));
    released.wait();
  };
  role->at_message = [&](PortControl&, SocketId, Message&) { ++taken; };
  role->at_end_of_round = [&](PortControl&) {
    if (taken > 0 && !std::exchange(told, true)) first_round.set_value(taken);
  };
  const auto port = spawn();
  Socket push(context, connect_to(SocketKind::push, directory.ipc("in")));
  for (int i = 0; i < 1000; ++i) REQUIRE(send_in_time(push, {"x"}));
  go.set_value();
  auto batch = first_round.get_future();
  REQUIRE(comes(batch));
  const int size = batch.get();
  CHECK(size >= 1);
  CHECK(size <= kMessagesPerSocket);
  end(port, caf::exit_reason::user_shutdown);
}

TEST_CASE_FIXTURE(PortFixture, "a role's quiet comes when nothing has, once for each wish") {
  int mails = 0;
  std::vector<int> seen;  // mails before each quiet
  std::promise<void> go;
  std::promise<void> thrice;
  auto released = go.get_future();
  role->at_start = [&](PortControl& port) {
    released.wait();
    port.call_when_quiet();
  };
  role->handlers = [&](PortControl& port) {
    return caf::message_handler{[&](int) {
      ++mails;
      port.call_when_quiet();
    }};
  };
  role->at_quiet = [&](PortControl& port) {
    seen.push_back(mails);
    if (seen.size() < 3) port.call_when_quiet();
    if (seen.size() == 3) thrice.set_value();
  };
  const auto port = spawn();
  for (int i = 0; i < 50; ++i) caf::anon_send(port, i);
  go.set_value();
  auto third = thrice.get_future();
  REQUIRE(comes(third));
  end(port, caf::exit_reason::user_shutdown);
  CHECK(seen == std::vector<int>{50, 50, 50});
}

TEST_CASE_FIXTURE(PortFixture,
                  "what a role leaves is taken in later rounds, without a new message") {
  int taken = 0;
  std::vector<int> rounds;
  std::promise<void> all;
  std::promise<void> go;
  auto released = go.get_future();
  role->at_start = [&](PortControl& port) {
    port.open(bind_to(SocketKind::pull, directory.ipc("in")));
    released.wait();
  };
  role->at_message = [&](PortControl& port, SocketId, Message&) {
    if (++taken % 10 == 0) port.leave_rest();
  };
  role->at_end_of_round = [&](PortControl&) {
    const int before = std::accumulate(rounds.begin(), rounds.end(), 0);
    if (taken > before) rounds.push_back(taken - before);
    if (taken == 100 && before < 100) all.set_value();
  };
  const auto port = spawn();
  Socket push(context, connect_to(SocketKind::push, directory.ipc("in")));
  for (int i = 0; i < 100; ++i) REQUIRE(send_in_time(push, {"x"}));
  go.set_value();
  auto done = all.get_future();
  REQUIRE(comes(done));
  end(port, caf::exit_reason::user_shutdown);
  CHECK(*std::max_element(rounds.begin(), rounds.end()) <= 10);
}

TEST_CASE_FIXTURE(PortFixture, "a paused socket stalls its sender and loses nothing") {
  SocketId in = 0;
  std::promise<void> paused;
  std::vector<std::string> got;
  std::promise<void> last;
  role->at_start = [&](PortControl& port) {
    SocketOptions options = bind_to(SocketKind::pull, directory.ipc("in"));
    options.receive_high_water = 10;
    in = port.open(options);
    port.pause_reading(in, true);
    paused.set_value();
  };
  role->handlers = [&](PortControl& port) {
    return caf::message_handler{[&](int) { port.pause_reading(in, false); }};
  };
  role->at_message = [&](PortControl&, SocketId, Message& parts) {
    if (parts[0].bytes() == "last") return last.set_value();
    got.emplace_back(parts[0].bytes().substr(0, 6));
  };
  const auto port = spawn();
  auto ready = paused.get_future();
  REQUIRE(comes(ready));
  SocketOptions options = connect_to(SocketKind::push, directory.ipc("in"));
  options.send_high_water = 10;
  Socket push(context, options);
  REQUIRE(wait_for(push, ZMQ_POLLOUT));
  int taken = 0;
  for (;; ++taken) {
    REQUIRE(taken < 1000);
    Message parts = message_of({std::to_string(100'000 + taken) + std::string(100'000, 'b')});
    if (!push.send(parts) && !(wait_for(push, ZMQ_POLLOUT, 200) && push.send(parts))) break;
  }
  CHECK(taken >= 10);
  caf::anon_send(port, 1);
  REQUIRE(send_in_time(push, {"last"}));
  auto done = last.get_future();
  REQUIRE(comes(done));
  REQUIRE(got.size() == static_cast<std::size_t>(taken));
  for (int i = 0; i < taken; ++i)
    CHECK(got[static_cast<std::size_t>(i)] == std::to_string(100'000 + i));
  end(port, caf::exit_reason::user_shutdown);
}

TEST_CASE_FIXTURE(PortFixture,
                  "a refused message can be offered again as soon as a peer is there") {
  SocketId out = 0;
  std::promise<void> refused;
  bool sent = false;
  Message backlog = message_of({"head", "body"});
  role->at_start = [&](PortControl& port) {
    out = port.open(bind_to(SocketKind::push, directory.ipc("out")));
    if (!port.send(out, backlog)) refused.set_value();
  };
  role->at_end_of_round = [&](PortControl& port) {
    if (!sent) sent = port.send(out, backlog);
  };
  const auto port = spawn();
  auto was_refused = refused.get_future();
  REQUIRE(comes(was_refused));
  Socket pull(context, connect_to(SocketKind::pull, directory.ipc("out")));
  Message parts;
  REQUIRE(receive_in_time(pull, parts));
  CHECK(text_of(parts) == "head|body");
  end(port, caf::exit_reason::user_shutdown);
}

TEST_CASE_FIXTURE(PortFixture, "a timer comes at its time, and one for many of the same time") {
  std::promise<int> fired;
  int calls = 0;
  MonoTime due;
  role->at_start = [&](PortControl& port) {
    due = port.now() + std::chrono::milliseconds(20);
    for (int i = 0; i < 1000; ++i) port.wake_at(due);
  };
  role->at_timer = [&](PortControl& port) {
    CHECK(port.now() >= due);
    due = port.now() + std::chrono::milliseconds(30);  // from here: a busy machine may be late
    if (++calls == 1) port.wake_at(due);
    if (calls == 2) fired.set_value(calls);
  };
  const auto port = spawn();
  auto done = fired.get_future();
  REQUIRE(comes(done));
  end(port, caf::exit_reason::user_shutdown);
  CHECK(end_of(port) == "exit_reason(user_shutdown)");
  CHECK(calls == 2);
}

TEST_CASE_FIXTURE(PortFixture, "a timer that may wait comes with what comes before its end") {
  int messages = 0;
  std::promise<int> fired;
  role->at_start = [&](PortControl& port) {
    port.open(bind_to(SocketKind::pull, directory.ipc("in")));
    port.wake_between(port.now(), port.now() + std::chrono::hours(1));
    port.wake_between(port.now() + std::chrono::hours(1), port.now() + std::chrono::hours(2));
  };
  role->at_message = [&](PortControl&, SocketId, Message&) { ++messages; };
  role->at_timer = [&](PortControl&) { fired.set_value(messages); };
  const auto port = spawn();
  Socket push(context, connect_to(SocketKind::push, directory.ipc("in")));
  REQUIRE(send_in_time(push, {"x"}));
  auto done = fired.get_future();
  CHECK(comes(done));
  end(port, caf::exit_reason::user_shutdown);
}

TEST_CASE_FIXTURE(PortFixture, "a timer that may wait comes by itself at its end") {
  std::promise<void> fired;
  MonoTime end_of_wait;
  role->at_start = [&](PortControl& port) {
    end_of_wait = port.now() + std::chrono::milliseconds(20);
    port.wake_between(end_of_wait, end_of_wait);
  };
  role->at_timer = [&](PortControl& port) {
    CHECK(port.now() >= end_of_wait);
    fired.set_value();
  };
  const auto port = spawn();
  auto done = fired.get_future();
  CHECK(comes(done));
  end(port, caf::exit_reason::user_shutdown);
}

TEST_CASE("what is due on the grid is due at the same moments for all, however late they looked") {
  using std::chrono::milliseconds;
  const milliseconds period{500};
  for (const int late : {0, 1, 20, 499})
    CHECK(next_on_grid(MonoTime(milliseconds(1'500 + late)), period) ==
          MonoTime(milliseconds(2'000)));
}

TEST_CASE_FIXTURE(PortFixture, "a watched descriptor calls until it is watched no more") {
  const int fd = ::eventfd(5, EFD_SEMAPHORE | EFD_CLOEXEC);
  int calls = 0;
  std::promise<void> unwatched;
  role->at_start = [&](PortControl& port) {
    port.watch(fd, [&] {
      eventfd_t value = 0;
      ::eventfd_read(fd, &value);
      if (++calls < 3) return;
      port.unwatch(fd);
      unwatched.set_value();
    });
  };
  role->handlers = [](PortControl&) {
    return caf::message_handler{[](int value) { return value; }};
  };
  const auto port = spawn();
  auto done = unwatched.get_future();
  REQUIRE(comes(done));
  caf::scoped_actor self(system);
  self->request(port, std::chrono::seconds(10), 7)
      .receive([](int value) { CHECK(value == 7); }, [](const caf::error&) { CHECK(false); });
  CHECK(calls == 3);
  end(port, caf::exit_reason::user_shutdown);
  CHECK(end_of(port) == "exit_reason(user_shutdown)");
  ::close(fd);
}

TEST_CASE_FIXTURE(PortFixture, "a role may close and open sockets while it takes a message") {
  SocketId in = 0;
  const std::string tcp = "tcp://127.0.0.1:" + std::to_string(free_tcp_port());
  std::atomic<int> generation{0};
  role->at_start = [&](PortControl& port) { in = port.open(bind_to(SocketKind::pull, tcp)); };
  role->at_message = [&](PortControl& port, SocketId id, Message&) {
    CHECK(id == in);
    port.close(id);
    in = port.open(bind_to(SocketKind::pull, tcp), true);
    CHECK(in != id);
    generation++;
  };
  const auto port = spawn();
  for (int i = 0; i < 5; ++i) {
    Socket push(context, connect_to(SocketKind::push, tcp));
    REQUIRE(send_in_time(push, {"next"}));
    Socket probe(context, connect_to(SocketKind::push, tcp));
    while (generation.load() <= i) wait_for(probe, ZMQ_POLLIN, 1);
  }
  end(port, caf::exit_reason::user_shutdown);
  CHECK(end_of(port) == "exit_reason(user_shutdown)");
}

TEST_CASE_FIXTURE(PortFixture, "of too many topics the greediest go, and nobody else") {
  constexpr int kGreedy = 6;
  std::promise<void> bound, first, last;
  std::atomic<int> few_left{0}, gone{0};
  const auto endpoint = "tcp://127.0.0.1:" + std::to_string(free_tcp_port());
  role->at_start = [&](PortControl& port) {
    SocketOptions options = bind_to(SocketKind::xpub, endpoint);
    options.topics_max = 1000;
    port.open(options);
    bound.set_value();
  };
  role->at_message = [&](PortControl&, SocketId, Message& parts) {
    const auto topic = parts[0].bytes().substr(1);
    const bool joined = parts[0].bytes()[0] == 1;
    if (!joined) ++(topic.starts_with("few/") ? few_left : gone);
    if (joined && topic == "few/first/4") first.set_value();
    if (joined && topic == "few/last/4") last.set_value();
  };
  const auto port = spawn();
  auto ready = bound.get_future();
  REQUIRE(comes(ready));
  const auto subscriber = [&](const std::string& topic, int topics) {
    auto options = connect_to(SocketKind::sub, endpoint);
    for (int i = 0; i < topics; ++i) options.subscriptions.push_back(topic + std::to_string(i));
    return std::make_unique<Socket>(context, options);
  };
  const auto before = peers_cut();
  const auto early = subscriber("few/first/", 5);
  auto is_first = first.get_future();
  REQUIRE(comes(is_first));
  std::vector<std::unique_ptr<Socket>> greedy;
  for (int i = 0; i < kGreedy; ++i)
    greedy.push_back(subscriber("greedy/" + std::to_string(i) + "/", 300));
  CHECK(test::eventually([&] { return gone >= 300 * (kGreedy - 4); }));
  const auto late = subscriber("few/last/", 5);
  auto is_last = last.get_future();
  CHECK(comes(is_last));
  CHECK(few_left == 0);
  CHECK(test::eventually([&] { return peers_cut() >= before + kGreedy - 3; }));
  end(port, caf::exit_reason::user_shutdown);
}

TEST_CASE_FIXTURE(PortFixture, "topics without end shut a publisher for a moment, and free it") {
  std::promise<void> bound, flooded, again;
  int subscribed = 0;
  int gone = 0;
  // As clients reach it.
  const int tcp_port = free_tcp_port();
  const auto endpoint = "tcp://127.0.0.1:" + std::to_string(tcp_port);
  role->at_start = [&](PortControl& port) {
    SocketOptions options = bind_to(SocketKind::xpub, endpoint);
    options.topics_max = 100;
    port.open(options);
    bound.set_value();
  };
  role->at_message = [&](PortControl& port, SocketId id, Message& parts) {
    if (parts[0].bytes() == "\x01honest") again.set_value();
    if (parts[0].bytes()[0] == 1) return static_cast<void>(++subscribed);
    Frame news("news");
    CHECK_FALSE(port.send(id, news));  // shut: nothing is taken
    if (++gone == 201) flooded.set_value();
  };
  const auto port = spawn();
  auto ready = bound.get_future();
  REQUIRE(comes(ready));
  std::string attack;
  for (int i = 0; i < 250; ++i) attack += frame("\x01topic/" + std::to_string(i) + "/");
  {
    const RawPeer attacker(tcp_port, "SUB");
    attacker.offer(attack);  // at once: it is cut too late
    auto done = flooded.get_future();
    REQUIRE(comes(done));
  }
  CHECK(subscribed == 200);  // the next one was too many, and is among the gone
  auto reader = connect_to(SocketKind::sub, endpoint);
  reader.subscriptions = {"honest"};
  Socket honest(context, reader);
  auto back = again.get_future();
  // A SUB that lost a connection subscribes anew when its program looks at it.
  CHECK(test::eventually([&] {
    static_cast<void>(wait_for(honest, ZMQ_POLLIN, 5));
    return back.wait_for(std::chrono::seconds(0)) == std::future_status::ready;
  }));
  end(port, caf::exit_reason::user_shutdown);
}

TEST_CASE_FIXTURE(PortFixture, "a request is answered, one that nobody knows is refused") {
  role->handlers = [](PortControl&) {
    return caf::message_handler{[](int value) { return value + 1; }};
  };
  const auto port = spawn();
  caf::scoped_actor self(system);
  self->request(port, std::chrono::seconds(10), 41)
      .receive([](int value) { CHECK(value == 42); }, [](const caf::error&) { CHECK(false); });
  self->request(port, std::chrono::seconds(10), 1.5)
      .receive([](int) { CHECK(false); },
               [](const caf::error& error) { CHECK(error == caf::sec::unexpected_message); });
  end(port, caf::exit_reason::user_shutdown);
}

}  // namespace stampede::transport
