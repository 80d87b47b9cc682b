#include "transport/port/port_socket.h"

#include <algorithm>

namespace stampede::transport {

namespace {

// ZeroMQ frees an address in the background, so it may still be taken for a while.
constexpr std::chrono::milliseconds kReopenEvery{5};
constexpr std::chrono::seconds kReopenFor{2};
// What waits at an XPUB is taken into its tree at once, before anybody can count it.
constexpr int kTopicsAtOnce = 256;

SocketOptions bounded(SocketOptions options) {
  if (options.kind == SocketKind::xpub)
    options.receive_high_water = std::min(options.receive_high_water, kTopicsAtOnce);
  return options;
}

}  // namespace

PortSocket::PortSocket(std::size_t number, Context& context, const SocketOptions& how,
                       bool retry_bind)
    : id(number),
      options(bounded(how)),
      socket(std::make_unique<Socket>(context, options, retry_bind)),
      topics(options.topics_max),
      paths(options) {
  paths.remember();
}

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
    paths.remember();
    used = true;
    return Time::max();
  } catch (const SocketError& error) {
    if (!error.address_taken || now > reopen_at_ + kReopenFor) throw;
    return now + kReopenEvery;
  }
}

}  // namespace stampede::transport
