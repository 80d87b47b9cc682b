#include "test/sim/broker_process.h"

#include "test/sim/violation.h"
#include "test/sim/world.h"

namespace stampede::sim {

using Kind = actors::BrokerEffect::Kind;

namespace {

constexpr Time kTick = 250 * kMs;
constexpr Time kReopen = 2 * kMs;

}  // namespace

BrokerProcess::BrokerProcess(World& world, std::uint64_t instance)
    : world_(world), instance_(instance), core_(instance, world.plan.inflight_max) {}

void BrokerProcess::start() {
  tick();
}

void BrokerProcess::tick() {
  core_.on_tick(world_.queue.now() / kMs, effects_);
  carry_out({});
  world_.queue.in(kTick, [&world = world_, instance = instance_] {
    if (const auto alive = world.broker(instance)) alive->tick();
  });
}

void BrokerProcess::take_work(const transport::Envelope& envelope, const std::string& body) {
  core_.on_work(envelope, body.size(), world_.queue.now() / kMs, effects_);
  require(core_.in_flight() <= core_.window() * (1 + core_.counters().probes), "L1",
          "more orders are in flight than the window lets through");
  carry_out(body);
}

void BrokerProcess::take_backend(const transport::Envelope& envelope, const std::string& body) {
  core_.on_backend(envelope, world_.queue.now() / kMs, effects_);
  carry_out(body);
}

void BrokerProcess::take_subscription(std::uint32_t webapp, bool subscribed) {
  core_.on_subscription(std::string(actors::kResultTopicHead) + std::to_string(webapp) + "/",
                        subscribed, effects_);
  carry_out({});
}

void BrokerProcess::look_for_backend() {
  if (!way_open_ || core_.connected() || core_.backend_phase() != actors::Phase::serving ||
      !world_.backend_serves())
    return;
  core_.on_connected(true, effects_);
  carry_out({});
}

void BrokerProcess::carry_out(const std::string& body) {
  for (std::size_t i = 0; i < effects_.size(); ++i) {
    const auto effect = effects_[i];  // carrying it out may add others
    carry_out(effect, body);
  }
  effects_.clear();
  look_for_backend();
}

void BrokerProcess::carry_out(const actors::BrokerEffect& effect, const std::string& body) {
  switch (effect.kind) {
    case Kind::forward:
      if (!way_open_ || !world_.backend_serves())
        return core_.not_forwarded(effect.envelope, effects_);
      return world_.to_backend(effect.envelope, body);
    case Kind::publish_result:
      return world_.to_webapp(effect.webapp, effect.envelope, body);
    case Kind::tell:
      return world_.to_webapp(effect.webapp, effect.envelope, {});
    case Kind::publish_news:
      for (const auto webapp : core_.webapps())
        world_.news_to_webapp(webapp, effect.envelope, body);
      return;
    case Kind::reopen:
      way_open_ = false;
      ++way_;
      world_.queue.in(kReopen, [&world = world_, instance = instance_] {
        const auto alive = world.broker(instance);
        if (!alive) return;
        alive->way_open_ = true;
        alive->look_for_backend();
      });
  }
}

}  // namespace stampede::sim
