#include "actors/broker/core/broker_core.h"

#include <algorithm>
#include <charconv>
#include <optional>

#include "actors/protocol/node_messages.h"
#include "config/process/invariant.h"

namespace stampede::actors {

using transport::Envelope;
using transport::EnvelopeKind;
using Kind = BrokerEffect::Kind;

namespace {

bool known(std::uint32_t webapp) {
  return webapp >= 1 && webapp <= kWebappsMax;
}

std::optional<std::uint32_t> webapp_of(std::string_view topic) {
  if (topic.substr(0, kResultTopicHead.size()) != kResultTopicHead) return std::nullopt;
  topic.remove_prefix(kResultTopicHead.size());
  std::uint32_t number = 0;
  const auto* end = topic.data() + topic.size();
  const auto [next, error] = std::from_chars(topic.data(), end, number);
  if (error != std::errc{} || end - next != 1 || *next != '/' || !known(number))
    return std::nullopt;
  return number;
}

constexpr std::size_t kLeftMax = 64;

bool is_phase(std::uint16_t code) {
  return code >= static_cast<std::uint16_t>(Phase::starting) &&
         code <= static_cast<std::uint16_t>(Phase::stopped);
}

}  // namespace

BrokerCore::BrokerCore(std::uint64_t instance, std::uint64_t inflight_max)
    : instance_(instance), inflight_max_(inflight_max), announced_(hello()) {
  STAMPEDE_ASSERT(instance != 0, "a broker has an instance");
}

// --- what is so now -------------------------------------------------------------------------

// A serving backend that cannot be reached yet is about to be: after a new epoch it has to connect
// to the new way first. Told as serving too early, webapps would send what could only be refused.
Phase BrokerCore::phase() const {
  return phase_ == Phase::serving && !connected_ ? Phase::starting : phase_;
}

std::uint64_t BrokerCore::window() const {
  return std::min(backend_window_, inflight_max_);
}

std::uint64_t BrokerCore::credit() const {
  return window() - std::min(window(), in_flight());
}

Envelope BrokerCore::hello() const {
  Envelope envelope;
  envelope.kind = EnvelopeKind::hello;
  envelope.code = static_cast<std::uint16_t>(phase());
  envelope.origin = log_;
  envelope.sender = envelope.broker = instance_;
  envelope.epoch = epoch_;
  envelope.counter = window();
  envelope.count = standstill_;
  return envelope;
}

// --- from webapps ---------------------------------------------------------------------------

void BrokerCore::on_work(const Envelope& work, std::size_t body_bytes, std::int64_t now_ms,
                         Effects& effects) {
  expire(now_ms, effects);
  if (work.kind != EnvelopeKind::work || !known(work.origin) || work.sender == 0 ||
      work.number == 0)
    return malformed();  // nobody to tell
  if (work.count == 0 || work.count > kBatchOrdersMax || body_bytes == 0 ||
      body_bytes > kBatchBytesMax) {
    // Damaged on its way, or a broken webapp: its clients are no part of it and may ask again.
    malformed();
    return refuse(work, Code::internal, effects);
  }
  if (phase() != Phase::serving) return refuse(work, refusal_for(phase()), effects);
  if (work.count > credit() && !may_probe(work.count, now_ms))
    return refuse(work, Code::overloaded, effects);
  if (in_flight() == 0) moved_ms_ = now_ms;  // the backend's silence counts from here
  forwarded_ += work.count;
  used_ = true;
  ++counters_.batches;
  counters_.forwarded += work.count;
  Envelope envelope = work;
  envelope.broker = instance_;
  envelope.epoch = epoch_;
  envelope.counter = forwarded_;
  effects.push_back({Kind::forward, work.origin, envelope});
}

bool BrokerCore::may_probe(std::uint32_t count, std::int64_t now_ms) {
  if (count > window() || now_ms - moved_ms_ < kProbeAfterMs) return false;
  moved_ms_ = now_ms;
  ++counters_.probes;
  return true;
}

void BrokerCore::not_forwarded(const Envelope& work, Effects& effects) {
  STAMPEDE_ASSERT(in_flight() >= work.count, "what was not forwarded was counted");
  forwarded_ -= work.count;
  --counters_.batches;
  counters_.forwarded -= work.count;
  on_connected(false, effects);
  refuse(work, Code::no_backend, effects);
}

void BrokerCore::refuse(const Envelope& work, Code code, Effects& effects) {
  counters_.refused[static_cast<std::size_t>(code)] += work.count;
  Envelope refusal;
  refusal.kind = EnvelopeKind::refusal;
  refusal.code = static_cast<std::uint16_t>(code);
  refusal.count = work.count;
  refusal.origin = work.origin;
  refusal.sender = work.sender;
  refusal.number = work.number;
  refusal.broker = instance_;
  refusal.epoch = epoch_;
  effects.push_back({Kind::tell, work.origin, refusal});
}

void BrokerCore::on_subscription(std::string_view topic, bool subscribed, Effects& effects) {
  const auto webapp = webapp_of(topic);
  if (!webapp) return;
  if (!subscribed) {
    webapps_.erase(*webapp);
    return;
  }
  webapps_.insert(*webapp);
  effects.push_back({Kind::tell, *webapp, hello()});
}

// --- from the backend -----------------------------------------------------------------------

void BrokerCore::on_backend(const Envelope& envelope, std::int64_t now_ms, Effects& effects) {
  switch (envelope.kind) {
    case EnvelopeKind::hello:
      return on_hello(envelope, now_ms, effects);
    case EnvelopeKind::result:
    case EnvelopeKind::refusal:
      return on_result(envelope, now_ms, effects);
    case EnvelopeKind::news:
      return on_news(envelope, effects);
    default:
      return malformed();
  }
}

void BrokerCore::on_hello(const Envelope& hello, std::int64_t now_ms, Effects& effects) {
  // A backend has no epoch before its log was read; until then it can say no more than that it is
  // there.
  const bool no_epoch = hello.epoch == 0;
  if (!is_phase(hello.code) || hello.sender == 0 ||
      (no_epoch && hello.code == static_cast<std::uint16_t>(Phase::serving)))
    return malformed();
  if (!no_epoch && of_the_past(hello)) {
    ++counters_.stale;
    return;
  }
  if (!no_epoch && (hello.epoch != epoch_ || hello.sender != backend_))
    begin_session(hello, effects);
  heard_ms_ = now_ms;
  phase_ = static_cast<Phase>(hello.code);
  standstill_ = hello.count;
  if (!no_epoch) {
    backend_window_ = hello.counter;
    take_total(hello.broker, hello.number, now_ms);
  }
  announce_changes(effects);
}

bool BrokerCore::of_the_past(const Envelope& hello) const {
  if (std::find(left_.begin(), left_.end(), hello.sender) != left_.end()) return true;
  const bool other_log = hello.origin != 0 && log_ != 0 && hello.origin != log_;
  return !other_log && hello.epoch < epoch_;
}

// What a log that was left still says lies above its successor's epochs.
bool BrokerCore::result_of_the_past(std::uint64_t epoch) const {
  return epoch < epoch_ || (epoch > epoch_ && epoch <= left_epoch_);
}

void BrokerCore::begin_session(const Envelope& hello, Effects& effects) {
  if (backend_ != 0 && backend_ != hello.sender) left_.push_back(backend_);
  if (left_.size() > kLeftMax) left_.erase(left_.begin());
  if (hello.origin != log_ && log_ != 0) left_epoch_ = epoch_;
  if (hello.origin != 0) log_ = hello.origin;
  backend_ = hello.sender;
  epoch_ = hello.epoch;
  forwarded_ = answered_ = 0;
  ++counters_.sessions;
  if (!used_) return;  // nothing can be queued for an older backend
  used_ = connected_ = false;
  effects.push_back({Kind::reopen, 0, {}});
}

void BrokerCore::on_result(const Envelope& result, std::int64_t now_ms, Effects& effects) {
  if (!known(result.origin)) return malformed();
  if (result_of_the_past(result.epoch)) {
    ++counters_.stale;
    return;
  }
  if (result.epoch == epoch_) take_total(result.broker, result.counter, now_ms);
  ++counters_.results;
  effects.push_back({Kind::publish_result, result.origin, result});
}

void BrokerCore::on_news(const Envelope& news, Effects& effects) {
  if (result_of_the_past(news.epoch)) {
    ++counters_.stale;
    return;
  }
  ++counters_.news;
  effects.push_back({Kind::publish_news, 0, news});
}

// Totals may come late or twice, and one for another broker says nothing here.
void BrokerCore::take_total(std::uint64_t broker, std::uint64_t total, std::int64_t now_ms) {
  if (broker != instance_ || total <= answered_) return;
  answered_ = std::min(total, forwarded_);
  moved_ms_ = now_ms;
}

// --- time and change ------------------------------------------------------------------------

void BrokerCore::on_tick(std::int64_t now_ms, Effects& effects) {
  expire(now_ms, effects);
  if (now_ms / kHelloRepeatMs == announced_ms_ / kHelloRepeatMs) return;
  announced_ms_ = now_ms;
  announce(effects);
}

void BrokerCore::expire(std::int64_t now_ms, Effects& effects) {
  if (phase_ == Phase::invalid || now_ms - heard_ms_ < kHelloSilenceMs) return;
  phase_ = Phase::invalid;
  standstill_ = 0;
  announce_changes(effects);
}

void BrokerCore::on_connected(bool connected, Effects& effects) {
  connected_ = connected;
  announce_changes(effects);
}

void BrokerCore::announce_changes(Effects& effects) {
  if (hello() != announced_) announce(effects);
}

void BrokerCore::announce(Effects& effects) {
  announced_ = hello();
  for (const auto webapp : webapps_) effects.push_back({Kind::tell, webapp, announced_});
}

void BrokerCore::not_published(const BrokerEffect& effect) {
  ++(effect.kind == Kind::publish_news ? counters_.dropped_news : counters_.dropped_results);
}

}  // namespace stampede::actors
