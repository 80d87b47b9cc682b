#include "actors/node/control_link.h"

#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <fstream>
#include <set>

#include "actors/metrics/core/metric_report.h"
#include "actors/node/node.h"
#include "actors/node/node_log.h"
#include "actors/protocol/control_message.h"
#include "actors/protocol/envelope.h"
#include "config/faults/failpoint.h"
#include "config/process/version.h"
#include "config/process/wall_clock.h"
#include "transport/port/time_grid.h"
#include "transport/zmq/peer_guard.h"

namespace stampede::actors {
namespace {

using nlohmann::json;
using transport::Frame;

// An absent supervisor must not leave minutes of old heartbeats in the queue.
constexpr int kReportsQueued = 4;
constexpr int kWantedQueued = 64;
constexpr int kLastReportLingerMs = 500;  // nobody may listen; a supervisor that runs takes it
constexpr std::chrono::seconds kMetricsEvery{1};

std::uint64_t resident_bytes() {
  std::uint64_t size = 0, resident = 0;
  std::ifstream("/proc/self/statm") >> size >> resident;
  static const auto page = static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE));
  return resident * page;
}
// A node that serves and has nothing to do beats half as often, where enough may be missed.
constexpr int kRestingBeats = 2;
constexpr int kMissedForRest = 6;

}  // namespace

ControlLink::ControlLink(NodeRuntime& node, ControlHandlers handlers,
                         std::chrono::milliseconds wait)
    : node_(node),
      handlers_(std::move(handlers)),
      wait_(wait),
      last_wanted_(node.options().wanted),
      follower_(node.config(), node.options().role, [this](const config::Config& now) {
        set_log_level(now.log.level);
        set_log_format(now.log.format);
        if (handlers_.live) handlers_.live(now);
      }) {}

void ControlLink::start(transport::PortControl& port) {
  port_ = &port;
  transport::SocketOptions reports;
  reports.kind = transport::SocketKind::push;
  reports.endpoint = node_.endpoint(transport::Channel::reports);
  reports.send_high_water = kReportsQueued;
  reports.linger_ms = kLastReportLingerMs;
  reports_ = port.open(reports);

  transport::SocketOptions wanted;
  wanted.kind = transport::SocketKind::sub;
  wanted.endpoint = node_.endpoint(transport::Channel::wanted);
  wanted.receive_high_water = kWantedQueued;
  wanted.subscriptions = {node_.id() + "/"};
  wanted_ = port.open(wanted);
  wake_now();
}

bool ControlLink::on_message(transport::PortControl&, transport::SocketId id,
                             transport::Message& parts) {
  if (id == reports_) return true;
  if (id != wanted_) return false;
  if (parts.size() != 3) return true;
  const auto envelope = transport::decode_envelope(parts[1].bytes());
  if (!envelope || envelope->kind != transport::EnvelopeKind::wanted) return true;
  const json map = unpack_control(parts[2].bytes());
  if (map.is_object()) take_wanted(envelope->sender, map);
  return true;
}

void ControlLink::take_wanted(std::uint64_t supervisor, const json& map) try {
  const auto instance = map.value("instance", std::uint64_t{0});
  if (instance != 0 && instance != node_.instance()) return;
  if (!inbox_.on_supervisor(supervisor, map.value("began_us", std::int64_t{0}))) return;
  const auto wanted = static_cast<Phase>(map.value("phase", std::uint16_t{0}));
  const bool known = wanted == Phase::serving || wanted == Phase::draining;
  if (known && wanted != last_wanted_) {
    last_wanted_ = wanted;
    if (handlers_.wanted) handlers_.wanted(wanted);
  }
  if (follower_.on_wanted(map.value("config", std::string{}))) wake_now();
  const bool refused = map.value("orders_refused", false);
  if (orders_refused_ != refused) {
    orders_refused_ = refused;
    if (handlers_.orders_refused) handlers_.orders_refused(refused);
    wake_now();
  }
  if (map.contains("commands")) take_commands(map.at("commands"));
} catch (const json::exception& error) {
  log_warning(std::string("a malformed control message was ignored: ") + error.what());
}

void ControlLink::take_commands(const json& list) {
  std::set<std::uint64_t> open;
  for (const json& entry : list) {
    const auto number = entry.at("number").get<std::uint64_t>();
    open.insert(number);
    if (const auto ticket = inbox_.on_command(number)) take_command(*ticket, entry.at("command"));
  }
  inbox_.keep_only(open);
  if (inbox_.has_replies()) wake_now();
}

void ControlLink::take_command(std::uint64_t ticket, const json& command) try {
  const auto what = command.value("do", std::string{});
  if (what == "kill_actor") {
    take_kill(ticket, command.value("actor", std::string{}));
  } else if (what == "failpoints") {
    take_failpoints(ticket, command);
  } else if (handlers_.command) {
    handlers_.command(ticket, command);
  } else {
    reply(
        ticket,
        {{"error", "unknown_op"}, {"message", node_.id() + " takes no such command"}, {"exit", 2}});
  }
} catch (const json::exception& error) {
  reply(ticket, {{"error", "bad_request"}, {"message", error.what()}, {"exit", 2}});
}

