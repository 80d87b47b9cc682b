#include "tools/bench_load.h"

#include <algorithm>
#include <cmath>
#include <string_view>
#include <utility>

#include "transport/wait.h"

namespace stampede::tools {
namespace {

using std::chrono::milliseconds;
using std::chrono::nanoseconds;

// A slot is the planned time in ns while the order is open, with kRetryPlanned when it waits in
// retries_. Then it is kFinal and the answer: an order id (never below 2^40), a rejection's mark
// (kRejected and a hash of the reason), kErrorAnswer or kGivenUp.
constexpr std::uint64_t kFinal = std::uint64_t{1} << 63;
constexpr std::uint64_t kRetryPlanned = std::uint64_t{1} << 62;
constexpr std::uint64_t kGivenUp = 0;
constexpr std::uint64_t kErrorAnswer = 1;
constexpr std::uint64_t kRejected = 1 << 8;
constexpr std::uint64_t kOrderIdMin = std::uint64_t{1} << 40;

constexpr std::uint64_t kSecondNs = 1'000'000'000;
constexpr std::uint64_t kMaintenanceNs = 20'000'000;
constexpr std::uint64_t kLateNs = 1'000'000;
constexpr std::uint64_t kWakeNsMin = 100'000;  // waking up more often costs more than it tells
constexpr std::uint32_t kSilenceMs = 6000;     // longer than a webapp keeps an order waiting
constexpr std::uint32_t kRetryMs = 50;         // when the server gives no advice
constexpr int kSendBurst = 64;
constexpr int kReceiveBurst = 512;
constexpr int kClockEvery = 16;  // messages that share one look at the clock
constexpr std::size_t kExamplesMax = 5;
constexpr auto kConnectFor = milliseconds(3000);
constexpr auto kHearOut = milliseconds(500);

std::uint64_t rejection_mark(std::string_view reason) {
  std::uint64_t hash = 0;
  for (const char c : reason) hash = (hash * 131 + static_cast<unsigned char>(c)) % 16'777'213;
  return kRejected + (hash << 9);
}

std::string answer_text(std::uint64_t value) {
  if (value == kGivenUp) return "no answer";
  if (value == kErrorAnswer) return "an error";
  return value >= kOrderIdMin ? "order " + std::to_string(value) : std::string("rejected");
}

}  // namespace

BenchLoad::BenchLoad(BenchPlan& plan, const LoadOptions& options, OnSecond on_second)
    : plan_(plan), options_(options), on_second_(std::move(on_second)), context_(options.keys) {
  if (options_.requests == 0 && !options_.closed) {
    const double seconds = std::chrono::duration<double>(options_.duration).count();
    options_.requests = static_cast<std::uint64_t>(std::ceil(options_.rate * seconds));
  }
  options_.requests = std::min(options_.requests, kBenchOrdersMax);
  slots_.reserve(options_.requests);
}

bool BenchLoad::connect() {
  transport::SocketOptions socket;
  socket.kind = transport::SocketKind::dealer;
  socket.endpoint = options_.endpoint;
  // Never reached in practice, so that a socket which takes nothing has lost its connection.
  socket.send_high_water = socket.receive_high_water = 4'000'000;
  for (int i = 0; i < options_.connections; ++i) sockets_.emplace_back(context_, socket);
  connections_.resize(sockets_.size());
  const auto until = Clock::now() + kConnectFor;
  const auto up = [](const auto& one) { return one.writable(); };
  while (!std::all_of(sockets_.begin(), sockets_.end(), up)) {
    if (Clock::now() > until) return false;
    static_cast<void>(transport::wait_readable(sockets_, milliseconds(2)));
  }
  return true;
}

std::uint64_t BenchLoad::now_ns() const {
  return static_cast<std::uint64_t>(nanoseconds(Clock::now() - result_.start).count());
}
std::uint32_t BenchLoad::now_ms() const {
  return static_cast<std::uint32_t>(now_ns() / 1'000'000);
}

bool BenchLoad::all_planned() const {
  if (options_.requests != 0) return slots_.size() >= options_.requests;
  return now_ns() >= static_cast<std::uint64_t>(options_.duration.count()) ||
         slots_.size() >= kBenchOrdersMax;
}

std::uint64_t BenchLoad::planned_ns(std::uint64_t order) const {
  return static_cast<std::uint64_t>(static_cast<double>(order) * 1e9 / options_.rate);
}

LoadResult BenchLoad::run() {
  if (!connect()) return std::move(result_);
  result_.connected = true;
  result_.start = Clock::now();
  const auto timeout = static_cast<std::uint64_t>(options_.timeout.count());
  std::uint64_t give_up = 0;
  for (;;) {
    if (!all_sent_) send_due();
    const bool busy = receive();
    if (now_ns() >= next_maintenance_ns_) maintain();
    if (!retries_.empty()) send_retries(now_ms());
    if (!all_sent_ && all_planned()) {
      all_sent_ = true;
      give_up = now_ns() + timeout;
    }
    if (all_sent_ && (open_ == 0 || now_ns() >= give_up)) break;
    if (!busy) wait_for_something();
  }
  hear_out();
  finish();
  return std::move(result_);
}

// --- sending -----------------------------------------------------------------------------------

void BenchLoad::send_due() {
  const std::uint64_t now = now_ns();
  for (int i = 0; i < kSendBurst; ++i) {
    if (options_.requests != 0 && slots_.size() >= options_.requests) return;
    if (options_.closed) {
      if (open_ >= options_.window) return;
      send_new(i % kClockEvery == 0 ? now : now_ns());
    } else {
      const std::uint64_t planned = planned_ns(slots_.size());
      if (planned > now) return;
      if (now - planned > kLateNs) ++second_.late;
      send_new(planned);
    }
  }
}

void BenchLoad::send_new(std::uint64_t planned) {
  const auto order = static_cast<std::uint32_t>(slots_.size());
  slots_.push_back(planned);
  ++open_;
  ++second_.sent;
  silent_.push_back({order, static_cast<std::uint32_t>(planned / 1'000'000)});
  send_or_queue(order);
  if (const auto earlier = plan_.repeat_after(order)) {
    ++result_.repeats;
    send_or_queue(static_cast<std::uint32_t>(*earlier));
  }
}

bool BenchLoad::send(std::uint32_t order) {
  transport::Frame frame(plan_.frame(order));
  if (!sockets_[order % sockets_.size()].send(frame)) return false;
  ++messages_;
  return true;
}

// In order behind what the connection could not take before.
void BenchLoad::send_or_queue(std::uint32_t order) {
  auto& backlog = connections_[order % connections_.size()].backlog;
  if (!backlog.empty() || !send(order)) backlog.push_back(order);
}

void BenchLoad::resend(std::uint32_t order) {
  ++result_.resent;
  send_or_queue(order);
}

// --- answers -------------------------------------------------------------------------------------

bool BenchLoad::receive() {
  bool any = false;
  for (auto& socket : sockets_) {
    std::uint64_t now = 0;
    for (int i = 0; i < kReceiveBurst && socket.receive(parts_); ++i) {
      if (i % kClockEvery == 0) now = now_ns();
      take(parts_.back().bytes(), now);
      any = true;
    }
  }
  return any;
}

void BenchLoad::take(std::string_view frame, std::uint64_t now) {
  const ScannedAnswer answer = scan_answer(frame);
  const auto order = plan_.index_of(answer.id);
  if (answer.kind == ScannedAnswer::Kind::unreadable || !order || *order >= slots_.size()) {
    ++result_.unreadable;
    if (!answer.code.empty()) ++result_.codes[std::string(answer.code)];
    return;
  }
  if (answer.kind == ScannedAnswer::Kind::queued) return;
  ++answers_;
  if (answer.kind == ScannedAnswer::Kind::error) return take_error(*order, answer);
  const bool confirmed = answer.kind == ScannedAnswer::Kind::confirmed;
  const std::uint64_t value = confirmed ? answer.order_id : rejection_mark(answer.reason);
  if ((slots_[*order] & kFinal) != 0) {
    const std::uint64_t before = slots_[*order] & ~kFinal;
    if (before != value && before != kGivenUp) contradiction(*order, before, value);
    return;
  }
  if (confirmed) {
    ++result_.confirmed;
    ++second_.confirmed;
    auto& first = result_.first_order_id;
    first = first == 0 ? value : std::min(first, value);
    result_.last_order_id = std::max(result_.last_order_id, value);
  } else {
    ++result_.rejected;
    ++second_.rejected;
    ++result_.reasons[std::string(answer.reason)];
  }
  take_final(*order, value, now);
}

void BenchLoad::take_final(std::uint64_t order, std::uint64_t value, std::uint64_t now) {
  const std::uint64_t planned = slots_[order] & ~kRetryPlanned;
  second_.latency.record(now > planned ? now - planned : 0);
  slots_[order] = kFinal | value;
  --open_;
  end_ns_ = std::max(end_ns_, now);
}

void BenchLoad::contradiction(std::uint64_t order, std::uint64_t before, std::uint64_t after) {
  ++result_.contradictions;
  if (result_.examples.size() >= kExamplesMax) return;
  result_.examples.push_back(plan_.id(order) + " was answered " + answer_text(before) + ", then " +
                             answer_text(after));
}

void BenchLoad::take_error(std::uint64_t order, const ScannedAnswer& answer) {
  ++result_.codes[std::string(answer.code)];
  std::uint64_t& slot = slots_[order];
  if ((slot & kFinal) != 0) {
    // A code that invites to ask again says nothing about the order.
    const std::uint64_t before = slot & ~kFinal;
    if (!answer.retry && before > kErrorAnswer) contradiction(order, before, kErrorAnswer);
    return;
  }
  if (!answer.retry) {
    ++result_.errors;
    return take_final(order, kErrorAnswer, now_ns());
  }
  if ((slot & kRetryPlanned) != 0) return;
  slot |= kRetryPlanned;
  const std::uint32_t after = answer.retry_after_ms != 0 ? answer.retry_after_ms : kRetryMs;
  // Spread over half as much again, by the order's number, so that they do not come back at once.
  const auto spread = static_cast<std::uint32_t>(order * 2'654'435'761U % (after / 2 + 1));
  retries_.push({now_ms() + after + spread, static_cast<std::uint32_t>(order)});
}

// --- repairing ------------------------------------------------------------------------------

void BenchLoad::maintain() {
  for (std::size_t i = 0; i < sockets_.size(); ++i) check_connection(i);
  resend_silent(now_ms());
  const std::uint64_t now = now_ns();
  next_maintenance_ns_ = now + kMaintenanceNs;
  if (now >= next_second_ns_) end_second();
}

// What was open on a connection that went away has lost its answer.
void BenchLoad::check_connection(std::size_t index) {
  auto& connection = connections_[index];
  const bool up = sockets_[index].writable();
  if (up && !connection.up) {
    connection.backlog.clear();  // all of it is open, or a repeat
    for (const Sent& sent : silent_) {
      if (sent.order % connections_.size() != index || (slots_[sent.order] & kFinal) != 0) continue;
      ++result_.resent;
      connection.backlog.push_back(sent.order);
    }
  }
  connection.up = up;
  flush_backlog(index);
}

void BenchLoad::flush_backlog(std::size_t index) {
  auto& backlog = connections_[index].backlog;
  while (!backlog.empty() && send(backlog.front())) backlog.pop_front();
}

void BenchLoad::send_retries(std::uint32_t now) {
  while (!retries_.empty() && retries_.top().at_ms <= now) {
    const std::uint32_t order = retries_.top().order;
    retries_.pop();
    if ((slots_[order] & kFinal) != 0) continue;
    slots_[order] &= ~kRetryPlanned;
    resend(order);
  }
}

void BenchLoad::resend_silent(std::uint32_t now) {
  const auto timeout_ms = static_cast<std::uint64_t>(options_.timeout.count()) / 1'000'000;
  const auto silence = static_cast<std::uint32_t>(std::min<std::uint64_t>(kSilenceMs, timeout_ms));
  while (!silent_.empty()) {
    const Sent sent = silent_.front();
    const std::uint64_t slot = slots_[sent.order];
    const bool final = (slot & kFinal) != 0;
    if (!final && now < sent.at_ms + silence) return;
    silent_.pop_front();
    if (final) continue;
    if (now >= (slot & ~kRetryPlanned) / 1'000'000 + timeout_ms) {
      slots_[sent.order] = kFinal | kGivenUp;
      ++result_.no_answer;
      --open_;
      continue;
    }
    silent_.push_back({sent.order, now});
    if ((slot & kRetryPlanned) == 0) resend(sent.order);
  }
}

void BenchLoad::end_second() {
  second_.number = next_second_ns_ / kSecondNs;
  second_.open = open_;
  next_second_ns_ = (now_ns() / kSecondNs + 1) * kSecondNs;
  if (on_second_) on_second_(second_);
  result_.latency.add(second_.latency);
  result_.late += second_.late;
  second_.latency.clear();
  second_.sent = second_.confirmed = second_.rejected = second_.late = 0;
}

void BenchLoad::wait_for_something() {
  const std::uint64_t now = now_ns();
  std::uint64_t until = next_maintenance_ns_;
  if (!retries_.empty()) until = std::min(until, retries_.top().at_ms * std::uint64_t{1'000'000});
  if (!all_sent_ && options_.closed && open_ < options_.window) return;
  if (!all_sent_ && !options_.closed) {
    until = std::min(until, std::max(planned_ns(slots_.size()), now + kWakeNsMin));
  }
  if (until <= now) return;
  static_cast<void>(transport::wait_readable(sockets_, nanoseconds(until - now)));
}

// Repeats and resent orders have answers of their own on the way, which must agree, too.
void BenchLoad::hear_out() {
  const auto until = Clock::now() + kHearOut;
  while (answers_ < messages_ && Clock::now() < until) {
    if (!receive()) static_cast<void>(transport::wait_readable(sockets_, milliseconds(20)));
  }
}

void BenchLoad::finish() {
  result_.no_answer += open_;
  result_.offered = slots_.size();
  result_.seconds = static_cast<double>(end_ns_ != 0 ? end_ns_ : now_ns()) / 1e9;
  if (second_.sent + second_.latency.count() > 0) end_second();
}

}  // namespace stampede::tools
