#pragma once

// For sockets.cpp alone: makes a raw ZeroMQ socket what SocketOptions say. Nothing here blocks, but
// for a bind that is retried.

#include "transport/zmq/curve.h"
#include "transport/zmq/sockets.h"

namespace stampede::transport {

int zmq_type(SocketKind kind);

// Sets every limit and option, the keys of a tcp socket when `curve` has some, then binds or
// connects. Throws SocketError, or std::runtime_error when an option is refused.
void set_up(void* socket, const SocketOptions& options, const CurveOptions& curve, bool retry_bind);

void set_option(void* socket, int option, int value);

// Throws std::runtime_error with ZeroMQ's last error.
[[noreturn]] void fail_zmq(const char* call);

}  // namespace stampede::transport
