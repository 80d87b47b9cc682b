#include "tools/bench/sf1_wire.h"

#include <algorithm>
#include <utility>

#include "transport/zmq/wait.h"

namespace stampede::tools {
namespace {

using std::chrono::milliseconds;

constexpr int kReceiveBurst = 512;  // messages of one connection

}  // namespace

Sf1Wire::Sf1Wire(BenchPlan& plan, std::string endpoint, int connections, bool arrays,
                 const transport::CurveOptions& keys)
    : plan_(plan),
      endpoint_(std::move(endpoint)),
      connections_(static_cast<std::size_t>(connections)),
      arrays_(arrays),
      context_(keys) {}

bool Sf1Wire::connect(milliseconds patience) {
  transport::SocketOptions socket;
  socket.kind = transport::SocketKind::dealer;
  socket.endpoint = endpoint_;
  // Never reached in practice, so that a socket which takes nothing has lost its connection.
  socket.send_high_water = socket.receive_high_water = 4'000'000;
  while (sockets_.size() < connections_) sockets_.emplace_back(context_, socket);
  up_.assign(sockets_.size(), true);
  const auto until = std::chrono::steady_clock::now() + patience;
  const auto up = [](const auto& one) { return one.writable(); };
  while (!std::all_of(sockets_.begin(), sockets_.end(), up)) {
    if (std::chrono::steady_clock::now() > until) return false;
    static_cast<void>(transport::wait_readable(sockets_, milliseconds(2)));
  }
  return true;
}

bool Sf1Wire::send(std::span<const std::uint32_t> orders) {
  transport::Frame frame(arrays_ ? plan_.frame(orders) : plan_.frame(orders.front()));
  for (std::size_t tried = 0; tried < sockets_.size(); ++tried)
    if (sockets_[turn_++ % sockets_.size()].send(frame)) return true;
  return false;
}

bool Sf1Wire::receive(WireEvents& events) {
  bool any = false;
  for (auto& socket : sockets_) {
    for (int i = 0; i < kReceiveBurst && socket.receive(parts_); ++i) {
      any = true;
      events.message();
      if (!scan_answers(parts_.back().bytes(), events)) events.unreadable();
    }
  }
  return any;
}

void Sf1Wire::maintain(WireEvents& events) {
  bool back = false;
  for (std::size_t i = 0; i < sockets_.size(); ++i) {
    const bool up = sockets_[i].writable();
    back = back || (up && !up_[i]);
    up_[i] = up;
  }
  if (back) events.lost_all();
}

void Sf1Wire::wait(std::chrono::nanoseconds timeout) {
  static_cast<void>(transport::wait_readable(sockets_, timeout));
}

}  // namespace stampede::tools
