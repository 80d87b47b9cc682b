#pragma once

// The batches of a webapp, from the first request to the last answer: one gathers requests, full
// ones queue, sent ones are kept until they were answered or nobody waits for them any more. It
// numbers them, keeps to the broker's credit, and knows which broker and backend there are. What is
// in a batch and who waits for it is not its business (WaitingTable, WebappCore).
//
// Owned by WebappCore; one thread; no clock: microseconds of one monotonic clock come with each
// call. Work goes out through WorkOutput during end_of_round() alone.
//
// A batch is everything that arrived in one round of the port, within the bounds of one message. It
// is sent again, unchanged and with its number, when the broker's instance or the backend's epoch
// is new, or when no answer came for resend_us, then ever more rarely. Before a hello was heard,
// and when none was heard for kHelloSilenceMaxUs, nothing is sent. Answers to batches it does not
// hold are counted and ignored.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <string_view>
#include <utility>
#include <vector>

#include "actors/sale/codes.h"
#include "actors/sale/limits.h"
#include "actors/webapp/core/waiting_table.h"

namespace stampede::actors {

// A batch with so many entries is closed: larger ones make the stages wait for each other.
inline constexpr std::size_t kBatchEntries = kRoundEntries;
static_assert(kBatchEntries <= kBatchOrdersMax);

// While this many batches are on their way, a further one that is not full stays open; one of fewer
// entries than kSmallBatch waits behind fewer already. So batches grow to what one round trip
// brings, and without load nothing ever waits.
inline constexpr std::uint64_t kBatchesInFlightMax = 8;
inline constexpr std::uint64_t kSmallBatchesInFlightMax = 2;
inline constexpr std::size_t kSmallBatch = 128;

inline constexpr std::int64_t kHelloSilenceMaxUs = 5'000'000;  // the broker repeats it every second

struct Hello {
  std::uint64_t broker = 0;
  std::uint64_t epoch = 0;
  std::uint64_t window = 0;  // entries that may be in flight; 0: not said
  Phase phase = Phase::invalid;
  std::uint32_t log = 0;  // which log the epoch counts in; 0: not said
  Standstill standstill = Standstill::none;
};

struct BatchHead {  // from the envelope of a result or a refusal
  std::uint64_t sender = 0;
  std::uint64_t number = 0;
  std::uint64_t epoch = 0;
};

class WorkOutput {
 public:
  virtual ~WorkOutput() = default;
  // Sends a batch to the broker. False: it cannot be taken now; it is offered again later.
  [[nodiscard]] virtual bool send_work(std::uint64_t number, std::uint32_t count,
                                       std::string_view body) = 0;
};

struct OutgoingBatch {
  WaitingBatch content;
  std::uint64_t number = 0;  // 0: never sent
  std::int64_t sent_us = 0;
  std::int64_t not_before_us = 0;  // when delayed
  unsigned attempts = 0;           // since the last hello that changed something
  bool delayed = false;
  bool in_flight = false;
  bool repeat = false;        // to be sent again
  Code refused = Code::none;  // what the broker said last

  [[nodiscard]] std::uint32_t count() const { return content.requests().count(); }
};

using OutgoingBatchPtr = std::unique_ptr<OutgoingBatch>;

struct SenderCounters {
  std::uint64_t batches = 0;
  std::uint64_t resent = 0;           // batches
  std::uint64_t asked_again = 0;      // requests in them
  std::uint64_t results_ignored = 0;  // another instance, unknown number, lower epoch
};

class BatchSender {
 public:
  // `instance`: of this webapp; results of another one's batches are not ours.
  BatchSender(WorkOutput& output, std::uint64_t instance, std::int64_t resend_us)
      : output_(output), instance_(instance), resend_us_(resend_us) {}

  // --- what is to be sent
  // The batch that takes `entries` more, which are not torn apart; valid until the next call.
  OutgoingBatch& open_batch(std::size_t entries, std::size_t answer_bytes) {
    if (building_ && !has_room(entries, answer_bytes)) close_batch();
    if (!building_) building_ = new_batch();
    return *building_;
  }
  [[nodiscard]] OutgoingBatchPtr new_batch();  // empty
  void send_later(OutgoingBatchPtr batch, std::int64_t not_before_us);

  // --- broker and backend
  void on_hello(const Hello& hello, std::int64_t now_us);
  void check_silence(std::int64_t now_us) {
    if (now_us - heard_us_ > kHelloSilenceMaxUs) heard_ = false;  // the broker is gone
  }
  [[nodiscard]] bool connected() const { return heard_; }
  [[nodiscard]] Phase phase() const { return hello_.phase; }  // of the backend, when connected
  [[nodiscard]] Standstill standstill() const { return hello_.standstill; }
  [[nodiscard]] std::uint64_t epoch() const { return epoch_; }

