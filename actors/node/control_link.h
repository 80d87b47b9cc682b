#pragma once

// A node's half of the conversation with the supervisor: heartbeats out (PUSH), wanted state and
// commands in (SUB). Lives inside the role of the node's port and is used by the port's thread
// only.
//
// Control is level-triggered: the supervisor repeats the wanted state and every open command until
// the node reports them, so a lost message costs one heartbeat. Which commands are new, and whose
// answers are still to be told: actors/node/core/command_inbox.
// Without a supervisor nothing is heard and the node serves.
//
// Wire: an envelope frame (kind report or wanted; `sender` the node's instance) and one msgpack
// map.
//   report  {node, role, version, pid, instance, phase, ts, actors:[name], messages_dropped,
//            peers_refused, peers_cut, short_of, config, config_restart, …what `report` adds…,
//            replies:[{supervisor, number, reply}]}; `supervisor` is the instance of the one that
//            asked; once a second, in each while it drains and in the last one, metrics: see
//            actors/metrics/core/metric_report.h
//            `config` is the id of the accepted text that it runs with, `config_restart` that of
//            one that needs a new start; empty: none
//   wanted  topic frame "<node id>/" first, then {instance, began_us, phase, config,
//   orders_refused,
//           commands:[{number, command}]};
//           its envelope's `sender` is the supervisor's instance, `began_us` when that began
//           (this machine's steady clock); instance 0 in the map addresses whoever runs under that
//           node id

#include <chrono>
#include <cstdint>
#include <functional>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>

#include "actors/node/config_follower.h"
#include "actors/node/core/command_inbox.h"
#include "actors/sale/codes.h"
#include "config/process/descriptor_watch.h"
#include "transport/port/port.h"

namespace stampede::actors {

class NodeRuntime;

struct ControlHandlers {
  // Adds the role's progress and counters to a heartbeat. Called once per heartbeat. The supervisor
  // looks at `progress` (a number that changes when something was done) while `work_waiting` is
  // true or the phase is replaying, unless `disk_waiting` is true; `items`, `log` and `database`
  // become the system's in `status`; all else is shown with the node.
  std::function<void(nlohmann::json& report)> report;
  // The supervisor wants this phase (serving or draining). Called when it changes.
  std::function<void(Phase wanted)> wanted;
  // A command, seen for the first time. Answer now or later through reply(ticket, …); no ticket is
  // given twice in the life of this node.
  // `command` is a map with member "do"; unknown ones are answered {"error": …} by the handler.
  // {"do":"kill_actor"} and {"do":"failpoints"} are carried out by the link itself. May throw
  // json::exception on a member of another type: answered as bad_request.
  std::function<void(std::uint64_t ticket, const nlohmann::json& command)> command;
  // Adds the role's metrics (a MetricReport). Called about once a second.
  std::function<void(nlohmann::json& metrics)> metrics{};
  // The system runs with another text, of which nothing differs that this role reads at its start
  // (config_follower.h). Empty: nothing of it concerns the role.
  std::function<void(const config::Config& now)> live{};
  // An operator has drained the system, or ended that. Called when it is first said, and when it
  // changes.
  std::function<void(bool refused)> orders_refused = {};
};

class ControlLink {
 public:
  // Beats are due on the grid of all processes (transport/port/time_grid.h) and wait up to `wait`
  // there for the message that wakes this node anyway.
  ControlLink(NodeRuntime& node, ControlHandlers handlers, std::chrono::milliseconds wait = {});

  void start(transport::PortControl& port);
  // True when the message came on one of the link's sockets (and was dealt with).
  bool on_message(transport::PortControl& port, transport::SocketId id, transport::Message& parts);
  // Sends a heartbeat when one is due and asks the port to wake again for the next. Call it from
  // every PortRole::on_timer.
  void on_timer(transport::PortControl& port);
  // The last heartbeat, with metrics: what was counted since the one before would be lost. Call it
  // from PortRole::finish.
  void finish(transport::PortControl& port);
  // The answer of a command, for the supervisor that gave it: goes out with the next heartbeat,
  // which is due at once.
  void reply(std::uint64_t ticket, nlohmann::json answer);
  // Another one than before is reported at once.
  void set_phase(Phase phase);
  [[nodiscard]] Phase phase() const { return phase_; }
  // At the last heartbeat nothing was to be done, so that the next one takes its time.
  [[nodiscard]] bool rests() const { return rests_; }
  // As the supervisor has said; false: nobody has.
  [[nodiscard]] bool orders_refused() const { return orders_refused_.value_or(false); }

 private:
  void take_wanted(std::uint64_t supervisor, const nlohmann::json& map);
  void take_commands(const nlohmann::json& list);
  void take_command(std::uint64_t ticket, const nlohmann::json& command);
  void take_kill(std::uint64_t ticket, const std::string& actor);
  void take_failpoints(std::uint64_t ticket, const nlohmann::json& command);
  void wake_now();
  void beat(transport::PortControl& port);
  void send_report(transport::PortControl& port, bool with_metrics);
  void add_metrics(nlohmann::json& report);

  NodeRuntime& node_;
  ControlHandlers handlers_;
  std::chrono::milliseconds wait_;
  transport::PortControl* port_ = nullptr;  // from start() on; touched only inside the port's calls
  transport::SocketId reports_ = 0;
  transport::SocketId wanted_ = 0;
  transport::MonoTime next_beat_{};
  transport::MonoTime next_metrics_{};
  Phase phase_ = Phase::starting;
  Phase last_wanted_;
  std::optional<bool> orders_refused_;  // none: nobody has said
  bool beat_now_ = true;
  bool rests_ = false;
  CommandInbox inbox_;
  ConfigFollower follower_;
  std::string kill_after_beat_;
  bool wake_after_beat_ = false;
  config::DescriptorWatch descriptors_;
  std::uint64_t beats_ = 0;
  std::uint64_t beats_lost_ = 0;
};

}  // namespace stampede::actors
