// How a port ends: on request, at once, by a fault; and what is left behind.

#include <doctest/doctest.h>

#include <atomic>
#include <new>

#include "test/transport/port/port_fixture.h"

namespace stampede::transport {

TEST_CASE_FIXTURE(PortFixture,
                  "an exit message of normal priority comes after the mail before it") {
  std::atomic<int> mails{0};
  std::atomic<bool> finished{false};
  role->handlers = [&](PortControl&) { return caf::message_handler{[&](int) { ++mails; }}; };
  role->at_finish = [&](PortControl&) { finished = true; };
  const auto port = spawn();
  for (int i = 0; i < 10'000; ++i) caf::anon_send(port, i);
  end(port, caf::exit_reason::user_shutdown);
  CHECK(end_of(port) == "exit_reason(user_shutdown)");
  CHECK(mails == 10'000);
  CHECK(finished);
}

TEST_CASE_FIXTURE(PortFixture, "a kill overtakes 100000 mails and is not finished politely") {
  int mails = 0;
  std::atomic<bool> finished{false};
  std::promise<void> entered, go;
  auto released = go.get_future();
  role->handlers = [&](PortControl&) {
    return caf::message_handler{[&](int) {
      if (++mails > 1) return;
      entered.set_value();
      released.wait();
    }};
  };
  role->at_finish = [&](PortControl&) { finished = true; };
  const auto port = spawn();
  caf::anon_send(port, 0);
  auto inside = entered.get_future();
  REQUIRE(comes(inside));
  for (int i = 0; i < 100'000; ++i) caf::anon_send(port, i);
  end_now(port, caf::exit_reason::kill);
  go.set_value();
  CHECK(end_of(port) == "exit_reason(kill)");
  CHECK(mails == 1);
  CHECK_FALSE(finished);
}

TEST_CASE_FIXTURE(PortFixture, "a kill does not wait for 100000 messages in a socket") {
  std::atomic<int> messages{0};
  std::promise<void> go;
  auto released = go.get_future();
  role->at_start = [&](PortControl& port) {
    SocketOptions options = bind_to(SocketKind::pull, directory.ipc("in"));
    options.receive_high_water = 200'000;
    port.open(options);
  };
  role->at_message = [&](PortControl&, SocketId, Message&) {
    if (++messages == 1) released.wait();
  };
  const auto port = spawn();
  SocketOptions options = connect_to(SocketKind::push, directory.ipc("in"));
  options.send_high_water = 200'000;
  Socket push(context, options);
  for (int i = 0; i < 100'000; ++i) REQUIRE(send_in_time(push, {"x"}));
  end_now(port, caf::exit_reason::kill);
  go.set_value();
  CHECK(end_of(port) == "exit_reason(kill)");
  CHECK(messages <= 2 * kMessagesPerSocket);
}

TEST_CASE_FIXTURE(PortFixture, "what a role throws becomes the reason of the actor's end") {
  const auto fail = [](const char* where) {
    throw std::runtime_error(std::string("fault in ") + where);
  };
  std::string where;
  SUBCASE("start") {
    where = "start";
    role->at_start = [&](PortControl&) { fail("start"); };
  }
  SUBCASE("mail") {
    where = "mail";
    role->handlers = [&](PortControl&) { return caf::message_handler{[&](int) { fail("mail"); }}; };
  }
  SUBCASE("a message") {
    where = "a message";
    role->at_start = [&](PortControl& port) {
      port.open(bind_to(SocketKind::pull, directory.ipc("in")));
    };
    role->at_message = [&](PortControl&, SocketId, Message&) { fail("a message"); };
  }
  SUBCASE("a timer") {
    where = "a timer";
    role->at_start = [&](PortControl& port) { port.wake_at(port.now()); };
    role->at_timer = [&](PortControl&) { fail("a timer"); };
  }
  SUBCASE("the end of a round") {
    where = "the end of a round";
    role->at_end_of_round = [&](PortControl&) { fail("the end of a round"); };
  }
  const auto port = spawn();
  caf::anon_send(port, 1);
  Socket push(context, connect_to(SocketKind::push, directory.ipc("in")));
  if (where == "a message") REQUIRE(send_in_time(push, {"x"}));
  const std::string reason = end_of(port);
  CAPTURE(reason);
  CHECK(reason.find("runtime_error") != std::string::npos);
  CHECK(reason.find("fault in " + where) != std::string::npos);
}

TEST_CASE_FIXTURE(PortFixture, "a port without memory says so") {
  role->at_start = [](PortControl&) { throw std::bad_alloc(); };
  const std::string reason = end_of(spawn());
  CAPTURE(reason);
  CHECK(reason.find("memory ran out") != std::string::npos);
}

TEST_CASE_FIXTURE(PortFixture, "a taken address ends the actor with a reason of its own") {
  const std::string endpoint = directory.ipc("in");
  Socket holder(context, bind_to(SocketKind::pull, endpoint));
  role->at_start = [&](PortControl& port) { port.open(bind_to(SocketKind::pull, endpoint)); };
  const auto port = spawn();
  const std::string reason = end_of(port);
  CAPTURE(reason);
  CHECK(reason.find("cannot_open_port") != std::string::npos);
  CHECK(reason.find("cannot bind " + endpoint) != std::string::npos);
}

TEST_CASE_FIXTURE(PortFixture, "a role can end its port after the round it is in") {
  bool round_ended = false, finished = false;
  role->at_start = [&](PortControl& port) { port.wake_at(port.now()); };
  role->at_timer = [&](PortControl& port) { port.stop(); };
  role->at_end_of_round = [&](PortControl&) { round_ended = true; };
  role->at_finish = [&](PortControl&) { finished = true; };
  const auto port = spawn();
  CHECK(end_of(port) == "none");
  CHECK(round_ended);
  CHECK(finished);
}

TEST_CASE_FIXTURE(PortFixture, "a message sent in finish still goes out within its linger time") {
  SocketId out = 0;
  role->at_start = [&](PortControl& port) {
    SocketOptions options = bind_to(SocketKind::push, directory.ipc("out"));
    options.linger_ms = kPatienceMs;
    out = port.open(options);
  };
  role->at_message = [](PortControl&, SocketId, Message&) {};
  std::promise<void> connected;
  bool told = false;
  role->at_end_of_round = [&](PortControl& port) {
    Message probe = message_of({"probe"});
    if (!told && port.send(out, probe)) told = true, connected.set_value();
  };
  role->at_finish = [&](PortControl& port) {
    Message last = message_of({"last"});
    CHECK(port.send(out, last));
  };
  const auto port = spawn();
  caf::anon_send(port, caf::exit_reason::normal);  // any mail makes a round; this one is unknown
  Socket pull(context, connect_to(SocketKind::pull, directory.ipc("out")));
  auto ready = connected.get_future();
  REQUIRE(comes(ready));
  end(port, caf::exit_reason::user_shutdown);
  CHECK(end_of(port) == "exit_reason(user_shutdown)");
  Message parts;
  REQUIRE(receive_in_time(pull, parts));
  CHECK(text_of(parts) == "probe");
  REQUIRE(receive_in_time(pull, parts));
  CHECK(text_of(parts) == "last");
}

TEST_CASE_FIXTURE(PortFixture, "the role is destroyed in the port's thread, sockets closed") {
  struct Witness {
    std::promise<std::thread::id>& told;
    ~Witness() { told.set_value(std::this_thread::get_id()); }
  };
  std::promise<std::thread::id> told, ran;
  std::shared_ptr<Witness> witness(new Witness{told});
  role->at_start = [&ran, witness](PortControl&) { ran.set_value(std::this_thread::get_id()); };
  auto destroyed = told.get_future();
  witness.reset();
  const auto port = spawn();
  end(port, caf::exit_reason::user_shutdown);
  REQUIRE(comes(destroyed));
  CHECK(destroyed.get() == ran.get_future().get());
}

}  // namespace stampede::transport
