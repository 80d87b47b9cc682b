#pragma once

// The decisions of a webapp: which requests are taken, whom an answer goes to, what a client is
// told when none comes, and when. Pure: no clock, socket, thread or randomness; times are
// microseconds of one monotonic clock, given with every call; effects go to WebappOutput during it.
// One thread. Every malformed or stale input is counted and ignored, never an error.
//
// It joins three parts, each with a contract of its own: WaitingTable (who waits for which answer),
// BatchSender (what is sent, and sent again), ClientReplies (what clients are told).
//
// Orders over HTTP may be *detached*: their client has been told `queued`, so they are kept, and
// tried again after a refusal that may be retried, until they are decided; what became of them is
// remembered for a while (ResultCache).

#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string_view>

#include "actors/protocol/node_messages.h"
#include "actors/protocol/sf1.h"
#include "actors/sale/limits.h"
#include "actors/webapp/core/batch_sender.h"
#include "actors/webapp/core/client_replies.h"
#include "actors/webapp/core/rate_limits.h"
#include "actors/webapp/core/result_cache.h"
#include "actors/webapp/core/waiting_table.h"

namespace stampede::actors {

class WebappOutput : public ReplyOutput, public WorkOutput {};

struct WebappSettings {
  std::uint64_t instance = 0;
  std::uint64_t waiting_max = 65536;
  std::int64_t resend_us = 1'000'000;
  std::int64_t result_ttl_us = 60'000'000;
  std::size_t results_max = 131'072;
  LimitValues limits;                 // for what refusals say
  std::shared_ptr<RateLimits> rates;  // null: nobody's requests are counted
};

struct WebappCounters : ReplyCounters, SenderCounters {
  std::uint64_t requests = 0;
  std::uint64_t results_malformed = 0;
  std::uint64_t answers_late = 0;  // after the client's deadline
};

class WebappCore {
 public:
  using Mint = std::function<std::array<std::uint64_t, 2>()>;  // 128 random bits

  WebappCore(const WebappSettings& settings, WebappOutput& output, Mint mint);

  // Where what is asked next comes from (address_key; 0: from nowhere that is counted). `counted`:
  // so many of its requests are counted already.
  void comes_from(std::uint64_t address, std::uint32_t counted = 0) {
    address_ = address;
    counted_ = counted;
  }
  void on_request(const ClientAsk& ask, std::int64_t now_us);
  // `orders` has just opened a batch. All its orders are taken, or refused one by one; a damaged
  // frame is refused as a whole.
  void on_orders(const ClientToken& client, Sf1Decoder& orders, std::int64_t now_us);
  // The same of orders that were read elsewhere: 1 to kSf1BatchOrdersMax.
  void on_orders(const ClientToken& client, std::span<const ClientRequest> orders,
                 std::int64_t now_us);
  void on_malformed(const ClientToken& client, const Refusal& refusal, std::int64_t now_us);
  void on_hello(const Hello& hello, std::int64_t now_us) { sender_.on_hello(hello, now_us); }
  void on_result(const BatchHead& head, std::string_view body, std::int64_t now_us);
  void on_refusal(const BatchHead& head, Code code, std::int64_t now_us);
  void end_of_round(std::int64_t now_us) { sender_.end_of_round(now_us); }  // sends what may be
  void on_tick(std::int64_t now_us);  // deadlines and repeats; every few ms while busy()

  void drain();  // new requests are refused from now on
  [[nodiscard]] bool busy() const { return table_.entries() > 0; }
  [[nodiscard]] std::uint64_t waiting() const { return table_.entries(); }
  [[nodiscard]] std::uint64_t answered() const { return answered_; }  // progress
  [[nodiscard]] Code unavailable() const;        // why nothing is served now; none: it is
  [[nodiscard]] std::string_view state() const;  // as `ping` says it
  // Why nothing new is decided though the state is `ready`, for people; empty: it is.
  [[nodiscard]] std::string_view standstill() const;
  [[nodiscard]] WebappCounters counters() const;
  [[nodiscard]] std::uint64_t epoch() const { return sender_.epoch(); }

 private:
  // taking requests
  [[nodiscard]] std::int64_t address_waits(std::int64_t now_us);
  [[nodiscard]] Refusal over_rate(const ClientRequest& request, std::int64_t now_us);
  bool refused_by_rate(const ClientAsk& ask, std::int64_t now_us);
  [[nodiscard]] std::string_view limit_of(Code code, const ClientToken& client,
                                          const ClientRequest& request) const;
  [[nodiscard]] Refusal look_closely(const ClientRequest& request, std::int64_t now_us);
  [[nodiscard]] Code room(const ClientToken& client, const ClientRequest& request,
                          std::uint64_t more = 0) const;
  bool reply_from_memory(const ClientAsk& ask);
  void enqueue(const ClientAsk& ask, std::string_view id, std::int64_t now_us);
  void say_queued(WaitingBatch& batch, Waiter& waiter, bool ack);
  bool read_array(WaitingBatch& batch, Waiter& waiter, Sf1Decoder& orders, std::int64_t now_us);
  void take_entry(WaitingBatch& batch, Waiter& waiter, std::uint32_t index,
                  const ClientRequest& request, std::int64_t now_us);
  void add_array(WaitingBatch& batch, const WaitingBatch::End& end, const Waiter& waiter);

  // answers
  bool answer_all(WaitingBatch& batch, std::int64_t now_us);
  bool skip_late(const Waiter& waiter);
  void answer(WaitingBatch& batch, Waiter& waiter, std::int64_t now_us);
  void reply(const ClientToken& client, std::string_view id);
  void answer_error(WaitingBatch& batch, Waiter& waiter, const Refusal& refusal,
                    std::int64_t now_us);
  [[nodiscard]] Refusal told(const Waiter& waiter, std::string_view id, const Refusal& refusal,
                             std::int64_t now_us) const;
  bool answer_array(WaitingBatch& batch, Waiter& waiter);
  void answer_entry(const ClientToken& client, std::string_view id);
  void refuse_array(WaitingBatch& batch, Waiter& waiter, Code code);
  void retire(OutgoingBatchPtr batch, std::int64_t retry_us);

  // time
  void pass_deadlines(std::int64_t now_us);
  void pass_deadline(OutgoingBatch& batch, Waiter& waiter);
  void drop_abandoned(std::int64_t now_us);

  Mint mint_;
  ResultCache results_;
  WaitingTable table_;
  BatchSender sender_;
  ClientReplies replies_;
  bool draining_ = false;
  std::shared_ptr<RateLimits> rates_;
  bool alert_;  // draining, or requests are counted: one look for orders when all is as usual
  std::uint64_t address_ = 0;
  std::uint32_t counted_ = 0;
  std::uint64_t answered_ = 0;
  std::uint64_t requests_ = 0;
  std::uint64_t results_malformed_ = 0;
  std::uint64_t answers_late_ = 0;
  BodyReader reader_;  // of the result at hand
  Result result_;
};

}  // namespace stampede::actors