void ControlLink::take_kill(std::uint64_t ticket, const std::string& actor) {
  const auto names = node_.actor_names();
  if (std::find(names.begin(), names.end(), actor) == names.end()) {
    reply(ticket, {{"error", "unknown actor"}, {"actors", names}, {"exit", 2}});
    return;
  }
  reply(ticket, {{"ok", true}});
  kill_after_beat_ = actor;  // the answer first: a dead node cannot give it
}

// Armed before the answer is on its way: who hears it may count on it.
void ControlLink::take_failpoints(std::uint64_t ticket, const json& command) {
  if (command.value("disarm", false)) config::disarm_failpoints();
  const auto wrong = config::arm_failpoints(command.value("arm", std::string{}));
  if (wrong.empty()) {
    wake_after_beat_ = true;
    return reply(ticket, {{"ok", true}});
  }
  reply(ticket, {{"error", "bad_request"}, {"message", wrong}, {"exit", 2}});
}

void ControlLink::reply(std::uint64_t ticket, json answer) {
  if (inbox_.on_answer(ticket, std::move(answer))) wake_now();
}

void ControlLink::set_phase(Phase phase) {
  if (phase_ == phase) return;
  phase_ = phase;
  wake_now();
}

void ControlLink::wake_now() {
  beat_now_ = true;
  if (port_ != nullptr) port_->wake_at(port_->now());
}

void ControlLink::on_timer(transport::PortControl& port) {
  if (beat_now_ || port.now() >= next_beat_) beat(port);
  port.wake_between(next_beat_, next_beat_ + wait_);
}

void ControlLink::beat(transport::PortControl& port) {
  config::failpoint("heartbeat");
  node_.check_actors();
  beat_now_ = false;
  // Of one who drains each may be the last.
  const bool with_metrics = port.now() >= next_metrics_ || phase_ == Phase::draining;
  if (with_metrics) next_metrics_ = port.now() + kMetricsEvery;
  send_report(port, with_metrics);
  if (!kill_after_beat_.empty()) node_.kill_actor(std::exchange(kill_after_beat_, {}));
  if (std::exchange(wake_after_beat_, false)) node_.wake_armed_actors();
}

void ControlLink::finish(transport::PortControl& port) {
  send_report(port, true);
}

void ControlLink::send_report(transport::PortControl& port, bool with_metrics) {
  json report = {{"node", node_.id()},           {"role", node_.options().role},
                 {"version", kVersion},          {"pid", ::getpid()},
                 {"instance", node_.instance()}, {"phase", static_cast<std::uint16_t>(phase_)},
                 {"ts", config::wall_ms()}};
  report["actors"] = node_.actor_names();
  report["messages_dropped"] = node_.context().messages_dropped();  // without their end
  report["peers_refused"] = node_.context().peers_refused();        // keys that CURVE does not know
  report["peers_cut"] = transport::peers_cut();                     // for what they did
  if (const auto shortage = descriptors_.look(port.now()); !shortage.empty())
    report["short_of"] = shortage;
  else
    report["short_of"] = nullptr;
  report["config"] = follower_.text();
  report["config_restart"] = follower_.restart_for();
  if (handlers_.report) handlers_.report(report);
  if (with_metrics) add_metrics(report);
  const auto& beats = node_.config().supervisor;
  // What a command has changed is told soon.
  rests_ = phase_ == Phase::serving && !report.value("work_waiting", false) &&
           beats.missed_heartbeats_max >= kMissedForRest && !inbox_.has_replies();
  next_beat_ = transport::next_on_grid(
      port.now(), std::chrono::milliseconds(beats.heartbeat_ms) * (rests_ ? kRestingBeats : 1));
  report["replies"] = inbox_.replies();

  transport::Envelope envelope;
  envelope.kind = transport::EnvelopeKind::report;
  envelope.sender = node_.instance();
  envelope.number = ++beats_;
  transport::Message parts;
  parts.push_back(Frame::adopt(transport::encode(envelope)));
  parts.push_back(Frame::adopt(pack_control(report)));
  if (port.send(reports_, parts)) {
    inbox_.on_replies_sent();  // lost ones are asked for again
  } else {
    ++beats_lost_;  // nobody listens
  }
}

void ControlLink::add_metrics(json& report) {
  json metrics = json::object();
  MetricReport out(metrics);
  out.set(metric::kMessagesDropped, node_.context().messages_dropped());
  out.set(metric::kPeersRefused, node_.context().peers_refused());
  out.set(metric::kPeersCut, transport::peers_cut());
  out.set(metric::kMemory, resident_bytes());
  if (handlers_.metrics) handlers_.metrics(metrics);
  report["metrics"] = std::move(metrics);
}

}  // namespace stampede::actors
