#pragma once

// One socket of a port (port.h), which may be shut for a moment and opened again. One thread.

#include <chrono>
#include <cstddef>
#include <memory>
#include <set>
#include <string>

#include "transport/port/bound_paths.h"
#include "transport/zmq/sockets.h"
#include "transport/zmq/topic_count.h"

namespace stampede::transport {

struct PortSocket {
  using Time = std::chrono::steady_clock::time_point;

  PortSocket(std::size_t number, Context& context, const SocketOptions& how, bool retry_bind);

  // Closes it until `until`; returns the topics that its subscribers lose.
  std::set<std::string> shut(Time until);
  // Opens it again when it is due. Returns when to look again, Time::max() when it is open. Throws
  // SocketError when the address was not free for two seconds.
  Time reopen(Context& context, Time now);

  // Sees to it that those who look for its files find it.
  void look_at_paths() {
    if (socket) paths.look(*socket);
  }

  [[nodiscard]] bool publishes() const { return options.kind == SocketKind::xpub; }
  [[nodiscard]] bool balances() const {
    return options.kind == SocketKind::push || options.kind == SocketKind::dealer;
  }
  [[nodiscard]] bool receives() const {
    return options.kind != SocketKind::push && options.kind != SocketKind::pub;
  }
  // Whether the port waits for something from it. A PUSH is left alone until it refuses.
  [[nodiscard]] bool awaited() const {
    const bool reads = options.kind != SocketKind::push && !paused;
    return socket && (reads || refused);
  }

  std::size_t id;
  SocketOptions options;
  std::unique_ptr<Socket> socket;  // none while it is shut
  TopicCount topics;               // of an XPUB's subscribers
  BoundPaths paths;
  bool paused = false;
  bool refused = false;  // a send was refused: wait until it is writable
  bool used = true;      // since it was looked at last: its descriptor may keep something back

 private:
  Time reopen_at_ = Time::max();
};

}  // namespace stampede::transport
