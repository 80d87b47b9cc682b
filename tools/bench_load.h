#pragma once

// Sends a plan's orders over SF1 and judges the answers: the load generator of `stampede bench`.
//
// Open loop: order n is due at start + n/rate whatever became of those before it, and its latency
// counts from then, so that a system that stalls is charged for everybody who had to wait. Closed
// loop: a fixed number of orders is open, the next is sent when one is answered.
//
// An order is sent again with its id after a code that allows it, after a lost connection and after
// long silence, until its answer is final or its time is over. Every answer to an id must be the
// same; contradictions are counted and named.
//
// One thread (and ZeroMQ's own), which it shares with the system under test: an order costs 8 bytes
// of memory, one frame, and no allocation but ZeroMQ's.

#include <chrono>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <queue>
#include <string>
#include <vector>

#include "tools/bench_plan.h"
#include "tools/bench_scan.h"
#include "tools/latency.h"
#include "transport/sockets.h"

namespace stampede::tools {

struct LoadOptions {
  std::string endpoint;
  transport::CurveOptions keys;
  int connections = 2;  // 1 … 8
  bool closed = false;
  std::uint64_t window = 256;  // closed loop: orders open at once, over all connections
  double rate = 1000;          // open loop: orders a second
  std::uint64_t requests = 0;  // orders in all; 0: as many as fit into `duration`
  std::chrono::nanoseconds duration{0};
  std::chrono::nanoseconds timeout{
      std::chrono::seconds(30)};  // of one order, from its planned time
};

// One second of a run, for the live line.
struct LoadSecond {
  std::uint64_t number = 0;  // from 1
  std::uint64_t sent = 0;    // orders sent for the first time
  std::uint64_t confirmed = 0;
  std::uint64_t rejected = 0;
  std::uint64_t late = 0;  // sent over 1 ms after their time: the generator was too slow
  std::uint64_t open = 0;
  Latency latency;
};

struct LoadResult {
  bool connected = false;     // false: nobody took a connection, nothing was sent
  std::uint64_t offered = 0;  // different orders; the sum of the next four
  std::uint64_t confirmed = 0;
  std::uint64_t rejected = 0;
  std::uint64_t no_answer = 0;
  std::uint64_t errors = 0;   // answered by a code that a retry cannot change
  std::uint64_t repeats = 0;  // messages that sent an earlier order once more, as planned
  std::uint64_t resent = 0;   // messages that sent an open order again
  std::uint64_t late = 0;
  std::uint64_t unreadable = 0;                  // answers that are none, or name no id of this run
  std::map<std::string, std::uint64_t> reasons;  // of rejections
  std::map<std::string, std::uint64_t> codes;    // every error answer, also those retried
  std::uint64_t contradictions = 0;              // ids with two different answers
  std::vector<std::string> examples;             // of these, a few
  std::uint64_t first_order_id = 0;
  std::uint64_t last_order_id = 0;
  Latency latency;
  std::chrono::steady_clock::time_point start{};
  double seconds = 0;  // from the first planned send to the last final answer
};

class BenchLoad {
 public:
  using OnSecond = std::function<void(const LoadSecond&)>;
  BenchLoad(BenchPlan& plan, const LoadOptions& options, OnSecond on_second);

  // Blocks until every order is answered or out of time. Throws std::runtime_error when a socket
  // cannot be made.
  LoadResult run();

 private:
  using Clock = std::chrono::steady_clock;
  struct Sent {
    std::uint32_t order;
    std::uint32_t at_ms;
  };
  struct Retry {
    std::uint32_t at_ms;
    std::uint32_t order;
    bool operator>(const Retry& other) const { return at_ms > other.at_ms; }
  };
  struct Connection {
    std::deque<std::uint32_t> backlog;  // orders that the socket did not take
    bool up = true;
  };

  bool connect();
  [[nodiscard]] std::uint64_t now_ns() const;
  [[nodiscard]] std::uint32_t now_ms() const;
  [[nodiscard]] bool all_planned() const;
  [[nodiscard]] std::uint64_t planned_ns(std::uint64_t order) const;

  void send_due();
  void send_new(std::uint64_t planned);
  bool send(std::uint32_t order);
  void send_or_queue(std::uint32_t order);
  void resend(std::uint32_t order);
  bool receive();
  void take(std::string_view frame, std::uint64_t now);
  void take_final(std::uint64_t order, std::uint64_t value, std::uint64_t now);
  void contradiction(std::uint64_t order, std::uint64_t before, std::uint64_t after);
  void take_error(std::uint64_t order, const ScannedAnswer& answer);
  void maintain();
  void flush_backlog(std::size_t connection);
  void check_connection(std::size_t connection);
  void send_retries(std::uint32_t now);
  void resend_silent(std::uint32_t now);
  void end_second();
  void wait_for_something();
  void hear_out();
  void finish();

  BenchPlan& plan_;
  LoadOptions options_;
  OnSecond on_second_;
  transport::Context context_;
  std::vector<transport::Socket> sockets_;
  std::vector<Connection> connections_;
  transport::Message parts_;  // kept for its memory

  std::vector<std::uint64_t> slots_;  // one per order, see the .cpp
  std::deque<Sent> silent_;           // every open order once, by the time it was last looked at
  std::priority_queue<Retry, std::vector<Retry>, std::greater<>> retries_;
  bool all_sent_ = false;
  std::uint64_t open_ = 0;
  std::uint64_t messages_ = 0;
  std::uint64_t answers_ = 0;
  std::uint64_t end_ns_ = 0;  // of the last final answer
  std::uint64_t next_maintenance_ns_ = 0;
  std::uint64_t next_second_ns_ = 1'000'000'000;
  LoadSecond second_;
  LoadResult result_;
};

}  // namespace stampede::tools
