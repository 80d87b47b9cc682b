#pragma once

// The ways of a bench's orders: SF1 over ZeroMQ (sf1_wire), HTTP (http_wire). One thread; only
// connect() and wait() block.

#include <chrono>
#include <cstdint>
#include <span>

#include "tools/bench/bench_scan.h"

namespace stampede::tools {

class WireEvents : public AnswerSink {
 public:
  virtual void message() = 0;                  // one more has come; its answers follow
  virtual void unreadable() = 0;               // … or do not
  virtual void lost(std::uint32_t order) = 0;  // its connection went away with it
  virtual void lost_all() = 0;                 // so did one whose orders are not known
};

class OrderWire {
 public:
  virtual ~OrderWire() = default;

  // False: not all connections stand after that time. Throws std::runtime_error when the machine
  // gives no sockets.
  [[nodiscard]] virtual bool connect(std::chrono::milliseconds patience) = 0;
  // Sends orders in one message. False: nothing was taken, to be offered again later.
  [[nodiscard]] virtual bool send(std::span<const std::uint32_t> orders) = 0;
  // Hands over what has come, within reason. False: nothing had.
  virtual bool receive(WireEvents& events) = 0;
  // Looks after lost connections; to be called every few ms.
  virtual void maintain(WireEvents& events) = 0;
  // Until something comes, or a little longer than `timeout`.
  virtual void wait(std::chrono::nanoseconds timeout) = 0;
  // From now on send() asks what became of orders that were only accepted.
  virtual void ask_for_results() {}
};

}  // namespace stampede::tools
