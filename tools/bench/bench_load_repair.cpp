// What a bench asks again: orders that were refused for now, lost with a connection, or silent.

#include <algorithm>

#include "tools/bench/bench_load.h"

namespace stampede::tools {
namespace {

constexpr std::uint64_t kSilenceMs = 6000;  // longer than a webapp keeps an order waiting

}  // namespace

// Of an open order.
std::uint64_t BenchLoad::planned_ms(std::uint64_t order) const {
  return (slots_[order] & ~kRetryPlanned) / 1'000'000;
}

void BenchLoad::resend(std::uint32_t order) {
  ++result_.resent;
  backlog_.push_back(order);
}

void BenchLoad::lost(std::uint32_t order) {
  if (is_open(order)) resend(order);
}

void BenchLoad::lost_all() {
  backlog_.clear();  // all of it is open, or a repeat
  for (auto order = oldest_; order < slots_.size(); ++order)
    lost(static_cast<std::uint32_t>(order));
  for (const Sent& sent : silent_) lost(sent.order);
}

void BenchLoad::send_retries(std::uint32_t now) {
  while (!retries_.empty() && retries_.top().at_ms <= now) {
    const std::uint32_t order = retries_.top().order;
    retries_.pop();
    if (!is_open(order)) continue;
    slots_[order] &= ~kRetryPlanned;
    resend(order);
  }
}

std::uint64_t BenchLoad::timeout_ms() const {
  return static_cast<std::uint64_t>(options_.timeout.count()) / 1'000'000;
}

void BenchLoad::resend_silent(std::uint32_t now) {
  const auto silence = std::min(kSilenceMs, timeout_ms());
  for (; oldest_ < slots_.size(); ++oldest_) {
    if (!is_open(oldest_)) continue;
    if (now < planned_ms(oldest_) + silence) break;
    look_after(static_cast<std::uint32_t>(oldest_), now);
  }
  while (!silent_.empty()) {
    const Sent sent = silent_.front();
    const bool open = is_open(sent.order);
    if (open && now < sent.at_ms + silence) return;
    silent_.pop_front();
    if (open) look_after(sent.order, now);
  }
}

// Of an open order that nothing was heard of for long.
void BenchLoad::look_after(std::uint32_t order, std::uint32_t now) {
  auto& slot = slots_[order];
  if (now >= planned_ms(order) + timeout_ms()) {
    slot = kFinal | kGivenUp;
    ++result_.no_answer;
    --open_;
    return;
  }
  silent_.push_back({order, now});
  if ((slot & kRetryPlanned) == 0) resend(order);
}

}  // namespace stampede::tools
