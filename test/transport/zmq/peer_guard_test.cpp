#include "transport/zmq/peer_guard.h"

#include <doctest/doctest.h>
#include <sys/socket.h>

#include <memory>
#include <string>
#include <vector>

#include "test/transport/zmq/raw_peer.h"
#include "test/transport/zmq/zmq_fixture.h"
#include "transport/zmq/large_answers.h"

namespace stampede::transport {

namespace {

struct Router {
  explicit Router(SocketKind kind = SocketKind::router)
      : options(bind_to(kind, "tcp://127.0.0.1:" + std::to_string(port))) {
    options.for_clients = true;
    socket = std::make_unique<Socket>(context, options);
  }
  // Somebody who is served whatever was done before.
  void serves_others() {
    Socket honest(context, connect_to(SocketKind::dealer, options.endpoint));
    REQUIRE(send_in_time(honest, {"order"}));
    Message parts;
    do {
      REQUIRE(receive_in_time(*socket, parts));
    } while (parts.back().bytes() != "order");
    REQUIRE(send_in_time(*socket, {std::string(parts[0].bytes()), "confirmed"}));
    REQUIRE(receive_in_time(honest, parts));
    CHECK(text_of(parts) == "confirmed");
  }
  int port = free_tcp_port();
  Context context;
  SocketOptions options;
  std::unique_ptr<Socket> socket;
};

}  // namespace

TEST_CASE("libraries call the guard of peers") {
  CHECK(peers_are_guarded());
}

TEST_CASE("what breaks the protocol ends its connection, and nothing else") {
  Router router;
  const std::string part = bytes("\3\0\0\0\0\0\x10\0\0") + std::string(1 << 20, 'x');
  for (const std::string& said :
       {bytes("\4\5\4PING"), bytes("\4\4\4PIN"), bytes("\4\0"), bytes("\4\x0b\x09SUBSCRIBEa"),
        bytes("\4\6\5ERROR"), part + part + part + part + part, bytes("\2\x7f\0\0\0\0\0\0\0")}) {
    const auto before = peers_cut();
    const RawPeer peer(router.port, "DEALER");
    peer.offer(said);
    CHECK(peer.is_cut());
    CHECK(peers_cut() > before);
    router.serves_others();
  }
}

TEST_CASE("a PUSH gives no work to a peer that spoke and is gone") {
  const int port = free_tcp_port();
  Context context;
  const auto options = bind_to(SocketKind::push, "tcp://127.0.0.1:" + std::to_string(port));
  Socket push(context, options);
  {
    const RawPeer peer(port, "PULL");
    std::string said;
    for (int i = 0; i < 20'000; ++i) said += bytes("\0\1x");
    peer.offer(said);
    CHECK(peer.is_cut());
  }
  Socket pull(context, connect_to(SocketKind::pull, options.endpoint));
  for (int i = 0; i < 8; ++i) {
    REQUIRE(send_in_time(push, {"work"}));
    Message parts;
    REQUIRE(receive_in_time(pull, parts));
    CHECK(text_of(parts) == "work");
  }
}

TEST_CASE("an id that a peer claims is nobody's, not even its own") {
  Router router;
  const auto claims = [&](const std::string& id) {
    return std::make_unique<RawPeer>(router.port, "DEALER", id);
  };
  std::vector<std::unique_ptr<RawPeer>> peers;
  for (int i = 0; i < 3; ++i) peers.push_back(claims("the same"));
  peers.push_back(claims(bytes("\0abcd")));
  for (const auto& peer : peers) {
    peer->say(frame("hello"));
    Message parts;
    REQUIRE(receive_in_time(*router.socket, parts));
    CHECK(parts[0].bytes().size() == 5);
    CHECK(parts[0].bytes() != bytes("\0abcd"));
  }
  router.serves_others();
}

TEST_CASE("large answers to one that does not read are bounded in bytes") {
  Router router;
  const auto before = peers_cut();
  const RawPeer deaf(router.port, "DEALER");
  LargeAnswers large;
  const std::string page(300'000, 'p');
  int taken = 0;
  for (; taken < 200 && peers_cut() == before; ++taken) {
    deaf.offer(frame("page"));
    Message parts;
    if (!receive_in_time(*router.socket, parts)) break;
    const std::string identity(parts[0].bytes());
    large.expect(identity, parts[1]);
    Message answer;
    answer.emplace_back(identity);
    answer.push_back(large.frame(identity, page));
    static_cast<void>(router.socket->send(answer));
  }
  CHECK(peers_cut() > before);
  CHECK(taken >= 20);
  CHECK(taken < 100);  // 16 MiB, and what the kernel takes
  router.serves_others();
}

TEST_CASE("a flood of connections that never finish a handshake keeps nobody out") {
  Router router;
  std::vector<std::unique_ptr<RawPeer>> silent;
  for (int i = 0; i < 900; ++i) silent.push_back(std::make_unique<RawPeer>(router.port));
  router.serves_others();
}

}  // namespace stampede::transport
