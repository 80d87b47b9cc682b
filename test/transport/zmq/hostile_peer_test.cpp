// What a peer can make libzmq hand over, and what it can foresee.

#include <doctest/doctest.h>

#include <cstdlib>
#include <string>
#include <vector>

#include "test/support/eventually.h"
#include "test/support/random_run.h"
#include "test/transport/zmq/raw_peer.h"
#include "test/transport/zmq/zmq_fixture.h"

namespace stampede::transport {

namespace {

const std::string kJoin = "\1a";
const std::string kLeave = bytes("\0a");

// Until the topic arrives that honest subscribers ask for.
bool hears(Socket& publisher, const std::string& topic) {
  return test::eventually([&] {
    Message parts;
    while (publisher.receive(parts))
      if (parts.size() == 1 && parts[0].bytes() == topic) return true;
    return false;
  });
}

struct Publisher {
  explicit Publisher(SocketKind kind = SocketKind::xpub)
      : socket(context, bind_to(kind, "tcp://127.0.0.1:" + std::to_string(port))) {}
  int port = free_tcp_port();
  Context context;
  Socket socket;
};

}  // namespace

TEST_CASE("a subscription that comes twice in one message with a text leaves no trace") {
  Publisher publisher;
  const RawPeer peer(publisher.port, "SUB");
  peer.say(frame(kJoin, true) + frame("zz", true) + frame(kJoin) + frame("\1honest"));
  CHECK(hears(publisher.socket, "\1honest"));
  CHECK(publisher.context.messages_dropped() == 1);  // zz
}

TEST_CASE("no order of joining, leaving and texts in messages of many parts ends a publisher") {
  const auto seed = test::seed_of_run();
  INFO("STAMPEDE_TEST_SEED=" << seed);
  std::mt19937_64 random(seed);
  const std::vector<std::string> texts{kJoin, kLeave, "zz", "", "\1", bytes("\0"), "\1b", "\2a"};
  Publisher publisher;
  for (int round = 0; round < 50; ++round) {
    const RawPeer peer(publisher.port, random() % 2 == 0 ? "SUB" : "XSUB");
    std::string said;
    for (auto parts = random() % 40; parts > 0; --parts)
      said += frame(texts[random() % texts.size()], random() % 3 != 0);
    const auto topic = "\1honest " + std::to_string(round);
    peer.say(said + frame("", false) + frame(topic));
    CHECK(hears(publisher.socket, topic));
  }
}

TEST_CASE("the ids that a ROUTER gives its peers cannot be foreseen") {
  const auto first_id = [] {
    std::srand(1);  // as every process begins
    Publisher router(SocketKind::router);
    Socket dealer(router.context,
                  connect_to(SocketKind::dealer, "tcp://127.0.0.1:" + std::to_string(router.port)));
    REQUIRE(send_in_time(dealer, {"hello"}));
    Message parts;
    REQUIRE(receive_in_time(router.socket, parts));
    return std::string(parts[0].bytes());
  };
  CHECK(first_id() != first_id());
}

}  // namespace stampede::transport