  // --- sending
  void end_of_round(std::int64_t now_us);  // sends what may be sent
  void on_tick(std::int64_t now_us);       // which batches are overdue, which delayed ones are due

  // --- what was answered
  // The batch that an answer speaks of. None, and counted: it is another instance's or not held.
  [[nodiscard]] OutgoingBatch* find(const BatchHead& head);
  // The same for a result. None as well: it comes from a backend whose epoch is over.
  [[nodiscard]] OutgoingBatch* find_result(const BatchHead& head);
  // The broker or the backend did not look at the batch: it stays, and is sent again later.
  void hold(OutgoingBatch& batch, Code code, std::int64_t now_us);
  [[nodiscard]] OutgoingBatchPtr remove(std::uint64_t number);  // one that find() has found
  void release(OutgoingBatchPtr batch);  // it is done with; its memory is kept for another

  template <class F>
  void for_each(F&& visit);
  // Takes out each batch of which gone(batch) is true and gives it to drop(batch), which may call
  // send_later() and release().
  template <class Gone, class Drop>
  void remove_if(Gone&& gone, Drop&& drop);

  [[nodiscard]] const SenderCounters& counters() const { return counters_; }

 private:
  [[nodiscard]] bool has_room(std::size_t entries, std::size_t answer_bytes) const {
    const auto& requests = building_->content.requests();
    const auto entries_max =
        hello_.window == 0 ? kBatchEntries : std::min<std::uint64_t>(kBatchEntries, hello_.window);
    return requests.empty() ||
           (requests.count() + entries <= entries_max && requests.fits(entries, answer_bytes));
  }
  void close_batch() { unsent_.push_back(std::move(building_)); }
  [[nodiscard]] bool may_send(const OutgoingBatch& batch) const;
  [[nodiscard]] bool worth_sending(const OutgoingBatch& batch) const;  // one that could still grow
  bool send(OutgoingBatch& batch, std::int64_t now_us);
  bool send_repeats(std::int64_t now_us);
  void send_queued(std::int64_t now_us);
  void ask_again(OutgoingBatch& batch);
  void land(OutgoingBatch& batch);  // no longer in flight
  void mark_overdue(std::int64_t now_us);
  void wake_delayed(std::int64_t now_us);

  WorkOutput& output_;
  std::uint64_t instance_;
  std::int64_t resend_us_;
  SenderCounters counters_;

  bool heard_ = false;  // a hello, and not too long ago
  std::int64_t heard_us_ = 0;
  Hello hello_;
  std::uint64_t epoch_ = 0;  // highest seen of that log
  std::uint32_t log_ = 0;

  OutgoingBatchPtr building_;
  std::deque<OutgoingBatchPtr> unsent_;             // full, never sent
  std::vector<OutgoingBatchPtr> delayed_;           // until their time
  std::map<std::uint64_t, OutgoingBatchPtr> sent_;  // by number
  std::vector<OutgoingBatchPtr> spare_;
  std::uint64_t next_number_ = 1;
  std::uint64_t in_flight_ = 0;  // entries of batches sent and not answered
  std::uint64_t batches_in_flight_ = 0;
  std::uint64_t repeats_ = 0;  // batches of sent_ that wait to be sent again
  std::int64_t next_overdue_check_us_ = 0;
};

template <class F>
void BatchSender::for_each(F&& visit) {
  if (building_) visit(*building_);
  for (auto& batch : unsent_) visit(*batch);
  for (auto& batch : delayed_) visit(*batch);
  for (auto& [number, batch] : sent_) visit(*batch);
}

template <class Gone, class Drop>
void BatchSender::remove_if(Gone&& gone, Drop&& drop) {
  const auto delayed = delayed_.size();  // drop() delays others behind these
  for (std::size_t i = 0; i < delayed; ++i)
    if (gone(*delayed_[i])) drop(std::move(delayed_[i]));
  if (building_ && gone(*building_)) drop(std::move(building_));
  for (auto& batch : unsent_)
    if (gone(*batch)) drop(std::move(batch));
  for (auto at = sent_.begin(); at != sent_.end();) {
    if (gone(*at->second)) drop(std::move(at->second));
    at = at->second ? std::next(at) : sent_.erase(at);
  }
  std::erase(unsent_, nullptr);
  std::erase(delayed_, nullptr);
}

}  // namespace stampede::actors
