#pragma once

// Who waits for which answer. WaitingBatch: the requests of one batch and, in the order of their
// positions, the clients that asked them. WaitingTable: what all batches hold together: entries,
// rows of item pages, the next deadline. It owns no batch (BatchSender does), sends nothing and
// tells nobody anything: WebappCore walks the waiters, answers them and says which are done.
//
// One thread, no clock: microseconds of one monotonic clock come with each call. No errors: what
// may be taken is asked before, a broken count ends the process.
//
// There is one waiter per message of a client. An array of orders is one waiter whose entries stand
// side by side in one batch; it waits as long as its most patient entry, and entries that are
// refused here (faults) keep their place in it. Waiting costs no allocation per order: ids are
// views into the body that is sent, and an array costs 4 bytes an order beside it.
//
// The table is shared fairly (shares.h), and so are open pages. A client is a ROUTER identity, or
// an HTTP connection. Clients are told apart by a few bits of a hash (client_slot): counting costs
// a few instructions a message.
//
// An order may be *detached*: its client has been told `queued`, so it has no deadline and outlives
// its batch (move_detached) until it is decided.

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "actors/webapp/core/client_ask.h"
#include "actors/webapp/core/request_batch.h"
#include "actors/webapp/core/shares.h"

namespace stampede::actors {

inline constexpr std::int64_t kNever = std::numeric_limits<std::int64_t>::max();

struct Waiter {
  ClientToken client;
  std::int64_t deadline_us = 0;
  std::int64_t asked_us = 0;      // when it came
  std::uint32_t first = 0;        // position of its first entry in the batch
  std::uint32_t count = 1;        // entries; array: those that are asked of the backend
  std::uint32_t faults_at = 0;    // array: its first fault
  std::uint32_t faults = 0;       // array: entries refused here
  std::uint32_t items_id_at = 0;  // items: the client's id in `texts`
  std::uint32_t rows = 0;         // items: rows the answer may hold
  std::uint16_t slot = 0;         // of its client, in the table
  std::uint8_t items_id_size = 0;
  RequestKind kind = RequestKind::invalid;
  WaitMode mode = WaitMode::deadline;
  bool one_item = false;  // items: exactly one was asked for
  bool array = false;     // answered with one array
  bool detached = false;  // its client was told `queued` and is gone
  bool foreign = false;   // get: nothing that is remembered here may be told
  bool done = false;
};

// An entry of an array that the backend is not asked about.
struct Fault {
  std::uint32_t index = 0;  // in the array
  Code code = Code::none;
  std::string_view field;   // a literal
  std::uint32_t id_at = 0;  // in `texts`
  std::uint8_t id_size = 0;
  std::int64_t retry_after_ms = 0;  // 0: what the code says
};

class WaitingBatch {
 public:
  [[nodiscard]] const RequestBatch& requests() const { return requests_; }
  [[nodiscard]] std::vector<Waiter>& waiters() { return waiters_; }  // WaitingTable changes them
  [[nodiscard]] const std::vector<Waiter>& waiters() const { return waiters_; }
  [[nodiscard]] std::uint32_t open() const { return open_; }          // not done
  [[nodiscard]] std::uint32_t detached() const { return detached_; }  // of these, detached
  [[nodiscard]] std::string_view id(const Waiter& waiter) const {
    if (waiter.kind != RequestKind::items) return requests_.id_at(waiter.first);
    return std::string_view(texts_).substr(waiter.items_id_at, waiter.items_id_size);
  }
  [[nodiscard]] std::span<const Fault> faults(const Waiter& array) const {
    return std::span(faults_).subspan(array.faults_at, array.faults);
  }
  [[nodiscard]] std::string_view id(const Fault& fault) const {
    return std::string_view(texts_).substr(fault.id_at, fault.id_size);
  }

  // An array while it is read: nobody waits for it before WaitingTable::add(), and cut_back() takes
  // out again what was appended since end().
  struct End {
    RequestBatch::End requests;
    std::size_t texts, faults;
  };
  [[nodiscard]] End end() const { return {requests_.end(), texts_.size(), faults_.size()}; }
  void cut_back(const End& end);
  [[nodiscard]] Waiter begin_array(const ClientToken& client) const;
  void append_order(Waiter& array, const Request& order, std::int64_t deadline_us) {
    requests_.append(order);
    ++array.count;
    array.deadline_us = std::max(array.deadline_us, deadline_us);
  }
  void append_fault(Waiter& array, std::uint32_t index, const Refusal& refusal);

  void clear();  // keeps its memory

 private:
  friend class WaitingTable;

