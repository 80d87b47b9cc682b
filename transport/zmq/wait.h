#pragma once

// Waiting without a port, for tools that own a few sockets and nothing else.

#include <chrono>
#include <vector>

#include "transport/zmq/sockets.h"

namespace stampede::transport {

// Blocks until one of the sockets has a message or `timeout` is over (with the resolution of the
// kernel's timers, not in milliseconds as zmq_poll). True: one of them is readable. A signal ends
// the wait early. Called by the sockets' thread; throws std::runtime_error when the kernel refuses.
bool wait_readable(const std::vector<Socket>& sockets, std::chrono::nanoseconds timeout);

}  // namespace stampede::transport
