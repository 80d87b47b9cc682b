#include "tools/bench/bench_load.h"

#include <algorithm>
#include <cmath>
#include <string_view>
#include <utility>

#include "tools/bench/cpu_time.h"

namespace stampede::tools {
namespace {

using std::chrono::milliseconds;
using std::chrono::nanoseconds;

constexpr std::uint64_t kRejected = 1 << 8;
constexpr std::uint64_t kOrderIdMin = std::uint64_t{1} << 40;

constexpr std::uint64_t kSecondNs = 1'000'000'000;
constexpr std::uint64_t kMaintenanceNs = 20'000'000;
constexpr std::uint64_t kLateNs = 1'000'000;
constexpr std::uint64_t kWakeNsMin = 100'000;  // waking up more often costs more than it tells
constexpr std::uint32_t kRetryMs = 50;         // when the server gives no advice
constexpr unsigned kSendBurst = 64;            // messages between two looks for answers
constexpr unsigned kClockEvery = 16;           // of them share one look at the clock
constexpr std::size_t kExamplesMax = 5;
constexpr auto kConnectFor = milliseconds(3000);
constexpr auto kHearOut = milliseconds(500);

bool decides(std::string_view reason) {
  return reason != kEdgeReason && reason != kForNowReason;
}

constexpr std::uint64_t rejection_mark(std::string_view reason) {
  std::uint64_t hash = 0;
  for (const char c : reason) hash = (hash * 131 + static_cast<unsigned char>(c)) % 16'777'213;
  return kRejected + (hash << 9);
}

constexpr auto kEdgeMark = rejection_mark(kEdgeReason);
constexpr auto kForNowMark = rejection_mark(kForNowReason);

bool is_undecided(std::uint64_t mark) {
  return mark == kEdgeMark || mark == kForNowMark;
}

}  // namespace

void LoadResult::add(const LoadResult& later) {
  connected = connected && later.connected;
  offered += later.offered;
  confirmed += later.confirmed;
  rejected += later.rejected;
  for_now += later.for_now;
  no_answer += later.no_answer;
  errors += later.errors;
  accepted += later.accepted;
  tickets += later.tickets;
  repeats += later.repeats;
  resent += later.resent;
  late += later.late;
  unreadable += later.unreadable;
  for (const auto& [name, count] : later.reasons) reasons[name] += count;
  for (const auto& [name, count] : later.codes) codes[name] += count;
  contradictions += later.contradictions;
  examples.insert(examples.end(), later.examples.begin(), later.examples.end());
  if (first_order_id == 0) first_order_id = later.first_order_id;
  last_order_id = std::max(last_order_id, later.last_order_id);
  latency.add(later.latency);
  seconds = std::chrono::duration<double>(later.start - start).count() + later.seconds;
  cpu_seconds += later.cpu_seconds;
}

BenchLoad::BenchLoad(BenchPlan& plan, OrderWire& wire, const LoadOptions& options,
                     OnSecond on_second)
    : plan_(plan), wire_(wire), options_(options), on_second_(std::move(on_second)) {
  if (options_.requests == 0 && !options_.closed) {
    const double seconds = std::chrono::duration<double>(options_.duration).count();
    options_.requests = static_cast<std::uint64_t>(std::ceil(options_.rate * seconds));
  }
  options_.requests = std::min(options_.requests, kBenchOrdersMax);
  slots_.resize(options_.requests);  // touched here, not while answers are awaited
  slots_.clear();
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
  if (!wire_.connect(kConnectFor)) return std::move(result_);
  result_.connected = true;
  result_.start = Clock::now();
  cpu_before_ = own_cpu_seconds();
  const auto timeout = static_cast<std::uint64_t>(options_.timeout.count());
  std::uint64_t give_up = 0;
  for (;;) {
    if (!all_sent_) send_due();
    const bool busy = receive();
    const std::uint64_t now = now_ns();
    if (!backlog_.empty()) send_backlog();
    if (now >= next_maintenance_ns_) maintain();
    if (!retries_.empty()) send_retries(now_ms());
    if (!all_sent_ && all_planned()) {
      all_sent_ = true;
      give_up = now + timeout;
    }
    if (all_sent_ && (open_ == 0 || now >= give_up)) break;
    if (!busy) wait_for_something();
  }
  result_.cpu_seconds = own_cpu_seconds() - cpu_before_;
  hear_out();
  if (options_.on_answered) options_.on_answered();
  if (result_.accepted > 0) ask_for_results();
  finish();
  return std::move(result_);
}

// --- sending -----------------------------------------------------------------------------------

// How many orders the next message holds.
std::uint64_t BenchLoad::next_batch() const {
  if (options_.requests == 0) return options_.batch;
  return std::min<std::uint64_t>(options_.batch, options_.requests - slots_.size());
}

void BenchLoad::send_due() {
  std::uint64_t now = now_ns();
  for (unsigned i = 0; i < kSendBurst; ++i) {
    const auto count = next_batch();
    if (count == 0) return;
    if (options_.closed) {
      if (open_ + count > options_.window) return;
      if (i != 0 && i % kClockEvery == 0) now = now_ns();
      send_new(count, now);
    } else {
      const std::uint64_t planned = planned_ns(slots_.size());
      if (planned > now) return;
      if (now - planned > kLateNs) second_.late += count;
      send_new(count, planned);
    }
  }
}

void BenchLoad::send_new(std::uint64_t count, std::uint64_t planned) {
  const auto first = static_cast<std::uint32_t>(slots_.size());
  slots_.insert(slots_.end(), count, planned);
  open_ += count;
  second_.sent += count;
  group_.clear();
  for (auto order = first; order < first + count; ++order) {
    group_.push_back(order);
    const auto earlier = plan_.repeat_after(order);
    if (!earlier) continue;
    ++result_.repeats;
    group_.push_back(static_cast<std::uint32_t>(*earlier));
  }
  const std::span<const std::uint32_t> all(group_);
  for (std::size_t at = 0; at < all.size(); at += options_.batch) {
    const auto part = all.subspan(at, std::min(options_.batch, all.size() - at));
    if (!backlog_.empty() || !send(part)) backlog_.insert(backlog_.end(), part.begin(), part.end());
  }
}

bool BenchLoad::send(std::span<const std::uint32_t> orders) {
  if (!wire_.send(orders)) return false;
  asked_ += orders.size();
  return true;
}

void BenchLoad::send_backlog() {
  while (!backlog_.empty()) {
    const auto count = std::min(options_.batch, backlog_.size());
    group_.assign(backlog_.begin(), backlog_.begin() + static_cast<std::ptrdiff_t>(count));
    if (!send(group_)) return;
    backlog_.erase(backlog_.begin(), backlog_.begin() + static_cast<std::ptrdiff_t>(count));
  }
}

// --- answers -------------------------------------------------------------------------------------

// A burst begins with a look at the clock.
bool BenchLoad::receive() {
  heard_ = 0;
  return wire_.receive(*this);
}

void BenchLoad::message() {
  if (options_.batch > 1 || heard_++ % kClockEvery == 0) heard_ns_ = now_ns();
}

void BenchLoad::take(const ScannedAnswer& answer) {
  using Kind = ScannedAnswer::Kind;
  const std::optional<std::uint64_t> order =
      answer.order ? std::optional<std::uint64_t>(*answer.order) : plan_.index_of(answer.id);
  if (answer.kind == Kind::unreadable || !order || *order >= slots_.size()) {
    ++result_.unreadable;
    if (!answer.code.empty()) ++result_.codes[std::string(answer.code)];
    return;
  }
  if (answer.kind == Kind::queued) {
    if (answer.order && result_.accepted > 0) backlog_.push_back(*answer.order);  // ask again
    return;
  }
  ++answers_;
  if (answer.kind == Kind::error) return take_error(*order, answer);
  take_decision(*order, answer);
}

void BenchLoad::take_decision(std::uint64_t order, const ScannedAnswer& answer) {
  using Kind = ScannedAnswer::Kind;
  const std::uint64_t value = answer.kind == Kind::confirmed  ? answer.order_id
                              : answer.kind == Kind::accepted ? kAccepted
                              : answer.kind == Kind::ticket   ? kTicket
                                                              : mark_of(answer.reason);
  if (!is_open(order)) {
    const std::uint64_t before = slots_[order] & ~kFinal;
    const bool decided = !is_undecided(before) && decides(answer.reason);
    if (before != value && before != kGivenUp && decided) contradiction(order, before, value);
    return;
  }
  if (answer.kind == Kind::ticket && !plan_.keep_ticket(order, answer.ticket)) {
    ++result_.unreadable;
    return;
  }
  count_decision(answer.kind, value);
  take_final(order, value);
}

void BenchLoad::count_decision(ScannedAnswer::Kind kind, std::uint64_t value) {
  using Kind = ScannedAnswer::Kind;
  if (kind == Kind::confirmed) {
    ++result_.confirmed;
    ++second_.confirmed;
    auto& first = result_.first_order_id;
    first = first == 0 ? value : std::min(first, value);
    result_.last_order_id = std::max(result_.last_order_id, value);
  } else if (kind == Kind::accepted) {
    ++result_.accepted;
  } else if (kind == Kind::ticket) {
    ++result_.tickets;
  } else if (value == kForNowMark) {
    ++result_.for_now;
    ++second_.for_now;
  } else {
    ++result_.rejected;
    ++second_.rejected;
    count_reason();
  }
}

std::uint64_t BenchLoad::mark_of(std::string_view reason) {
  if (reason_.mark == 0 || reason_.text != reason)
    reason_ = {std::string(reason), rejection_mark(reason), nullptr};
  return reason_.mark;
}

void BenchLoad::count_reason() {
  if (reason_.count == nullptr) reason_.count = &result_.reasons[reason_.text];
  ++*reason_.count;
}

void BenchLoad::take_final(std::uint64_t order, std::uint64_t value) {
  const std::uint64_t planned = slots_[order] & ~kRetryPlanned;
  second_.latency.record(heard_ns_ > planned ? heard_ns_ - planned : 0);
  slots_[order] = kFinal | value;
  --open_;
  end_ns_ = std::max(end_ns_, heard_ns_);
}

std::string BenchLoad::answer_text(std::uint64_t value) {
  if (value == kGivenUp) return "no answer";
  if (value == kErrorAnswer) return "an error";
  if (value == kTicket) return "a ticket";
  return value >= kOrderIdMin ? "order " + std::to_string(value) : std::string("rejected");
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
  if (!is_open(order)) {
    // A code that invites to ask again says nothing about the order.
    const std::uint64_t before = slot & ~kFinal;
    if (!answer.retry && before > kErrorAnswer) contradiction(order, before, kErrorAnswer);
    return;
  }
  if (!answer.retry) {
    ++result_.errors;
    return take_final(order, kErrorAnswer);
  }
  if ((slot & kRetryPlanned) != 0) return;
  slot |= kRetryPlanned;
  const std::uint32_t after = answer.retry_after_ms != 0 ? answer.retry_after_ms : kRetryMs;
  // Spread over half as much again, by the order's number, so that they do not come back at once.
  const auto spread = static_cast<std::uint32_t>(order * 2'654'435'761U % (after / 2 + 1));
  retries_.push({now_ms() + after + spread, static_cast<std::uint32_t>(order)});
}

// --- from time to time -------------------------------------------------------------------------

void BenchLoad::maintain() {
  wire_.maintain(*this);
  resend_silent(now_ms());
  const std::uint64_t now = now_ns();
  next_maintenance_ns_ = now + kMaintenanceNs;
  if (now >= next_second_ns_) end_second();
}

void BenchLoad::end_second() {
  second_.number = next_second_ns_ / kSecondNs;
  second_.open = open_;
  next_second_ns_ = (now_ns() / kSecondNs + 1) * kSecondNs;
  if (on_second_) on_second_(second_);
  result_.latency.add(second_.latency);
  result_.late += second_.late;
  second_.latency.clear();
  second_.sent = second_.confirmed = second_.rejected = second_.for_now = second_.late = 0;
}

void BenchLoad::wait_for_something() {
  const std::uint64_t now = now_ns();
  std::uint64_t until = next_maintenance_ns_;
  if (!retries_.empty()) until = std::min(until, retries_.top().at_ms * std::uint64_t{1'000'000});
  if (!all_sent_ && options_.closed && open_ + next_batch() <= options_.window) return;
  if (!all_sent_ && !options_.closed) {
    until = std::min(until, std::max(planned_ns(slots_.size()), now + kWakeNsMin));
  }
  if (until <= now) return;
  wire_.wait(nanoseconds(until - now));
}

// Repeats and resent orders have answers of their own on the way, which must agree, too.
void BenchLoad::hear_out() {
  const auto until = Clock::now() + kHearOut;
  while (answers_ < asked_ && Clock::now() < until) {
    if (!receive()) wire_.wait(milliseconds(20));
  }
}

// The orders that were only accepted: what became of them, asked until it is known. Not part of the
// load, and in no latency.
void BenchLoad::ask_for_results() {
  end_second();
  const Latency load = result_.latency;
  wire_.ask_for_results();
  oldest_ = slots_.size();
  for (std::uint32_t order = 0; order < slots_.size(); ++order) {
    if (slots_[order] != (kFinal | kAccepted)) continue;
    slots_[order] = now_ns();
    ++open_;
    backlog_.push_back(order);
    silent_.push_back({order, now_ms()});
  }
  const auto end = end_ns_;
  const auto until = Clock::now() + options_.timeout;
  while (open_ > 0 && Clock::now() < until) {
    send_backlog();
    const bool busy = receive();
    wire_.maintain(*this);
    if (!busy) wire_.wait(milliseconds(5));
  }
  end_ns_ = end;
  second_.latency.clear();
  result_.latency = load;
}

void BenchLoad::finish() {
  result_.no_answer += open_;
  result_.offered = slots_.size();
  result_.seconds = static_cast<double>(end_ns_ != 0 ? end_ns_ : now_ns()) / 1e9;
  if (second_.sent + second_.latency.count() > 0) end_second();
}

}  // namespace stampede::tools
