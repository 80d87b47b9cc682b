// The second half of WebappCore: when batches go out, go out again, and when waiting ends.

#include <algorithm>

#include "actors/webapp/core/webapp_batch.h"
#include "config/faults/mutation.h"

namespace stampede::actors {

namespace {

constexpr unsigned kBackoffMax = 3;          // a slow backend is asked again after 1, 2, 4, 8 …
constexpr std::int64_t kOverdueChecks = 10;  // looks for overdue batches per resend time

}  // namespace

Code WebappCore::unavailable() const {
  if (!heard_) return Code::no_backend;
  return refusal_for(hello_.phase);
}

std::string_view WebappCore::state() const {
  if (draining_) return "draining";
  const auto code = unavailable();
  return code == Code::none ? to_text(Phase::serving) : info(code).text;
}

// --- sending ------------------------------------------------------------------------------------

void WebappCore::on_hello(const Hello& hello, std::int64_t now_us) {
  const bool was_serving = heard_ && hello_.phase == Phase::serving;
  const bool changed = !heard_ || hello.broker != hello_.broker || hello.epoch != hello_.epoch ||
                       (!was_serving && hello.phase == Phase::serving);
  heard_ = true;
  heard_us_ = now_us;
  hello_ = hello;
  epoch_ = std::max(epoch_, hello.epoch);
  if (!changed) return;
  for (auto& [number, batch] : sent_) {
    batch->attempts = 0;
    batch->refused = Code::none;
    ask_again(*batch);
  }
}

void WebappCore::ask_again(Batch& batch) {
  land(batch);
  if (!batch.repeat) ++repeats_;
  batch.repeat = true;
}

void WebappCore::land(Batch& batch) {
  if (batch.in_flight) in_flight_ -= batch.count(), --batches_in_flight_;
  batch.in_flight = false;
}

// The window is the broker's to guard; keeping to it here only avoids refusals. A batch larger than
// the window goes out alone.
bool WebappCore::may_send(const Batch& batch) const {
  return hello_.window == 0 || in_flight_ == 0 || in_flight_ + batch.count() <= hello_.window;
}

// Measured with 16384 orders open in messages of 64: 8 batches of 2048 on their way keep 1.7 of two
// processors busy, 4 of 4096 only 1.5; 16 of 1024 cost 7 % more CPU an order. With 300 HTTP clients
// batches are small, and 2 take 10 % less than 4.
bool WebappCore::worth_sending(const Batch& batch) const {
  const bool small = batch.count() < kSmallBatch;
  return batches_in_flight_ < (small ? kSmallBatchesInFlightMax : kBatchesInFlightMax);
}

bool WebappCore::send(Batch& batch, std::int64_t now_us) {
  if (!may_send(batch)) return false;
  if (batch.number == 0) batch.number = next_number_++;
  if (!output_.send_work(batch.number, batch.count(), batch.body.view())) return false;
  batch.sent_us = now_us;
  batch.in_flight = true;
  ++batch.attempts;
  in_flight_ += batch.count();
  ++batches_in_flight_;
  return true;
}

void WebappCore::end_of_round(std::int64_t now_us) {
  if (!heard_) return;
  if (repeats_ > 0 && !send_repeats(now_us)) return;
  send_queued(now_us);
}

bool WebappCore::send_repeats(std::int64_t now_us) {
  for (auto& [number, batch] : sent_) {
    if (!batch->repeat) continue;
    if (!send(*batch, now_us)) return false;
    batch->repeat = false;
    --repeats_;
    ++counters_.resent;
  }
  return true;
}

void WebappCore::send_queued(std::int64_t now_us) {
  while (true) {
    if (unsent_.empty()) {
      if (!building_ || building_->waiters.empty() || !may_send(*building_)) return;
      if (!worth_sending(*building_)) return;
      close_building();
    }
    if (!send(*unsent_.front(), now_us)) return;
    ++counters_.batches;
    auto batch = std::move(unsent_.front());
    unsent_.pop_front();
    const auto number = batch->number;
    sent_.emplace_hint(sent_.end(), number, std::move(batch));
  }
}

// --- time ---------------------------------------------------------------------------------------

void WebappCore::on_tick(std::int64_t now_us) {
  results_.expire(now_us);
  if (now_us - heard_us_ > kHelloSilenceMaxUs) heard_ = false;  // the broker is gone
  if (held_ == 0) return;
  if (now_us >= next_deadline_us_) pass_deadlines(now_us);
  if (now_us >= next_overdue_check_us_) {
    mark_overdue(now_us);
    next_overdue_check_us_ = now_us + settings_.resend_us / kOverdueChecks;
  }
  wake_delayed(now_us);
}

void WebappCore::drain() {
  draining_ = true;
  next_deadline_us_ = 0;  // from now on detached orders have deadlines too
  for_each_batch([](Batch& batch) { batch.earliest_us = 0; });
}

template <class F>
void WebappCore::for_each_batch(F&& visit) {
  if (building_) visit(*building_);
  for (auto& batch : unsent_) visit(*batch);
  for (auto& batch : delayed_) visit(*batch);
  for (auto& [number, batch] : sent_) visit(*batch);
}

void WebappCore::mark_overdue(std::int64_t now_us) {
  for (auto& [number, batch] : sent_) {
    if (batch->repeat) continue;
    if (config::mutation("never_sent_again")) continue;
    const auto shift = batch->in_flight ? std::min(batch->attempts - 1, kBackoffMax) : 0U;
    if (now_us - batch->sent_us >= settings_.resend_us << shift) ask_again(*batch);
  }
}

void WebappCore::wake_delayed(std::int64_t now_us) {
  const auto due = [now_us](const BatchPtr& batch) { return batch->not_before_us <= now_us; };
  for (auto& batch : delayed_)
    if (due(batch)) unsent_.push_back(std::move(batch));
  std::erase(delayed_, nullptr);
}

void WebappCore::pass_deadlines(std::int64_t now_us) {
  next_deadline_us_ = kNever;
  for_each_batch([&](Batch& batch) {
    if (batch.earliest_us <= now_us) pass_deadlines(batch, now_us);
    next_deadline_us_ = std::min(next_deadline_us_, batch.earliest_us);
  });
  drop_abandoned(now_us);
}

void WebappCore::pass_deadlines(Batch& batch, std::int64_t now_us) {
  batch.earliest_us = kNever;
  for (auto& waiter : batch.waiters) {
    if (waiter.done || (waiter.detached && !draining_)) continue;
    if (waiter.deadline_us <= now_us)
      pass_deadline(batch, waiter);
    else
      batch.earliest_us = std::min(batch.earliest_us, waiter.deadline_us);
  }
}

void WebappCore::pass_deadline(Batch& batch, Waiter& waiter) {
  const auto id = batch.id(waiter);
  if (waiter.mode == WaitMode::detach_at_deadline && !waiter.detached && !draining_) {
    Reply reply;
    reply.kind = ReplyKind::queued;
    reply.id = id;
    output_.reply(waiter.client, reply);
    waiter.detached = true;
    ++batch.detached;
    return;
  }
  auto code = unavailable();
  if (code == Code::none) code = batch.refused;
  if (code == Code::none) code = Code::deadline_passed;
  if (waiter.array) return refuse_array(batch, waiter, code);
  if (!waiter.detached) refuse(waiter.client, id, code);
  if (waiter.mode != WaitMode::deadline) results_.forget(id);
  finish(batch, waiter);
}

// Batches nobody waits for any more leave the table; of those that are not under way and hold only
// detached orders beside finished ones, the orders are kept in a batch of their own.
void WebappCore::drop_abandoned(std::int64_t now_us) {
  const auto abandoned = [](const Batch& batch) {
    return batch.open == 0 || (!batch.in_flight && batch.open == batch.detached &&
                               batch.open * 2 <= batch.waiters.size());
  };
  const auto drop = [&](BatchPtr& batch) {
    if (batch->open > 0) keep_detached(*batch, now_us);
    release(std::move(batch));
  };
  const auto delayed = delayed_.size();  // drop() appends behind these
  for (std::size_t i = 0; i < delayed; ++i)
    if (delayed_[i]->open == 0) release(std::move(delayed_[i]));
  if (building_ && abandoned(*building_)) drop(building_);
  for (auto& batch : unsent_)
    if (abandoned(*batch)) drop(batch);
  for (auto at = sent_.begin(); at != sent_.end();) {
    if (abandoned(*at->second)) drop(at->second);
    at = at->second ? std::next(at) : sent_.erase(at);
  }
  std::erase(unsent_, nullptr);
  std::erase(delayed_, nullptr);
}

}  // namespace stampede::actors
