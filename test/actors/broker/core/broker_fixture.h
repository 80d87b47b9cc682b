#pragma once

// A broker core whose effects read as one line per event.

#include <doctest/doctest.h>

#include <cstdint>
#include <string>

#include "actors/broker/core/broker_core.h"
#include "actors/protocol/node_messages.h"

namespace stampede::actors {

using transport::Envelope;
using transport::EnvelopeKind;

inline constexpr std::uint64_t kBroker = 77;
inline constexpr std::uint64_t kBackend = 501;
inline constexpr std::uint64_t kWebapp = 901;

inline std::string text(Code code) {
  return std::string(info(code).text);
}

inline std::string text(const BrokerEffect& effect) {
  const auto& envelope = effect.envelope;
  const auto code = static_cast<Code>(envelope.code);
  switch (effect.kind) {
    case BrokerEffect::Kind::forward:
      return "forward " + std::to_string(envelope.number);
    case BrokerEffect::Kind::publish_result:
      return "result " + std::to_string(envelope.number) + " to " + std::to_string(effect.webapp);
    case BrokerEffect::Kind::publish_news:
      return "news";
    case BrokerEffect::Kind::reopen:
      return "reopen";
    case BrokerEffect::Kind::tell:
      break;
  }
  if (envelope.kind == EnvelopeKind::refusal)
    return "refuse " + std::to_string(envelope.number) + " " + text(code);
  return "hello " + std::to_string(effect.webapp) + " " +
         std::string(to_text(static_cast<Phase>(envelope.code))) + " epoch " +
         std::to_string(envelope.epoch) + " window " + std::to_string(envelope.counter);
}

// A broker with what it says as one line per event: "forward 1", "refuse 2 overloaded; reopen", …
struct BrokerFixture {
  BrokerCore core{kBroker, 20'000};
  std::int64_t now = 1'000'000;
  BrokerCore::Effects last;

  std::string said() {
    std::string all;
    for (const auto& effect : last) all += (all.empty() ? "" : "; ") + text(effect);
    return all;
  }

  std::string work(std::uint64_t number, std::uint32_t count, std::size_t body_bytes = 100) {
    Envelope envelope{.kind = EnvelopeKind::work,
                      .count = count,
                      .origin = 1,
                      .sender = kWebapp,
                      .number = number};
    return work(envelope, body_bytes);
  }
  std::string work(const Envelope& envelope, std::size_t body_bytes = 100) {
    last.clear();
    core.on_work(envelope, body_bytes, now, last);
    return said();
  }
  std::string hello(Phase phase, std::uint64_t epoch, std::uint64_t window = 1000,
                    std::uint64_t answered = 0, std::uint64_t backend = 0,
                    std::uint64_t broker = kBroker, std::uint32_t log = 0) {
    last.clear();
    core.on_backend({.kind = EnvelopeKind::hello,
                     .code = static_cast<std::uint16_t>(phase),
                     .origin = log,
                     .sender = backend != 0 ? backend : kBackend + epoch,
                     .number = answered,
                     .broker = broker,
                     .epoch = epoch,
                     .counter = window},
                    now, last);
    return said();
  }
  std::string result(std::uint64_t number, std::uint64_t epoch, std::uint64_t answered,
                     std::uint64_t broker = kBroker) {
    last.clear();
    core.on_backend({.kind = EnvelopeKind::result,
                     .count = 1,
                     .origin = 1,
                     .sender = kWebapp,
                     .number = number,
                     .broker = broker,
                     .epoch = epoch,
                     .counter = answered},
                    now, last);
    return said();
  }
  std::string connect(bool connected = true) {
    last.clear();
    core.on_connected(connected, last);
    return said();
  }
  std::string subscribe(const std::string& topic, bool on = true) {
    last.clear();
    core.on_subscription(topic, on, last);
    return said();
  }
  std::string tick(std::int64_t ms) {
    now += ms;
    last.clear();
    core.on_tick(now, last);
    return said();
  }
  void serve(std::uint64_t epoch = 1, std::uint64_t window = 1000) {
    hello(Phase::serving, epoch, window);
    connect();
    REQUIRE(core.phase() == Phase::serving);
  }
};

}  // namespace stampede::actors
