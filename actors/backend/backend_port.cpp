#include "actors/backend/backend_port.h"

#include "actors/backend/backend_report.h"
#include "config/faults/failpoint.h"
#include "transport/port/time_grid.h"

namespace stampede::actors {

using transport::Envelope;
using transport::EnvelopeKind;
using transport::Frame;
using transport::Message;
using transport::PortControl;
using transport::SocketKind;

namespace {

constexpr auto kHelloEvery = std::chrono::milliseconds(250);
constexpr auto kHelloAtRest = 2 * kHelloEvery;
constexpr int kLastResultsLingerMs = 500;
constexpr auto kRetrySend = std::chrono::milliseconds(5);
// Results that the broker does not take: beyond this the oldest are dropped and counted, webapps
// ask again. The broker's credit keeps it far from full.
constexpr std::size_t kOutgoingMax = 16384;

}  // namespace

BackendPort::BackendPort(NodeRuntime& node, BackendStatus& status, BackendHandlers handlers)
    : node_(node),
      status_(status),
      handlers_(std::move(handlers)),
      link_(node, {.report = [this](nlohmann::json& out) { report(out); },
                   .wanted = handlers_.wanted,
                   .command = handlers_.command,
                   .metrics = [this](nlohmann::json& out) { report_backend_metrics(out, status_); },
                   .orders_refused = handlers_.orders_refused}) {}

void BackendPort::start(PortControl& port) {
  results_ = port.open({.kind = SocketKind::push,
                        .endpoint = node_.endpoint(transport::Channel::results_in),
                        .linger_ms = kLastResultsLingerMs,
                        .subscriptions = {}});
  link_.start(port);
  on_timer(port);
}

void BackendPort::open_intake(PortControl& port) {
  hello(port);  // the broker opens a new PUSH for the new epoch before we ask for it
  requests_ = port.open({.kind = SocketKind::pull,
                         .endpoint = node_.endpoint(transport::Channel::requests_out),
                         .subscriptions = {}});
}

void BackendPort::on_message(PortControl& port, transport::SocketId id, Message& parts) {
  if (link_.on_message(port, id, parts)) return;
  const auto envelope =
      parts.size() == 2 ? transport::decode_envelope(parts[0].bytes()) : std::nullopt;
  if (!envelope || envelope->kind != EnvelopeKind::work || envelope->count == 0 ||
      envelope->count > kBatchOrdersMax || parts[1].size() > kBatchBytesMax) {
    ++malformed_;
    return;
  }
  handlers_.work(*envelope, parts[1].bytes());
}

void BackendPort::queue(ResultMessage&& result) {
  if (result.envelope.counter != 0) {
    broker_ = result.envelope.broker;
    answered_ = result.envelope.counter;
  }
  queue(result.envelope, std::move(result.body));
}

void BackendPort::queue_news(std::uint32_t count, std::string body) {
  if (config::failpoint("news")) return;  // they are lost on their way
  queue({.kind = EnvelopeKind::news, .count = count, .epoch = status_.epoch.load()},
        std::move(body));
}

void BackendPort::queue_session_news(std::uint32_t count, std::string body) {
  if (config::failpoint("session_news")) return;  // they are lost on their way
  queue({.kind = EnvelopeKind::news,
         .code = kSessionNews,
         .count = count,
         .epoch = status_.epoch.load()},
        std::move(body));
}

void BackendPort::queue(const Envelope& envelope, std::string body) {
  if (outgoing_.size() >= kOutgoingMax) {
    outgoing_.pop_front();
    ++dropped_;
  }
  auto& message = outgoing_.emplace_back();
  message.emplace_back(transport::encode(envelope));
  message.push_back(Frame::adopt(std::move(body)));
}

void BackendPort::send_queued(PortControl& port) {
  for (; !outgoing_.empty(); outgoing_.pop_front()) {
    if (!port.send(results_, outgoing_.front())) return port.wake_at(port.now() + kRetrySend);
    config::failpoint("result_sent");
  }
}

void BackendPort::hello(PortControl& port) {
  next_hello_ = transport::next_on_grid(port.now(), link_.rests() ? kHelloAtRest : kHelloEvery);
  link_.set_phase(status_.phase.load());
  say(port, link_.phase());
}

void BackendPort::say(PortControl& port, Phase phase) {
  const auto window = node_.config().broker.inflight_max;
  Message message;
  message.emplace_back(transport::encode({.kind = EnvelopeKind::hello,
                                          .code = static_cast<std::uint16_t>(phase),
                                          .count = static_cast<std::uint32_t>(standstill(status_)),
                                          .origin = status_.log_name.load(),
                                          .sender = node_.instance(),
                                          .number = answered_,
                                          .broker = broker_,
                                          .epoch = status_.epoch.load(),
                                          .counter = window}));
  message.emplace_back();
  // Behind the queued results, whose totals it must not overtake.
  if (outgoing_.empty() && port.send(results_, message)) return;
  if (outgoing_.size() < kOutgoingMax) outgoing_.push_back(std::move(message));
}

void BackendPort::on_timer(PortControl& port) {
  link_.on_timer(port);
  if (port.now() >= next_hello_) hello(port);
  port.wake_at(next_hello_);
}

void BackendPort::send(PortControl& port) {
  send_queued(port);
  if (link_.phase() != status_.phase.load()) hello(port);
}

// A broker that hears nothing more would call it draining for two seconds yet.
void BackendPort::finish(PortControl& port) {
  send_queued(port);
  say(port, Phase::stopped);
  link_.finish(port);
}

void BackendPort::report(nlohmann::json& out) const {
  report_backend(out, status_);
  out["malformed_messages"] = malformed_;
  out["dropped_results"] = dropped_;
  out["orders_refused"] = link_.orders_refused();
}

}  // namespace stampede::actors
