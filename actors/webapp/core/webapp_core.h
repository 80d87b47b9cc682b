#pragma once

// The webapp's waiting table: what clients ask becomes batches for the backend, and the answers
// find their way back by (batch number, position). Pure: no clock, socket, thread or randomness;
// times are microseconds of one monotonic clock, given with every call; effects go to WebappOutput
// during it. One thread. Every malformed or stale input is counted and ignored, never an error.
//
// An array of orders from one client is one waiter: its entries stand side by side in one batch and
// are answered by one array, when the batch was answered or the last entry's deadline has passed.
//
// A batch is everything that arrived in one round of the port. It is kept until it was answered or
// nobody waits for it any more, and sent again, unchanged, when the broker's instance or the
// backend's epoch is new, or when no answer came for resend_us. Before a hello was heard nothing is
// sent.
//
// Orders over HTTP may be *detached*: their client has been told `queued`, so they are kept, and
// tried again after a refusal that may be retried, until they are decided.

#include <array>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "actors/protocol/node_messages.h"
#include "actors/protocol/sf1.h"
#include "actors/webapp/core/result_cache.h"

namespace stampede::actors {

// Who asked: a ROUTER identity, or a number the shell understands. Small, so that waiting costs no
// allocation: clients set no fixed identity, and ZeroMQ's own have 5 bytes.
struct ClientToken {
  enum class Kind : std::uint8_t { none = 0, dealer = 1, req = 2, http = 3, internal = 4 };
  static constexpr std::size_t kIdentityBytesMax = 22;

  Kind kind = Kind::none;
  std::uint8_t size = 0;
  std::array<char, kIdentityBytesMax> bytes{};

  static ClientToken router(Kind kind, std::string_view identity);  // ≤ kIdentityBytesMax bytes
  static ClientToken numbered(Kind kind, std::uint64_t number);
  [[nodiscard]] std::string_view identity() const { return {bytes.data(), size}; }
  [[nodiscard]] std::uint64_t number() const;
  bool operator==(const ClientToken&) const = default;
};

enum class ReplyKind : std::uint8_t { invalid = 0, answer, queued, refused, items, pong };

struct Reply {  // valid during the call it is passed to
  ReplyKind kind = ReplyKind::invalid;
  std::string_view id;
  const Answer* answer = nullptr;  // answer
  Code code = Code::none;          // refused
  std::string_view field;          // refused; empty: none
  const std::vector<ItemRow>* items = nullptr;
  std::optional<std::uint64_t> next;
  std::string_view state;  // pong
};

class WebappOutput {
 public:
  virtual ~WebappOutput() = default;
  // Sends a batch to the broker. False: it cannot be taken now; it is offered again later.
  [[nodiscard]] virtual bool send_work(std::uint64_t number, std::uint32_t count,
                                       std::string_view body) = 0;
  virtual void reply(const ClientToken& client, const Reply& reply) = 0;
  // An array: open, then one reply() per entry, then close, or drop when it cannot be completed.
  // No other call comes between.
  virtual void open_array(const ClientToken& client, std::uint32_t entries) = 0;
  virtual void close_array(const ClientToken& client) = 0;
  virtual void drop_array() = 0;
};

// How an order's client waits.
enum class WaitMode : std::uint8_t {
  deadline = 0,            // until the answer or its deadline
  detach_now = 1,          // told `queued` at once; asks again later
  detach_at_deadline = 2,  // told `queued` when the wait ran out
};

struct ClientAsk {
  ClientToken client;
  ClientRequest request;
  WaitMode mode = WaitMode::deadline;
  bool user_is_id = false;  // order: the user is called like the request
  bool cached = false;      // get: what the webapp remembers is good enough
};

struct WebappSettings {
  std::uint64_t instance = 0;
  std::uint64_t waiting_max = 65536;
  std::int64_t resend_us = 1'000'000;
  std::int64_t result_ttl_us = 60'000'000;
  std::size_t results_max = 131'072;
};

// A batch with so many entries is closed: larger ones make the stages wait for each other.
inline constexpr std::size_t kBatchEntries = kRoundEntries;
static_assert(kBatchEntries <= kBatchOrdersMax);

// While this many batches are on their way, a further one that is not full stays open; one of fewer
// entries than kSmallBatch waits behind fewer already. So batches grow to what one round trip
// brings, and without load nothing ever waits.
inline constexpr std::uint64_t kBatchesInFlightMax = 8;
inline constexpr std::uint64_t kSmallBatchesInFlightMax = 2;
inline constexpr std::size_t kSmallBatch = 128;

struct Hello {
  std::uint64_t broker = 0;
  std::uint64_t epoch = 0;
  std::uint64_t window = 0;  // entries that may be in flight; 0: not said
  Phase phase = Phase::invalid;
};

inline constexpr std::int64_t kHelloSilenceMaxUs = 5'000'000;  // the broker repeats it every second

struct BatchHead {  // from the envelope of a result or a refusal
  std::uint64_t sender = 0;
  std::uint64_t number = 0;
  std::uint64_t epoch = 0;
};

struct WebappCounters {
  std::uint64_t requests = 0;
  std::uint64_t confirmed = 0;
  std::uint64_t sold_out = 0;
  std::uint64_t limit_reached = 0;
  std::array<std::uint64_t, 32> refused{};  // by number of the code
  std::uint64_t batches = 0;
  std::uint64_t resent = 0;           // batches
  std::uint64_t results_ignored = 0;  // another instance, unknown number, lower epoch
  std::uint64_t results_malformed = 0;
  std::uint64_t answers_late = 0;  // after the client's deadline
};

class WebappCore {
 public:
  using Mint = std::function<std::array<std::uint64_t, 2>()>;  // 128 random bits

