#include "transport/zmq/sockets.h"

#include <doctest/doctest.h>

#include "test/transport/zmq/zmq_fixture.h"

namespace stampede::transport {

namespace {

bool has(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

SocketError bind_failure(Context& context, const std::string& endpoint) {
  try {
    const Socket socket(context, bind_to(SocketKind::pull, endpoint));
  } catch (const SocketError& error) {
    return error;
  }
  return {"bound", false};
}

// XPUB side: waits for one subscription.
void await_subscription(Socket& publisher) {
  Message parts;
  REQUIRE(receive_in_time(publisher, parts));
}

Socket subscriber(Context& context, const std::string& endpoint, int high_water) {
  SocketOptions options = connect_to(SocketKind::sub, endpoint);
  options.subscriptions = {""};
  options.receive_high_water = high_water;
  return {context, options};
}

}  // namespace

TEST_CASE("messages arrive whole and in order") {
  const SocketDirectory directory;
  Context context;
  Socket pull(context, bind_to(SocketKind::pull, directory.ipc("a")));
  Socket push(context, connect_to(SocketKind::push, directory.ipc("a")));
  REQUIRE(send_in_time(push, {"one"}));
  REQUIRE(send_in_time(push, {"two", "", std::string(5000, 'x')}));
  Message parts;
  REQUIRE(receive_in_time(pull, parts));
  CHECK(text_of(parts) == "one");
  REQUIRE(receive_in_time(pull, parts));
  CHECK(text_of(parts) == "two||" + std::string(5000, 'x'));
  CHECK_FALSE(pull.receive(parts));
  CHECK(parts.empty());
}

TEST_CASE("sent parts are empty, refused parts untouched") {
  const SocketDirectory directory;
  Context context;
  Socket push(context, bind_to(SocketKind::push, directory.ipc("a")));
  Message parts = message_of({"head", "body"});
  CHECK_FALSE(push.send(parts));  // nobody is there
  CHECK_FALSE(push.writable());
  CHECK(text_of(parts) == "head|body");
  Socket pull(context, connect_to(SocketKind::pull, directory.ipc("a")));
  REQUIRE(wait_for(push, ZMQ_POLLOUT));
  CHECK(push.send(parts));
  CHECK(parts[0].size() == 0);
  CHECK(parts[1].size() == 0);
}

TEST_CASE("a full peer refuses; what was taken arrives") {
  const SocketDirectory directory;
  Context context;
  SocketOptions in = bind_to(SocketKind::pull, directory.ipc("a"));
  in.receive_high_water = 10;
  SocketOptions out = connect_to(SocketKind::push, directory.ipc("a"));
  out.send_high_water = 10;
  Socket pull(context, in);
  Socket push(context, out);
  const std::string body(100'000, 'b');  // the kernel's buffers hold few of these
  REQUIRE(wait_for(push, ZMQ_POLLOUT));
  int taken = 0;
  for (;; ++taken) {
    REQUIRE(taken < 1000);
    Message parts = message_of({"head", body});
    if (!push.send(parts) && !wait_for(push, ZMQ_POLLOUT, 200)) break;
  }
  CHECK(taken >= 10);
  Message parts;
  for (int i = 0; i < 10; ++i) REQUIRE(receive_in_time(pull, parts));
  CHECK(text_of(parts) == "head|" + body);
}

TEST_CASE("a router tells that a peer is gone") {
  const SocketDirectory directory;
  Context context;
  Socket router(context, bind_to(SocketKind::router, directory.ipc("a")));
  Message parts;
  {
    Socket dealer(context, connect_to(SocketKind::dealer, directory.ipc("a")));
    REQUIRE(send_in_time(dealer, {"hello"}));
    REQUIRE(receive_in_time(router, parts));
    REQUIRE(parts.size() == 2);
    Message answer;
    answer.push_back(parts[0].share());
    answer.emplace_back("welcome");
    CHECK(router.send(answer));
    REQUIRE(receive_in_time(dealer, answer));
    CHECK(text_of(answer) == "welcome");
  }
  // The disconnection arrives at some time; until then messages are taken and lost.
  bool refused = false;
  for (int i = 0; i < kPatienceMs && !refused; ++i) {
    Message answer;
    answer.push_back(parts[0].share());
    answer.emplace_back("anybody?");
    refused = !router.send(answer);
    if (!refused) wait_for(router, ZMQ_POLLIN, 1);
  }
  CHECK(refused);
}

TEST_CASE("parts beyond the limit are thrown away and the next message is whole") {
  const SocketDirectory directory;
  Context context;
  Socket pull(context, bind_to(SocketKind::pull, directory.ipc("a")));
  Socket push(context, connect_to(SocketKind::push, directory.ipc("a")));
  REQUIRE(wait_for(push, ZMQ_POLLOUT));
  Message many(1000);
  REQUIRE(push.send(many));
  REQUIRE(send_in_time(push, {"next", "one"}));
  Message parts;
  REQUIRE(receive_in_time(pull, parts));
  CHECK(parts.size() == kPartsMax);
  REQUIRE(receive_in_time(pull, parts));
  CHECK(text_of(parts) == "next|one");
}

TEST_CASE("a peer that sends too large a frame is cut off, others are served") {
  const SocketDirectory directory;
  Context context;
  SocketOptions options = bind_to(SocketKind::pull, directory.ipc("a"));
  options.max_message_bytes = 1000;
  Socket pull(context, options);
  Socket bad(context, connect_to(SocketKind::push, directory.ipc("a")));
  Socket good(context, connect_to(SocketKind::push, directory.ipc("a")));
  REQUIRE(send_in_time(bad, {std::string(1001, 'x')}));
  REQUIRE(send_in_time(good, {std::string(1000, 'y')}));
  Message parts;
  REQUIRE(receive_in_time(pull, parts));
  CHECK(parts[0].size() == 1000);
}

TEST_CASE("a second bind is refused and its error names the address and a way out") {
  const SocketDirectory directory;
  Context context;
  const std::string tcp = "tcp://127.0.0.1:" + std::to_string(free_tcp_port());
  for (const auto& endpoint : {directory.ipc("a"), tcp}) {
    CAPTURE(endpoint);
    Socket first(context, bind_to(SocketKind::pull, endpoint));
    const SocketError error = bind_failure(context, endpoint);
    CHECK(error.address_taken);
    CHECK(has(error.what(), "cannot bind " + endpoint));
    CHECK(has(error.what(), "choose another"));
    Socket push(context, connect_to(SocketKind::push, endpoint));  // the first is unharmed
    Message parts;
    REQUIRE(send_in_time(push, {"still here"}));
    REQUIRE(receive_in_time(first, parts));
    CHECK(text_of(parts) == "still here");
  }
}

TEST_CASE("an address that cannot be used is no taken address") {
  Context context;
  for (const std::string endpoint : {"ipc:///nowhere/at/all", "tcp://127.0.0.1:port", "nonsense"}) {
    const SocketError error = bind_failure(context, endpoint);
    CHECK_FALSE(error.address_taken);
    CHECK(has(error.what(), "cannot bind " + endpoint));
    CHECK(has(error.what(), "check"));
  }
  CHECK_THROWS_AS(Socket(context, connect_to(SocketKind::push, "nonsense")), SocketError);
}

TEST_CASE("a socket file left by a dead process is no obstacle") {
  const SocketDirectory directory;
  {
    Context gone;
    Socket socket(gone, bind_to(SocketKind::pull, directory.ipc("a")));
  }
  CHECK(std::filesystem::exists(directory.path() + "/a"));
  Context context;
  CHECK_NOTHROW(Socket(context, bind_to(SocketKind::pull, directory.ipc("a"))));
}

TEST_CASE("a socket bound to tcp may have a local endpoint beside it") {
  const SocketDirectory directory;
  Context context;
  auto options = bind_to(SocketKind::router, "tcp://127.0.0.1:" + std::to_string(free_tcp_port()));
  options.local_endpoint = directory.ipc("near");
  Socket router(context, options);
  for (const auto& address : {options.endpoint, options.local_endpoint}) {
    Socket dealer(context, connect_to(SocketKind::dealer, address));
    REQUIRE(send_in_time(dealer, {"question"}));
    Message parts;
    REQUIRE(receive_in_time(router, parts));
    REQUIRE(parts.size() == 2);
    CHECK(router.send(parts));
    REQUIRE(receive_in_time(dealer, parts));
    CHECK(text_of(parts) == "question");
  }
  CHECK_THROWS_AS(Socket(context, bind_to(SocketKind::router, options.local_endpoint)),
                  SocketError);
}

TEST_CASE("an address closed a moment ago can be bound again at once") {
  const SocketDirectory directory;
  Context context;
  const std::string tcp = "tcp://127.0.0.1:" + std::to_string(free_tcp_port());
  for (const auto& endpoint : {directory.ipc("a"), tcp}) {
    CAPTURE(endpoint);
    Socket pull(context, connect_to(SocketKind::pull, endpoint));
    for (int i = 0; i < 20; ++i) {
      Socket push(context, bind_to(SocketKind::push, endpoint), true);
      if (i % 5 == 0) {
        REQUIRE(send_in_time(push, {"again"}));
        Message parts;
        REQUIRE(receive_in_time(pull, parts));
      }
    }
  }
}

TEST_CASE("a publication that its only subscriber cannot take is refused and so counted") {
  const SocketDirectory directory;
  Context context;
  SocketOptions options = bind_to(SocketKind::xpub, directory.ipc("a"));
  options.send_high_water = 10;
  options.pass_over_slow = false;
  Socket xpub(context, options);
  Message nobody = message_of({"topic", "body"});
  CHECK(xpub.send(nobody));  // without subscribers everything is taken
  Socket slow = subscriber(context, directory.ipc("a"), 10);
  await_subscription(xpub);
  const std::string body(100'000, 'b');
  int taken = 0;
  Message parts = message_of({"topic", body});
  while (xpub.send(parts) && ++taken < 1000) parts = message_of({"topic", body});
  CHECK(taken < 1000);
  CHECK(text_of(parts) == "topic|" + body);  // untouched
  for (int i = 0; i < taken; ++i) {
    REQUIRE(receive_in_time(slow, parts));
    REQUIRE(text_of(parts) == "topic|" + body);
  }
}

TEST_CASE("a slow subscriber is passed over, the others get everything") {
  const SocketDirectory directory;
  Context context;
  SocketOptions options = bind_to(SocketKind::pub, directory.ipc("a"));
  options.kind = SocketKind::xpub;
  options.send_high_water = 10;
  Socket xpub(context, options);
  Socket slow = subscriber(context, directory.ipc("a"), 10);
  await_subscription(xpub);
  SocketOptions eager = connect_to(SocketKind::sub, directory.ipc("a"));
  eager.subscriptions = {"t"};
  Socket fast(context, eager);
  await_subscription(xpub);
  const std::string body(100'000, 'b');
  int refused = 0;
  for (int i = 0; i < 200; ++i) {
    Message parts = message_of({"topic", body});
    if (!xpub.send(parts)) ++refused;
    REQUIRE(receive_in_time(fast, parts));
    REQUIRE(text_of(parts) == "topic|" + body);
  }
  CHECK(refused > 0);
}

}  // namespace stampede::transport