  RequestBatch requests_;
  std::string texts_;  // ids that are not in the body
  std::vector<Waiter> waiters_;
  std::vector<Fault> faults_;
  std::uint32_t open_ = 0;
  std::uint32_t detached_ = 0;
  std::int64_t earliest_us_ = kNever;  // no open waiter's deadline is earlier
};

class WaitingTable {
 public:
  explicit WaitingTable(std::uint64_t entries_max)
      : entries_max_(entries_max), plenty_(plenty_of(entries_max)) {}

  [[nodiscard]] std::uint64_t entries() const { return entries_; }
  // `more`: entries that are taken already and not yet counted.
  [[nodiscard]] bool full(std::uint64_t more = 0) const { return entries_ + more >= entries_max_; }
  [[nodiscard]] bool has_room(const ClientToken& client, std::uint64_t more = 0) const {
    const auto taken = entries_ + more;
    return taken < plenty_ || in_share(open_[client_slot(client)] + more, taken, entries_max_);
  }
  [[nodiscard]] bool has_room_for_page(const ClientToken& client) const {
    return in_share(rows_[client_slot(client)], rows_open_, kOpenRowsMax);
  }
  [[nodiscard]] std::int64_t next_deadline_us() const { return next_deadline_us_; }

  // A page of sessions takes as many bytes as so many rows of items.
  static constexpr std::uint32_t kEndedSessionsRows = 36;
  static_assert(kEndedSessionsRows * kRowBytes > std::size_t{kEndedSessionsPageMax} * 40);

  // Rows that the answer to a request may hold.
  [[nodiscard]] static std::uint32_t rows(const ClientRequest& request) {
    if (request.op == ClientOp::order) return 0;
    if (request.op == ClientOp::ended_sessions) return kEndedSessionsRows;
    if (request.op != ClientOp::items && request.op != ClientOp::changes) return 0;
    return request.one_item ? 1 : request.limit;
  }

  // Takes a request into the batch. The waiter is valid until the next add().
  Waiter& add(WaitingBatch& batch, const ClientAsk& ask, std::string_view id, std::int64_t now_us);
  void add(WaitingBatch& batch, const Waiter& array);  // its entries are in the batch

  static void detach(WaitingBatch& batch, Waiter& waiter) {
    waiter.detached = true;
    ++batch.detached_;
  }
  void finish(WaitingBatch& batch, Waiter& waiter) {
    waiter.done = true;
    --batch.open_;
    if (waiter.detached) --batch.detached_;
    give_back(waiter);
  }

  // Deadlines: begin_pass(), then pass() for every batch, calling due(waiter) for each open waiter
  // whose time is over: it is finished or detached. Detached ones have no deadline, unless told.
  void begin_pass() { next_deadline_us_ = kNever; }
  template <class Due>
  void pass(WaitingBatch& batch, std::int64_t now_us, bool detached_too, Due&& due);
  void look_again(WaitingBatch& batch) { batch.earliest_us_ = next_deadline_us_ = 0; }

  // Copies the open waiters of a batch that goes away, all of them detached, into an empty one.
  void move_detached(const WaitingBatch& from, WaitingBatch& to);
  void remove(const WaitingBatch& batch);  // it leaves the table, open waiters and all

 private:
  static constexpr std::uint64_t kOpenRowsMax = 64 * kItemsPageMax;
  void take(const Waiter& waiter) {
    open_[waiter.slot] += waiter.count;
    if (waiter.rows == 0) return;
    rows_[waiter.slot] += waiter.rows;
    rows_open_ += waiter.rows;
  }
  void give_back(const Waiter& waiter) {
    open_[waiter.slot] -= waiter.count;
    if (waiter.rows == 0) return;
    rows_[waiter.slot] -= waiter.rows;
    rows_open_ -= waiter.rows;
  }
  void count(WaitingBatch& batch, const Waiter& waiter);

  std::uint64_t entries_max_;
  std::uint64_t plenty_;
  std::array<std::uint32_t, kClientSlots> open_{};  // entries of open waiters, by client
  std::array<std::uint32_t, kClientSlots> rows_{};  // rows of theirs
  std::uint64_t entries_ = 0;                       // in all batches
  std::uint64_t rows_open_ = 0;                     // that open `items` requests may bring
  std::int64_t next_deadline_us_ = kNever;
};

template <class Due>
void WaitingTable::pass(WaitingBatch& batch, std::int64_t now_us, bool detached_too, Due&& due) {
  if (batch.earliest_us_ <= now_us) {
    batch.earliest_us_ = kNever;
    for (auto& waiter : batch.waiters_) {
      if (waiter.done || (waiter.detached && !detached_too)) continue;
      if (waiter.deadline_us <= now_us)
        due(waiter);
      else
        batch.earliest_us_ = std::min(batch.earliest_us_, waiter.deadline_us);
    }
  }
  next_deadline_us_ = std::min(next_deadline_us_, batch.earliest_us_);
}

}  // namespace stampede::actors
