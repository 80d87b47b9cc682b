#include "transport/zmq/peer_guard.h"

#include <doctest/doctest.h>
#include <sys/socket.h>

#include <memory>
#include <string>
#include <vector>

#include "test/support/eventually.h"
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
  REQUIRE(test::eventually([&] { return !push.writable(); }));  // its end has been heard of
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

TEST_CASE("who made up most goes first, whatever repeats, is left or is long") {
  const int port = free_tcp_port();
  Context context;
  Socket xpub(context, bind_to(SocketKind::xpub, "tcp://127.0.0.1:" + std::to_string(port)));
  const auto said = [](int topics, const std::string& topic, bool repeated = false) {
    std::string all;
    for (int i = 0; i < topics; ++i)
      all += frame(bytes("\1") + topic + (repeated ? "" : std::to_string(i)));
    return all;
  };
  std::vector<std::unique_ptr<RawPeer>> peers;
  const auto subscribes = [&](const std::string& topics) {
    peers.push_back(std::make_unique<RawPeer>(port, "SUB"));
    peers.back()->say(topics);
    peers.back()->say(frame(bytes("\1") + "end of " + std::to_string(peers.size())));
    Message parts;
    do {
      REQUIRE(receive_in_time(xpub, parts));
    } while (parts[0].bytes() != bytes("\1") + "end of " + std::to_string(peers.size()));
  };
  subscribes(said(3, "few"));
  subscribes(said(30, "many"));
  subscribes(said(20, "a"));
  subscribes(said(25, "the same", true));
  subscribes(said(4, std::string(240, 'l')));
  // Who comes when something was published under these topics made up nothing.
  for (int i = 0; i < 50; ++i) REQUIRE(send_in_time(xpub, {"known/" + std::to_string(i), "news"}));
  subscribes(said(50, "known/"));
  for (const std::size_t next : {4U, 1U, 3U, 2U}) {
    CHECK(cut_most_topics() >= 21);
    CHECK(peers[next]->is_cut());
  }
  CHECK(cut_most_topics() == 4);
  CHECK(cut_most_topics() == 1);  // "end of 6"
  CHECK(cut_most_topics() == 0);
}

TEST_CASE("subscribers that end together do so one after another, when each costs much") {
  constexpr int kPeers = 200;
  constexpr std::size_t kLooks = 100'000;  // 40 ms each
  const int port = free_tcp_port();
  Context context;
  Socket xpub(context, bind_to(SocketKind::xpub, "tcp://127.0.0.1:" + std::to_string(port)));
  std::vector<std::unique_ptr<RawPeer>> peers;
  const auto came = [&] {
    Message parts;
    REQUIRE(receive_in_time(xpub, parts));
    return std::string(parts[0].bytes());
  };
  for (int i = 0; i < kPeers; ++i) {
    peers.push_back(std::make_unique<RawPeer>(port, "SUB"));
    peers.back()->say(frame(bytes("\1") + std::to_string(i)));
    CHECK(came()[0] == 1);
  }
  note_topics(kLooks, false);
  CHECK(ends_waiting() == 0);
  peers.clear();
  CHECK(came()[0] == 0);
  CHECK(ends_waiting() > kPeers / 2);
  CHECK(topics_leaving() >= ends_waiting());
  const RawPeer honest(port, "SUB");  // is heard meanwhile
  honest.say(frame(bytes("\1honest")));
  int left = 1;
  std::string topic;
  while ((topic = came())[0] == 0) ++left;
  CHECK(topic == "\1honest");
  CHECK(left < kPeers / 2);
  note_topics(0, false);
  for (; left < kPeers; ++left) CHECK(came()[0] == 0);
  CHECK(test::eventually([&] {
    Message none;
    if (xpub.receive(none)) return false;  // who was closed meanwhile is gone, too
    return ends_waiting() == 0 && topics_leaving() == 0;
  }));
}

TEST_CASE("a flood of connections that never finish a handshake keeps nobody out") {
  Router router;
  std::vector<std::unique_ptr<RawPeer>> silent;
  for (int i = 0; i < 900; ++i) silent.push_back(std::make_unique<RawPeer>(router.port));
  router.serves_others();
}

}  // namespace stampede::transport
