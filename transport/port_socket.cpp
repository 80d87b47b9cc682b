#include "transport/port_socket.h"

#include <algorithm>

namespace stampede::transport {

namespace {

// ZeroMQ frees an address in the background, so it may still be taken for a while.
constexpr std::chrono::milliseconds kReopenEvery{5};
constexpr std::chrono::seconds kReopenFor{2};

}  // namespace

std::set<std::string> PortSocket::shut(Time until) {
  socket.reset();
  reopen_at_ = until;
  return topics.release();
}

PortSocket::Time PortSocket::reopen(Context& context, Time now) {
  if (socket) return Time::max();
  if (now < reopen_at_) return reopen_at_;
  try {
    socket = std::make_unique<Socket>(context, options);
    used = true;
    return Time::max();
  } catch (const SocketError& error) {
    if (!error.address_taken || now > reopen_at_ + kReopenFor) throw;
    return now + kReopenEvery;
  }
}

}  // namespace stampede::transport
