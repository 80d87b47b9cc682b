#pragma once

// Sends a plan's orders over a wire and judges the answers: the load generator of `stampede bench`.
//
// Open loop: order n is due at start + n/rate whatever became of those before it, and its latency
// counts from then, so that a system that stalls is charged for everybody who had to wait
// (otherwise a stall would be one slow answer instead of thousands: "coordinated omission"). The
// orders of one array are due together. Closed loop: a fixed number of orders is open, the next is
// sent when one is answered; a stall is then hidden, and latencies are no more than orientation.
//
// An order is sent again with its id after a code that allows it, after a lost connection and after
// long silence, until its answer is final or its time is over. Every answer to an id must be the
// same; contradictions are counted and named.
//
// One thread (and ZeroMQ's own), which it shares with the system under test: an order costs 8 bytes
// of memory and no allocation but ZeroMQ's.

#include <chrono>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <queue>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "tools/bench/bench_plan.h"
#include "tools/bench/latency.h"
#include "tools/bench/order_wire.h"

namespace stampede::tools {

struct LoadOptions {
  std::size_t batch = 1;  // orders of one message, at most kBatchMax
  bool closed = false;
  std::uint64_t window = 256;  // closed loop: orders open at once, over all connections; >= batch
  double rate = 1000;          // open loop: orders a second
  std::uint64_t requests = 0;  // orders in all; 0: as many as fit into `duration`
  std::chrono::nanoseconds duration{0};
  std::chrono::nanoseconds timeout{
      std::chrono::seconds(30)};      // of one order, from its planned time
  std::function<void()> on_answered;  // all orders are answered or given up; may be empty
};

// One second of a run, for the live line.
struct LoadSecond {
  std::uint64_t number = 0;  // from 1
  std::uint64_t sent = 0;    // orders sent for the first time
  std::uint64_t confirmed = 0;
  std::uint64_t rejected = 0;
  std::uint64_t for_now = 0;
  std::uint64_t late = 0;  // sent over 1 ms after their time: the generator was too slow
  std::uint64_t open = 0;
  Latency latency;
};

struct LoadResult {
  bool connected = false;     // false: nobody took a connection, nothing was sent
  std::uint64_t offered = 0;  // different orders; the sum of the next seven
  std::uint64_t confirmed = 0;
  std::uint64_t rejected = 0;
  std::uint64_t for_now = 0;  // sold out for now (kForNowReason): an answer, and no decision
  std::uint64_t no_answer = 0;
  std::uint64_t errors = 0;    // answered by a code that a retry cannot change
  std::uint64_t tickets = 0;   // given, where they were asked for
  std::uint64_t accepted = 0;  // HTTP in the miaosha form: taken, with the result to be asked for
  std::uint64_t repeats = 0;   // messages that sent an earlier order once more, as planned
  std::uint64_t resent = 0;    // messages that sent an open order again
  std::uint64_t late = 0;
  std::uint64_t unreadable = 0;                  // answers that are none, or name no id of this run
  std::map<std::string, std::uint64_t> reasons;  // of rejections; one decides nothing: kEdgeReason
  std::map<std::string, std::uint64_t> codes;    // every error answer, also those retried
  std::uint64_t contradictions = 0;              // ids with two different answers
  std::vector<std::string> examples;             // of these, a few
  std::uint64_t first_order_id = 0;
  std::uint64_t last_order_id = 0;
  Latency latency;
  std::chrono::steady_clock::time_point start{};
  double seconds = 0;      // from the first planned send to the last final answer
  double cpu_seconds = 0;  // of this process meanwhile

  [[nodiscard]] std::uint64_t answered() const {
    return accepted > 0 ? accepted : confirmed + rejected + for_now;
  }
  void add(const LoadResult& later);  // a run that followed
};

class BenchLoad : private WireEvents {
 public:
  using OnSecond = std::function<void(const LoadSecond&)>;
  BenchLoad(BenchPlan& plan, OrderWire& wire, const LoadOptions& options, OnSecond on_second);

  // Blocks until every order is answered or out of time. Throws std::runtime_error as the wire.
  LoadResult run();

