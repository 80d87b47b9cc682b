#pragma once

// Orders as SF1 frames over a few DEALER sockets, single or in arrays, in turns.

#include <string>
#include <vector>

#include "tools/bench/bench_plan.h"
#include "tools/bench/order_wire.h"
#include "transport/zmq/sockets.h"

namespace stampede::tools {

class Sf1Wire final : public OrderWire {
 public:
  // `arrays`: all orders go in arrays, also when there is only one. `plan` outlives this object.
  Sf1Wire(BenchPlan& plan, std::string endpoint, int connections, bool arrays,
          const transport::CurveOptions& keys = {});

  bool connect(std::chrono::milliseconds patience) override;
  bool send(std::span<const std::uint32_t> orders) override;
  bool receive(WireEvents& events) override;
  void maintain(WireEvents& events) override;
  void wait(std::chrono::nanoseconds timeout) override;

 private:
  BenchPlan& plan_;
  std::string endpoint_;
  std::size_t connections_;
  bool arrays_;
  transport::Context context_;
  std::vector<transport::Socket> sockets_;
  std::vector<bool> up_;
  std::size_t turn_ = 0;
  transport::Message parts_;  // kept for its memory
};

}  // namespace stampede::tools
