#include "actors/broker/broker_port.h"

#include <algorithm>
#include <chrono>
#include <iterator>

#include "actors/metrics/core/metric_report.h"
#include "actors/protocol/envelope.h"
#include "actors/protocol/node_messages.h"
#include "transport/port/time_grid.h"

namespace stampede::actors {

using std::chrono::milliseconds;
using transport::BehindGrid;
using transport::Channel;
using transport::Frame;
using transport::Message;
using transport::PortControl;
using transport::SocketId;
using transport::SocketKind;
using transport::SocketOptions;

namespace {

constexpr milliseconds kTick{250};
constexpr milliseconds kTickAtRest{500};  // while nothing is on its way
constexpr milliseconds kLookAgain{2};     // for a closed address to be free, for a backend to come
constexpr milliseconds kReopenMax{2000};
constexpr int kBatchesQueued = 1024;  // per webapp on its way in; this node always reads
constexpr int kResultsQueued = 4096;  // per webapp on its way out

std::int64_t ms_of(transport::MonoTime time) {
  return std::chrono::duration_cast<milliseconds>(time.time_since_epoch()).count();
}

Frame frame_of(const transport::Envelope& envelope) {
  char bytes[transport::kEnvelopeBytes];
  transport::encode_to(envelope, bytes);
  return Frame(std::string_view(bytes, sizeof bytes));
}

}  // namespace

BrokerPort::BrokerPort(NodeRuntime& node)
    : node_(node),
      control_(node,
               {[this](nlohmann::json& out) { report(out); },
                [this](Phase wanted) { control_.set_phase(wanted); },  // nothing to drain
                [this](std::uint64_t number, const nlohmann::json&) {
                  control_.reply(number, {{"error", "unknown command"}});
                },
                [this](nlohmann::json& out) { report_metrics(out); }},
               BehindGrid::kBroker),
      core_(node.instance(), node.config().broker.inflight_max) {}

// --- sockets --------------------------------------------------------------------------------

void BrokerPort::start(PortControl& port) {
  open_sockets(port);
  control_.start(port);
  control_.set_phase(Phase::serving);
  next_tick_ = port.now();
  port.wake_at(next_tick_);
}

void BrokerPort::open_sockets(PortControl& port) {
  const auto options = [&](SocketKind kind, Channel channel) {
    SocketOptions made;
    made.kind = kind;
    made.endpoint = node_.endpoint(channel);
    made.bind = true;
    return made;
  };
  auto requests = options(SocketKind::pull, Channel::requests_in);
  requests.receive_high_water = kBatchesQueued;
  requests_in_ = port.open(requests);
  results_in_ = port.open(options(SocketKind::pull, Channel::results_in));
  auto results = options(SocketKind::xpub, Channel::results_out);
  results.send_high_water = kResultsQueued;
  results.pass_over_slow = false;  // so that every loss is seen, and counted
  results_out_ = port.open(results);
  requests_out_ = port.open(way_options());
}

SocketOptions BrokerPort::way_options() const {
  SocketOptions made;
  made.kind = SocketKind::push;
  made.endpoint = node_.endpoint(Channel::requests_out);
  made.bind = true;
  // Credit is the limit; a queue that holds all of it never refuses a backend that is there.
  const auto room = node_.config().broker.inflight_max + kBatchOrdersMax;
  made.send_high_water = static_cast<int>(std::min<std::uint64_t>(room, 1u << 30));
  return made;
}

// What was queued for an older backend goes with the socket, so that no backend ever gets it.
void BrokerPort::close_way(PortControl& port) {
  if (requests_out_ != 0) port.close(requests_out_);
  requests_out_ = 0;
  way_closed_ = port.now();
}

// ZeroMQ closes in the background, so the address may still be taken for a moment.
void BrokerPort::open_way(PortControl& port) {
  try {
    requests_out_ = port.open(way_options());
  } catch (const transport::SocketError& error) {
    if (!error.address_taken || port.now() - way_closed_ > kReopenMax) throw;
    port.wake_at(port.now() + kLookAgain);
  }
}

void BrokerPort::look_for_backend(PortControl& port) {
  if (requests_out_ == 0) open_way(port);
  if (requests_out_ == 0 || core_.connected() || core_.backend_phase() != Phase::serving) return;
  if (!port.writable(requests_out_)) return port.wake_at(port.now() + kLookAgain);
  core_.on_connected(true, effects_);
  carry_out(port, nothing_);
}

// --- what arrives ---------------------------------------------------------------------------

void BrokerPort::on_message(PortControl& port, SocketId id, Message& parts) {
  if (id == requests_in_) return take_work(port, parts);
  if (id == results_in_) return take_backend(port, parts);
  if (id == results_out_) return take_subscription(port, parts[0].bytes());
  control_.on_message(port, id, parts);
}

void BrokerPort::take_work(PortControl& port, Message& parts) {
  const auto work = parts.size() == 2 ? transport::decode_envelope(parts[0].bytes()) : std::nullopt;
  if (!work) return core_.malformed();
  core_.on_work(*work, parts[1].size(), ms_of(port.now()), effects_);
  carry_out(port, parts);
}

void BrokerPort::take_backend(PortControl& port, Message& parts) {
  const auto envelope =
      parts.size() <= 2 ? transport::decode_envelope(parts[0].bytes()) : std::nullopt;
  if (!envelope) return core_.malformed();
  core_.on_backend(*envelope, ms_of(port.now()), effects_);
  carry_out(port, parts);
}

// The first byte says whether a topic is wanted (1) or no longer (0).
void BrokerPort::take_subscription(PortControl& port, std::string_view frame) {
  if (frame.empty() || (frame[0] != 0 && frame[0] != 1)) return core_.malformed();
  core_.on_subscription(frame.substr(1), frame[0] == 1, effects_);
  carry_out(port, nothing_);
}

void BrokerPort::on_timer(PortControl& port) {
  control_.on_timer(port);
  if (port.now() < next_tick_) return;
  ++ticks_;
  next_tick_ = transport::next_on_grid(port.now(), core_.in_flight() > 0 ? kTick : kTickAtRest);
  port.wake_between(next_tick_, next_tick_ + BehindGrid::kBroker);
  core_.on_tick(ms_of(port.now()), effects_);
  carry_out(port, nothing_);
}

void BrokerPort::end_of_round(PortControl& port) {
  look_for_backend(port);
}

void BrokerPort::finish(PortControl& port) {
  control_.finish(port);
}

// --- effects --------------------------------------------------------------------------------

void BrokerPort::carry_out(PortControl& port, Message& parts) {
  for (std::size_t i = 0; i < effects_.size(); ++i) {
    const BrokerEffect effect = effects_[i];  // carrying it out may add others
    carry_out(port, effect, parts);
  }
  effects_.clear();
}

void BrokerPort::carry_out(PortControl& port, const BrokerEffect& effect, Message& parts) {
  switch (effect.kind) {
    case BrokerEffect::Kind::forward:
      return forward(port, effect, parts);
    case BrokerEffect::Kind::publish_result:
      begin_result(effect.webapp);
      std::move(parts.begin(), parts.end(), std::back_inserter(out_));
      return publish(port, effect);
    case BrokerEffect::Kind::publish_news:
      return publish_news(port, effect, parts);
    case BrokerEffect::Kind::tell:
      return tell(port, effect);
    case BrokerEffect::Kind::reopen:
      return close_way(port);  // opened by look_for_backend()
  }
}

void BrokerPort::forward(PortControl& port, const BrokerEffect& effect, Message& parts) {
  parts[0] = frame_of(effect.envelope);
  if (requests_out_ == 0 || !port.send(requests_out_, parts))
    core_.not_forwarded(effect.envelope, effects_);
}

void BrokerPort::begin_result(std::uint32_t webapp) {
  out_.clear();
  out_.emplace_back(std::string(kResultTopicHead) + std::to_string(webapp) + "/");
}

void BrokerPort::publish(PortControl& port, const BrokerEffect& effect) {
  if (!port.send(results_out_, out_)) core_.not_published(effect);
}

// To all at once; when one of them has no room, to each alone, so that only that one misses it.
void BrokerPort::publish_news(PortControl& port, const BrokerEffect& effect, Message& parts) {
  out_.clear();
  out_.emplace_back(kNewsTopic);
  for (auto& part : parts) out_.push_back(part.share());
  if (port.send(results_out_, out_)) return;
  for (const auto webapp : core_.webapps()) {
    begin_result(webapp);
    for (auto& part : parts) out_.push_back(part.share());
    publish(port, effect);
  }
}

void BrokerPort::tell(PortControl& port, const BrokerEffect& effect) {
  begin_result(effect.webapp);
  out_.push_back(frame_of(effect.envelope));
  publish(port, effect);
}

// --- heartbeats -----------------------------------------------------------------------------

// A broker waits for nothing but the backend, whose standstill is not the broker's: each tick
// counts as progress, so that only a port that no longer runs is taken for hung.
void BrokerPort::report(nlohmann::json& out) const {
  const auto& counters = core_.counters();
  nlohmann::json refused = nlohmann::json::object();
  for (std::size_t code = 1; code < counters.refused.size(); ++code)
    if (counters.refused[code] > 0)
      refused[std::string(info(static_cast<Code>(code)).text)] = counters.refused[code];
  out["backend_phase"] = to_text(core_.phase());
  const auto why = refusal_for(core_.phase());
  out["refuses"] = why == Code::none
                       ? nlohmann::json()
                       : nlohmann::json("every order is refused: " + std::string(info(why).text));
  out["work_waiting"] = core_.in_flight() > 0;
  out["progress"] = ticks_;
  out["epoch"] = core_.epoch();
  out["counters"] = {{"batches", counters.batches},
                     {"forwarded", counters.forwarded},
                     {"refused", std::move(refused)},
                     {"in_flight", core_.in_flight()},
                     {"credit", core_.credit()},
                     {"window", core_.window()},
                     {"probes", counters.probes},
                     {"results", counters.results},
                     {"results_dropped", counters.dropped_results},
                     {"news", counters.news},
                     {"news_dropped", counters.dropped_news},
                     {"stale", counters.stale},
                     {"malformed", counters.malformed},
                     {"sessions", counters.sessions},
                     {"webapps", core_.webapps().size()}};
}

void BrokerPort::report_metrics(nlohmann::json& out) const {
  MetricReport report(out);
  const auto& counters = core_.counters();
  report.set(metric::kBrokerForwarded, counters.forwarded);
  report.set(metric::kBrokerInFlight, core_.in_flight());
  report.set(metric::kRefusing, refusal_for(core_.phase()) == Code::none ? 0 : 1);
  for (std::size_t code = 1; code < counters.refused.size(); ++code)
    report.add(metric::kBrokerRefused, info(static_cast<Code>(code)).text, counters.refused[code]);
}

}  // namespace stampede::actors