 private:
  using Clock = std::chrono::steady_clock;
  struct Sent {
    std::uint32_t order;
    std::uint32_t at_ms;
  };
  struct Reason {
    std::string text;
    std::uint64_t mark = 0;  // see the .cpp; 0: none yet
    std::uint64_t* count = nullptr;
  };
  struct Retry {
    std::uint32_t at_ms;
    std::uint32_t order;
    bool operator>(const Retry& other) const { return at_ms > other.at_ms; }
  };

  // A slot is the planned time in ns while the order is open, with kRetryPlanned when it waits in
  // retries_. Then it is kFinal and the answer: an order id (never below 2^40), a rejection's mark
  // (kRejected and a hash of the reason), kTicket, kErrorAnswer or kGivenUp.
  static constexpr std::uint64_t kFinal = std::uint64_t{1} << 63;
  static constexpr std::uint64_t kRetryPlanned = std::uint64_t{1} << 62;
  static constexpr std::uint64_t kGivenUp = 0;
  static constexpr std::uint64_t kErrorAnswer = 1;
  static constexpr std::uint64_t kAccepted = 2;
  static constexpr std::uint64_t kTicket = 3;
  [[nodiscard]] bool is_open(std::uint64_t order) const { return (slots_[order] & kFinal) == 0; }

  // WireEvents
  void message() override;
  void take(const ScannedAnswer& answer) override;
  void unreadable() override { ++result_.unreadable; }
  void lost(std::uint32_t order) override;
  void lost_all() override;

  [[nodiscard]] std::uint64_t now_ns() const;
  [[nodiscard]] std::uint32_t now_ms() const;
  [[nodiscard]] bool all_planned() const;
  [[nodiscard]] std::uint64_t planned_ns(std::uint64_t order) const;
  [[nodiscard]] std::uint64_t planned_ms(std::uint64_t order) const;
  [[nodiscard]] std::uint64_t timeout_ms() const;

  [[nodiscard]] std::uint64_t next_batch() const;
  void send_due();
  void send_new(std::uint64_t count, std::uint64_t planned);
  bool send(std::span<const std::uint32_t> orders);
  void send_backlog();
  void resend(std::uint32_t order);
  bool receive();
  void take_decision(std::uint64_t order, const ScannedAnswer& answer);
  [[nodiscard]] std::uint64_t mark_of(std::string_view reason);
  void count_reason();
  void count_decision(ScannedAnswer::Kind kind, std::uint64_t value);
  void take_final(std::uint64_t order, std::uint64_t value);
  static std::string answer_text(std::uint64_t value);
  void contradiction(std::uint64_t order, std::uint64_t before, std::uint64_t after);
  void take_error(std::uint64_t order, const ScannedAnswer& answer);
  void maintain();
  void send_retries(std::uint32_t now);
  void resend_silent(std::uint32_t now);
  void look_after(std::uint32_t order, std::uint32_t now);
  void end_second();
  void wait_for_something();
  void hear_out();
  void ask_for_results();
  void finish();

  BenchPlan& plan_;
  OrderWire& wire_;
  LoadOptions options_;
  OnSecond on_second_;

  std::vector<std::uint32_t> group_;   // the orders of the message at hand
  std::deque<std::uint32_t> backlog_;  // orders that the wire did not take
  std::vector<std::uint64_t> slots_;   // one per order, see above
  std::size_t oldest_ = 0;             // all orders before it are answered or in silent_
  std::deque<Sent> silent_;            // asked again, by the time when they were last looked at
  std::priority_queue<Retry, std::vector<Retry>, std::greater<>> retries_;
  bool all_sent_ = false;
  std::uint64_t open_ = 0;
  std::uint64_t asked_ = 0;  // orders in all messages
  std::uint64_t answers_ = 0;
  std::uint64_t heard_ns_ = 0;  // when the message at hand came, or shortly before
  unsigned heard_ = 0;
  double cpu_before_ = 0;
  Reason reason_;             // of the rejection at hand; most have that of the one before
  std::uint64_t end_ns_ = 0;  // of the last final answer
  std::uint64_t next_maintenance_ns_ = 0;
  std::uint64_t next_second_ns_ = 1'000'000'000;
  LoadSecond second_;
  LoadResult result_;
};

}  // namespace stampede::tools
