#pragma once

// Orders over HTTP/1.1 keep-alive connections, one open on each: POST /v1/orders with
// `Prefer: wait`, or the form POST /miaosha/order of artemis-disruptor-miaosha, whose results are
// asked for afterwards.

#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "tools/bench/bench_plan.h"
#include "tools/bench/order_wire.h"

namespace stampede::tools {

enum class HttpForm : std::uint8_t { orders, miaosha };

class HttpWire final : public OrderWire {
 public:
  // `address` is HOST:PORT, the host in digits. `plan` outlives this object.
  HttpWire(BenchPlan& plan, std::string address, int connections, HttpForm form);
  ~HttpWire() override;
  HttpWire(const HttpWire&) = delete;
  HttpWire& operator=(const HttpWire&) = delete;

  bool connect(std::chrono::milliseconds patience) override;
  bool send(std::span<const std::uint32_t> orders) override;  // one
  bool receive(WireEvents& events) override;
  void maintain(WireEvents& events) override;
  void wait(std::chrono::nanoseconds timeout) override;
  void ask_for_results() override { results_ = true; }

 private:
  static constexpr std::uint32_t kNoOrder = 0xFFFFFFFF;
  static constexpr std::size_t kMintedBytes = 32;
  using MintedId = std::array<char, kMintedBytes>;
  struct Connection {
    int fd = -1;
    std::uint32_t order = kNoOrder;  // the one that is open on it
    std::string unread;
  };

  bool open(std::size_t index);
  void close(std::size_t index, WireEvents& events);
  void write_request(std::uint32_t order);
  void read(std::size_t index, WireEvents& events);
  void take_whole(std::size_t index, WireEvents& events);

  BenchPlan& plan_;
  std::string address_;
  HttpForm form_;
  std::string authorization_;  // a header line, begun by its CRLF, or nothing
  bool results_ = false;
  int epoll_ = -1;
  std::vector<Connection> connections_;
  std::vector<std::uint32_t> free_;  // connections
  std::vector<MintedId> minted_;     // by order; miaosha only
  std::string request_;
  std::vector<char> buffer_;
};

}  // namespace stampede::tools