  WebappCore(const WebappSettings& settings, WebappOutput& output, Mint mint);
  ~WebappCore();

  void on_request(const ClientAsk& ask, std::int64_t now_us);
  // `orders` has just opened a batch. All its orders are taken, or refused one by one; a damaged
  // frame is refused as a whole.
  void on_orders(const ClientToken& client, Sf1Decoder& orders, std::int64_t now_us);
  void on_malformed(const ClientToken& client, const Refusal& refusal);
  void on_hello(const Hello& hello, std::int64_t now_us);
  void on_result(const BatchHead& head, std::string_view body, std::int64_t now_us);
  void on_refusal(const BatchHead& head, Code code, std::int64_t now_us);
  void end_of_round(std::int64_t now_us);  // sends what may be sent
  void on_tick(std::int64_t now_us);       // deadlines and repeats; every few ms while busy()

  void drain();  // new requests are refused from now on
  [[nodiscard]] bool busy() const { return held_ > 0; }
  [[nodiscard]] std::uint64_t waiting() const { return held_; }
  [[nodiscard]] std::uint64_t answered() const { return answered_; }  // progress
  [[nodiscard]] Code unavailable() const;        // why nothing is served now; none: it is
  [[nodiscard]] std::string_view state() const;  // as `ping` says it
  [[nodiscard]] const WebappCounters& counters() const { return counters_; }
  [[nodiscard]] std::uint64_t epoch() const { return epoch_; }

 private:
  struct Waiter;
  struct Fault;
  struct Batch;
  using BatchPtr = std::unique_ptr<Batch>;

  // taking requests
  [[nodiscard]] Code admission(const ClientRequest& request, std::uint64_t more = 0) const;
  bool reply_from_memory(const ClientAsk& ask);
  void enqueue(const ClientAsk& ask, std::string_view id, std::int64_t now_us);
  static void append_entry(Batch& batch, Waiter& waiter, const ClientAsk& ask, std::string_view id);
  void say_queued(Batch& batch, Waiter& waiter, bool ack);
  void admit(Batch& batch, const Waiter& waiter);
  Batch& building_for(std::size_t entries, std::size_t answer_bytes);
  BatchPtr new_batch();
  void close_building();

  // arrays (webapp_arrays.cpp)
  bool read_array(Batch& batch, Waiter& waiter, Sf1Decoder& orders, std::int64_t now_us);
  template <class F>
  bool answer_array(const Batch& batch, const Waiter& waiter, F&& answer_entry);
  bool take_array(Batch& batch, Waiter& waiter);
  void refuse_array(Batch& batch, Waiter& waiter, Code code);

  // answers
  [[nodiscard]] Batch* find(const BatchHead& head);
  void take(Batch& batch, Waiter& waiter, const Result& result, std::int64_t now_us);
  void take_error(Batch& batch, Waiter& waiter, Code code, std::string_view field,
                  std::int64_t now_us);
  bool take_all(Batch& batch, std::int64_t now_us);
  bool skip_late(const Waiter& waiter);
  void count_decision(RequestKind kind, const Answer& answer);
  void refuse(const ClientToken& client, std::string_view id, Code code,
              std::string_view field = {});
  void finish(Batch& batch, Waiter& waiter);
  void retire(std::uint64_t number, std::int64_t now_us);
  void keep_detached(const Batch& from, std::int64_t not_before_us);
  void release(BatchPtr batch);

  // sending (webapp_schedule.cpp)
  [[nodiscard]] bool may_send(const Batch& batch) const;
  [[nodiscard]] bool worth_sending(const Batch& batch) const;  // one that could still grow
  bool send(Batch& batch, std::int64_t now_us);
  bool send_repeats(std::int64_t now_us);
  void send_queued(std::int64_t now_us);
  void ask_again(Batch& batch);
  void land(Batch& batch);  // no longer in flight

  // time (webapp_schedule.cpp)
  template <class F>
  void for_each_batch(F&& visit);
  void pass_deadlines(std::int64_t now_us);
  void pass_deadlines(Batch& batch, std::int64_t now_us);
  void pass_deadline(Batch& batch, Waiter& waiter);
  void drop_abandoned(std::int64_t now_us);
  void mark_overdue(std::int64_t now_us);
  void wake_delayed(std::int64_t now_us);

  WebappSettings settings_;
  WebappOutput& output_;
  Mint mint_;
  ResultCache results_;
  WebappCounters counters_;

  bool heard_ = false;  // a hello, and not too long ago
  std::int64_t heard_us_ = 0;
  bool draining_ = false;
  Hello hello_;
  std::uint64_t epoch_ = 0;  // highest seen

  BatchPtr building_;
  std::deque<BatchPtr> unsent_;             // full, never sent
  std::vector<BatchPtr> delayed_;           // detached orders that were refused, until their time
  std::map<std::uint64_t, BatchPtr> sent_;  // by number
  std::vector<BatchPtr> spare_;
  std::uint64_t next_number_ = 1;
  std::uint64_t held_ = 0;       // entries in all batches
  std::uint64_t in_flight_ = 0;  // entries of batches sent and not answered
  std::uint64_t batches_in_flight_ = 0;
  std::uint64_t item_rows_open_ = 0;  // rows that open `items` requests may bring
  std::uint64_t answered_ = 0;
  std::uint64_t repeats_ = 0;      // batches of sent_ that wait to be sent again
  std::int64_t next_deadline_us_;  // no waiter's deadline is earlier
  std::int64_t next_overdue_check_us_ = 0;
  BodyReader reader_;
  Result result_;
};

}  // namespace stampede::actors
