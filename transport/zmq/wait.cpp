#include "transport/zmq/wait.h"

#include <poll.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <stdexcept>
#include <string>

namespace stampede::transport {

namespace {

using std::chrono::nanoseconds;

bool any_readable(const std::vector<Socket>& sockets) {
  return std::any_of(sockets.begin(), sockets.end(), [](const auto& s) { return s.readable(); });
}

timespec to_timespec(nanoseconds time) {
  const auto count = std::max<nanoseconds::rep>(time.count(), 0);
  return {count / 1'000'000'000, count % 1'000'000'000};
}

}  // namespace

// A socket's descriptor only says that something may have changed, and says it once: so the events
// are asked for before every wait and after it.
bool wait_readable(const std::vector<Socket>& sockets, nanoseconds timeout) {
  const auto until = std::chrono::steady_clock::now() + timeout;
  std::vector<pollfd> waiting;
  for (const auto& socket : sockets) waiting.push_back({socket.descriptor(), POLLIN, 0});
  while (!any_readable(sockets)) {
    const nanoseconds left = until - std::chrono::steady_clock::now();
    if (left <= nanoseconds::zero()) return false;
    const timespec time = to_timespec(left);
    if (::ppoll(waiting.data(), waiting.size(), &time, nullptr) >= 0) continue;
    if (errno == EINTR) return any_readable(sockets);
    throw std::runtime_error(std::string("ppoll: ") + std::strerror(errno));
  }
  return true;
}

}  // namespace stampede::transport
