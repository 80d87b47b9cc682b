#include "transport/zmq/epoll_guard.h"

#include <doctest/doctest.h>

#include <string>

#include "test/transport/zmq/raw_peer.h"
#include "test/transport/zmq/zmq_fixture.h"

namespace stampede::transport {

namespace {

const std::string kMessage = bytes("\0\1x");
const std::string kPing = bytes("\x04\7\4PING\0\0");

// Fills the queue of a PULL with more than it takes, resets, and lets `pause_ms` go by before the
// PULL is read again. Without the guard libzmq aborts here.
void fill_and_reset(const std::string& frames, int pause_ms) {
  Context context;
  const int port = free_tcp_port();
  auto options = bind_to(SocketKind::pull, "tcp://127.0.0.1:" + std::to_string(port));
  options.receive_high_water = 10;
  Socket pull(context, options);
  Socket honest(context, connect_to(SocketKind::push, options.endpoint));
  // Nothing tells from outside what libzmq's own thread has done; a PUSH is never readable.
  const auto let_pass = [&](int ms) { REQUIRE_FALSE(wait_for(honest, ZMQ_POLLIN, ms)); };
  {
    const RawPeer rude(port, "PUSH");
    std::string flood;
    for (int i = 0; i < 200; ++i) flood += frames;
    rude.say(flood);
    REQUIRE(wait_for(pull, ZMQ_POLLIN));
    let_pass(50);  // until the queue is full
  }
  let_pass(pause_ms);
  Message parts;
  int taken = 0;
  while (receive_in_time(pull, parts, 200)) ++taken;
  CHECK(taken >= 10);
  REQUIRE(send_in_time(honest, {"still here"}));
  REQUIRE(receive_in_time(pull, parts));
  CHECK(text_of(parts) == "still here");
}

}  // namespace

TEST_CASE("libraries call the guard") {
  CHECK(epoll_is_guarded());
}

TEST_CASE("a peer that fills a queue with messages and pings and resets ends nobody") {
  fill_and_reset(kMessage + kPing, 50);
}

TEST_CASE("a peer that resets while a full queue is not read over a heartbeat ends nobody") {
  fill_and_reset(kMessage, 1200);
}

}  // namespace stampede::transport
