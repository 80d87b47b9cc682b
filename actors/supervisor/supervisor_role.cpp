#include "actors/supervisor/supervisor_role.h"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <csignal>
#include <cstdlib>
#include <optional>
#include <utility>

#include "actors/node/node_log.h"
#include "actors/protocol/control_message.h"
#include "actors/protocol/envelope.h"
#include "actors/supervisor/admin_socket.h"
#include "actors/supervisor/core/command_desk.h"
#include "actors/supervisor/metrics_page.h"
#include "actors/supervisor/ops_face.h"
#include "actors/supervisor/process_watch.h"
#include "actors/supervisor/program_change.h"
#include "actors/supervisor/program_file.h"
#include "actors/supervisor/recovery_file.h"
#include "actors/supervisor/service_notice.h"
#include "actors/supervisor/status_page.h"
#include "actors/supervisor/supervised_node.h"
#include "actors/supervisor/supervisor_admin.h"
#include "actors/supervisor/supervisor_config.h"
#include "actors/supervisor/supervisor_guard.h"
#include "actors/supervisor/supervisor_http.h"
#include "config/process/descriptor_watch.h"
#include "config/process/exit_codes.h"
#include "config/process/version.h"
#include "config/process/wall_clock.h"
#include "transport/port/time_grid.h"
#include "transport/zmq/peer_guard.h"

namespace stampede::actors {

using StopAtom = caf::atom_constant<caf::atom("stop")>;
using ReloadAtom = caf::atom_constant<caf::atom("reload")>;

namespace {

using nlohmann::json;
using Clock = std::chrono::steady_clock;
using transport::Frame;
using transport::PortControl;
using transport::SocketId;

constexpr std::chrono::milliseconds kTick{20};
constexpr std::chrono::milliseconds kTickIdle{250};  // while no node is about to be started
constexpr std::size_t kNodesAtRest = 64;  // a round of the port reads all that they have said
constexpr int kMissedAtRest = 6;          // so many may fail to come before a node is called silent
constexpr std::chrono::milliseconds kTickAtRest{500};  // at most; with shorter heartbeats less
constexpr Ms kWantedEvery = 1'000;  // what a node does not show to have heard is repeated so often
constexpr Ms kWantedKnown = 5'000;  // the same of what it shows
constexpr std::size_t kReportsAtRest = 4;  // of each node between two ticks; more are not of nodes
constexpr Ms kListenOn = 1'000;    // to each heartbeat as it comes, after there was something to do
constexpr int kPagePause = 20;     // times as long as a page of the status took to make
constexpr Ms kAsleep = 1'000;      // a longer gap between two ticks: we were stopped ourselves
constexpr Ms kGuardPause = 2'000;  // between two looks whether the guard is there
constexpr Ms kTellPause = 500;     // between two status lines for the service manager
// Of each node, half a second long: a report may have 2 MiB, and anybody may send them. Of fewer
// the reader would wake the thread of sockets for each two.
constexpr int kReportsQueued = 8;
constexpr const char* kGuardGone =
    "the guard has ended: a supervisor that ends is not started again; scripts/start_all.sh starts "
    "another guard";
constexpr std::array<const char*, 3> kStopOrder{"webapp", "broker", "backend"};

// Of what this process becomes: it begins no system, and follows on no end.
std::vector<std::string> words_of_successor(const std::vector<std::string>& arguments) {
  auto words = words_of_start(arguments);
  words.insert(words.begin(), "stampede-supervisor-1");
  words.insert(words.end(), {"--accepted", "--again"});
  return words;
}

class SupervisorRole : public transport::PortRole {
 public:
  SupervisorRole(NodeRuntime& runtime, const SupervisorWords& words,
                 std::shared_ptr<RunningProcesses> running, std::shared_ptr<OpsDoor> door,
                 caf::actor_addr http);

  void start(PortControl& port) override;
  caf::message_handler mail(PortControl& port) override;
  void on_message(PortControl& port, SocketId id, transport::Message& parts) override;
  void on_timer(PortControl& port) override;
  void finish(PortControl& port) override { admin_.finish(port); }

 private:
  Ms now() const;
  void begin_nodes();
  void set_webapps(int count);
  void end_surplus();
  void forget_retired();
  [[nodiscard]] bool may_start_nodes() const;
  void go_on_upgrading();
  void bring_up(SupervisedNode& node);
  void take_end(SupervisedNode& node);
  void look_after(SupervisedNode& node);
  [[nodiscard]] Ms heard_at() const;
  void take_report(json report);
  void reload_for_signal();
  void use_config(const config::Config& config);
  void note_recovery(const SupervisedNode& node);
  void remember_recoveries();
  void keep_recoveries();
  void send_wanted(const SupervisedNode& node);
  void tell_service_manager();
  void look_for_guard();
  void go_on_stopping();
  void look_within(std::chrono::milliseconds time);
  [[nodiscard]] bool busy() const;
  [[nodiscard]] bool at_rest();
  void rest();
  bool listen();
  [[nodiscard]] bool shows_wanted(const SupervisedNode& node) const;
  void tell_wanted(SupervisedNode& node);
  void act(const OpsAsk& ask);
  json status() const;
  const StatusPagePtr& page();
  json own_view() const;

  NodeRuntime& runtime_;
  const SupervisorWords words_;
  std::shared_ptr<RunningProcesses> running_;
  SupervisedNodes nodes_;
  caf::actor_addr http_;  // weak: a strong handle would outlive the actor system
  ProgramChange program_;
  std::optional<UpgradeWish> upgrade_;  // to another program
  SupervisorConfig config_;
  CommandDesk desk_;
  RecoveryList recoveries_;
  std::uint64_t recoveries_kept_ = 0;  // as of RecoveryList::changes()
  SupervisorAdmin requests_;
  AdminSocket admin_;
  PortControl* port_ = nullptr;  // from start() on; used inside the port's calls only
  SocketId reports_ = 0;
  SocketId wanted_ = 0;
  Ms last_tick_ = 0;
  transport::MonoTime next_tick_ = transport::MonoTime::max();
  Ms busy_at_ = 0;                 // when there was something to do last
  std::size_t reports_heard_ = 0;  // since the tick before
  bool rests_ = false;             // reports wait for the next tick
  bool catches_up_ = false;        // reports are read that have waited for it
  bool stopping_ = false;
  bool chaos_undone_ = false;
  std::size_t stop_stage_ = 0;
  SystemMetrics metrics_;
  MemoryDeaths memory_deaths_;
  StatusPagePtr page_;
  Clock::time_point page_until_;
  std::uint64_t reports_refused_ = 0;
  const std::int64_t began_us_ = config::steady_us();  // tells nodes whose word is the later one
  std::uint64_t wanted_lost_ = 0;
  config::DescriptorWatch descriptors_;
  std::string shortage_;  // of descriptors; empty: none
  ServiceNotice service_ = ServiceNotice::of_environment();
  Ms tell_at_ = 0;
  Ms guard_at_ = 0;
  bool guard_gone_ = false;
};

SupervisorRole::SupervisorRole(NodeRuntime& runtime, const SupervisorWords& words,
                               std::shared_ptr<RunningProcesses> running,
                               std::shared_ptr<OpsDoor> door, caf::actor_addr http)
    : runtime_(runtime),
      words_(words),
      running_(std::move(running)),
      http_(std::move(http)),
      program_(runtime.config().run_dir),
      config_(runtime, nodes_,
              {[this](const SupervisedNode& node) { send_wanted(node); },
               [this](const config::Config& config) { use_config(config); },
               [this] { return stopping_; }}),
      requests_(
          runtime, nodes_, desk_, recoveries_,
          {[this] { return page()->line; },
           [this](const SupervisedNode& node) { send_wanted(node); }, [this] { stopping_ = true; },
           [this] { return stopping_; },
           [door = std::move(door)] { return door->new_code(OpsDoor::Clock::now()); },
           [this](std::uint64_t violations) { metrics_.books_told(violations, config::wall_ms()); },
           [this] { return config_.now().dev; },
           [this](Ms at, bool check, const SupervisorConfig::Respond& respond) {
             config_.reload(at, check, respond);
           },
           [this] { return config_.reloading() || upgrade_ || !program_.over(); },
           [this](int count) { set_webapps(count); },
           [this](UpgradeWish wish) { upgrade_.emplace(std::move(wish)); }}),
      admin_(runtime.config().run_dir / "admin.sock",
             [this](const json& request, const AdminSocket::Respond& respond) {
               requests_.take(now(), request, respond);
               look_within(kTick);
             }) {
  for (const auto& [role, count] : words_.nodes) {
    for (int index = 1; index <= count; ++index) {
      nodes_.push_back(std::make_unique<SupervisedNode>(role, index, runtime.config()));
    }
  }
}

Ms SupervisorRole::now() const {
  return std::chrono::duration_cast<std::chrono::milliseconds>(port_->now().time_since_epoch())
      .count();
}

void SupervisorRole::start(PortControl& port) {
  port_ = &port;
  config_.start();
  transport::SocketOptions reports;
  reports.kind = transport::SocketKind::pull;
  reports.endpoint = runtime_.endpoint(transport::Channel::reports);
  reports.bind = true;
  reports.receive_high_water = kReportsQueued;
  reports_ = port.open(reports);
  transport::SocketOptions wanted;
  wanted.kind = transport::SocketKind::xpub;  // so that the port sees the topics
  wanted.endpoint = runtime_.endpoint(transport::Channel::wanted);
  wanted.bind = true;
  wanted_ = port.open(wanted);
  admin_.start(port);
  last_tick_ = now();
  remember_recoveries();
  requests_.begin(words_.again || std::any_of(nodes_.begin(), nodes_.end(), [&](const auto& node) {
                    return lock_holder(lock_file(runtime_.config().run_dir, node->id()));
                  }));
  program_.begin(now());
  begin_nodes();
  look_within(std::chrono::milliseconds{0});
}

void SupervisorRole::begin_nodes() {
  for (auto& node : nodes_) {
    if (!requests_.wishes().stopped.contains(node->id())) node->policy().want_running(now());
  }
  if (const auto count = requests_.wishes().webapps) set_webapps(*count);
  forget_retired();  // none was taken over yet
  end_surplus();
}

// --- how many webapps ----------------------------------------------------------------------------

// Those beyond finish what they have taken, and are forgotten then.
void SupervisorRole::set_webapps(int count) {
  for (auto& node : nodes_) {
    if (node->role() != "webapp" || node->retired() == (node->index() > count)) continue;
    node->retire(node->index() > count);
    if (!node->retired()) {
      node->policy().want_running(now());
      continue;
    }
    node->policy().want_stopped(now());
    node->terminate("fewer webapps are wanted");
    recoveries_.given_up(node->id());
  }
  for (int index = 1; index <= count; ++index) {
    if (find_node(nodes_, "webapp-" + std::to_string(index)) != nullptr) continue;
    nodes_.push_back(std::make_unique<SupervisedNode>("webapp", index, config_.now()));
    if (!requests_.wishes().stopped.contains(nodes_.back()->id()))
      nodes_.back()->policy().want_running(now());
  }
}

// What an earlier supervisor was about to end when it was killed itself.
void SupervisorRole::end_surplus() {
  for (int index = 1; index <= kWebappsMax; ++index) {
    const auto name = "webapp-" + std::to_string(index);
    const auto holder = lock_holder(lock_file(runtime_.config().run_dir, name));
    if (!holder || find_node(nodes_, name) != nullptr) continue;
    if (runs_another_program(holder->process.pid)) continue;  // which ends anyway
    nodes_.push_back(std::make_unique<SupervisedNode>("webapp", index, config_.now()));
    auto& node = *nodes_.back();
    node.policy().want_running(now());
    bring_up(node);
    node.retire(true);
    node.policy().want_stopped(now());
    node.terminate("fewer webapps are wanted");
  }
}

void SupervisorRole::forget_retired() {
  std::erase_if(nodes_, [](const auto& node) { return node->retired() && !node->process(); });
}

// --- another program -----------------------------------------------------------------------------

bool SupervisorRole::may_start_nodes() const {
  return program_.may_start_nodes() && !upgrade_;
}

// A process that has not written its name yet could not be found by the program that comes.
void SupervisorRole::go_on_upgrading() {
  const bool one_begins = std::any_of(nodes_.begin(), nodes_.end(), [](const auto& node) {
    return node->policy().state() == NodeState::starting && node->instance() == 0;
  });
  if (one_begins && !stopping_ && now() < upgrade_->until) return;
  const auto wish = *std::exchange(upgrade_, std::nullopt);
  std::string fault;
  if (stopping_) {
    fault = "the system is being stopped";
  } else if (one_begins) {
    fault = "a node is starting; ask again";
  } else {
    if (requests_.busy()) requests_.undo_chaos(now());  // nobody else knows of it
    log_info("becoming " + wish.program);
    fault = become_program(wish.program, words_of_successor(words_.arguments));
  }
  log_warning("upgrade: " + fault);
  wish.respond(refusal("refused", fault + ". Nothing was changed", kExitRefused));
}

caf::message_handler SupervisorRole::mail(PortControl&) {
  return {[this](StatusAskAtom, const caf::actor& asker) { port_->self().send(asker, page()); },
          [this](const OpsAskPtr& ask) { act(*ask); },
          [this](MetricsAskAtom, const caf::actor& asker) {
            port_->self().send(asker, metrics_.page(nodes_));
          },
          [this](StopAtom) {
            stopping_ = true;
            look_within(kTick);
          },
          [this](ReloadAtom) {
            reload_for_signal();
            look_within(kTick);
          }};
}

void SupervisorRole::reload_for_signal() {
  config_.reload(now(), false, [](const json& answer) {
    if (answer.contains("error"))
      log_warning("reload at SIGHUP: " + answer.value("message", std::string{}));
    else
      log_info("reload at SIGHUP: " + std::to_string(answer.at("changes").size()) +
               " keys changed");
  });
}

// What of it is the supervisor's own.
void SupervisorRole::use_config(const config::Config& config) {
  set_log_level(config.log.level);
  set_log_format(config.log.format);
  if (const auto http = caf::actor_cast<caf::actor>(http_))
    caf::anon_send(
        http, std::make_shared<const HttpSite>(HttpSite{config::list_of(config.webapp.hosts),
                                                        config::list_of(config.webapp.origins)}));
}

// What the operator's page asks for goes the way of what comes through admin.sock.
void SupervisorRole::act(const OpsAsk& ask) {
  const auto give = [this, from = ask.from, number = ask.number](SharedText line) {
    port_->self().send(from,
                       OpsDonePtr(std::make_shared<OpsDone>(OpsDone{number, std::move(line)})));
  };
  requests_.take(now(), ask.request, AdminSocket::Respond(give));
  look_within(kTick);
}

void SupervisorRole::look_within(std::chrono::milliseconds time) {
  listen();
  const auto when = port_->now() + time;
  if (when >= next_tick_) return;
  next_tick_ = when;
  port_->wake_at(when);
}

// Something is to be done at a time, or in turns.
bool SupervisorRole::busy() const {
  const auto starts = [](const auto& node) {
    return node->policy().state() == NodeState::backing_off;
  };
  return stopping_ || upgrade_ || !program_.over() || admin_.busy() || requests_.busy() ||
         config_.reloading() || std::any_of(nodes_.begin(), nodes_.end(), starts);
}

// Nothing comes but the heartbeats of nodes that rest, shortly before a tick. Who floods is read
// on: a connection that was cut stays until the last it has sent is read.
bool SupervisorRole::at_rest() {
  const auto rests = [this](const auto& node) {
    return node->rests() && !desk_.has_commands(node->id());
  };
  const bool flooded = std::exchange(reports_heard_, 0) > kReportsAtRest * nodes_.size();
  if (busy() || flooded || !std::all_of(nodes_.begin(), nodes_.end(), rests)) busy_at_ = now();
  const auto& rules = config_.now().supervisor;
  const bool seldom = std::chrono::milliseconds(2 * rules.heartbeat_ms) >= kTickAtRest;
  const bool patient = rules.missed_heartbeats_max >= kMissedAtRest;
  return seldom && patient && nodes_.size() <= kNodesAtRest && now() - busy_at_ >= kListenOn;
}

// One waking for all heartbeats of a moment: they wait for the tick behind them.
void SupervisorRole::rest() {
  if (!at_rest()) return;
  rests_ = true;
  port_->pause_reading(reports_, true);
}

// True: it was at rest, and what has come meanwhile is read in the next round.
bool SupervisorRole::listen() {
  if (!std::exchange(rests_, false)) return false;
  port_->pause_reading(reports_, false);
  return true;
}

// --- nodes ---------------------------------------------------------------------------------------

void SupervisorRole::on_timer(PortControl& port) {
  if (port.now() < next_tick_) return;  // an earlier one was asked for meanwhile
  if (listen()) {                       // nobody is silent whose word was not read
    catches_up_ = true;
    return port.wake_between(port.now(), port.now());
  }
  catches_up_ = false;
  runtime_.check_actors();
  const Ms gap = now() - last_tick_;
  last_tick_ = now();
  shortage_ = descriptors_.look(port.now());
  for (auto& node : nodes_) {
    if (gap > kAsleep) node->policy().forgive(gap);
    look_after(*node);
  }
  desk_.expire(now());
  requests_.on_timer(now());
  metrics_.look(now(), config::wall_ms(), nodes_);
  config_.on_timer(now());
  program_.on_timer(now());
  forget_retired();
  if (upgrade_) go_on_upgrading();
  reap_others(running_->pids());
  admin_.go_on();
  tell_service_manager();
  look_for_guard();
  keep_recoveries();
  if (stopping_) go_on_stopping();
  next_tick_ = transport::MonoTime::max();
  const auto beats = 2 * std::chrono::milliseconds(config_.now().supervisor.heartbeat_ms);
  const auto every = std::clamp(beats, kTickIdle, kTickAtRest);
  const auto idle =
      transport::next_on_grid(port.now(), every) + transport::BehindGrid::kSupervisor - port.now();
  look_within(busy() ? kTick : std::chrono::ceil<std::chrono::milliseconds>(idle));
  rest();
}

// The admin socket is open since start(), so the first word is that it answers.
void SupervisorRole::tell_service_manager() {
  if (stopping_) return service_.tell_stopping();
  if (!service_.listens() || now() < tell_at_) return;
  tell_at_ = now() + kTellPause;
  json views = json::array();
  for (const auto& node : nodes_) views.push_back(node->view(now()));
  service_.tell(service_status(views));
}

void SupervisorRole::look_for_guard() {
  if (now() < guard_at_) return;
  guard_at_ = now() + kGuardPause;
  if (std::exchange(guard_gone_, guard_is_gone(runtime_.config().run_dir)) == guard_gone_) return;
  if (guard_gone_)
    log_warning(kGuardGone);
  else
    log_info("a guard looks after this supervisor again");
}

void SupervisorRole::look_after(SupervisedNode& node) {
  // Who ends already says nothing any more, and that is not why.
  if (node.policy().kill_is_due(now()) && node.process() && node.process()->is_ending()) return;
  switch (node.policy().due(now())) {
    case RestartPolicy::Action::none:
      return;
    case RestartPolicy::Action::start:
      if (may_start_nodes()) bring_up(node);
      return;
    case RestartPolicy::Action::kill:
      log_warning(node.id() + ": killed, " + node.policy().kill_reason());
      node.kill(node.policy().kill_reason());
      return;
  }
}

void SupervisorRole::bring_up(SupervisedNode& node) {
  config_.keep_on_disk();
  log_info(node.bring_up(now()));
  if (!node.process()) {
    const auto holder = lock_holder(lock_file(runtime_.config().run_dir, node.id()));
    if (holder && runs_another_program(holder->process.pid)) program_.begin(now());
    return;
  }
  running_->add(node.process()->id());
  port_->watch(node.process()->fd(), [this, &node] {
    if (!listen()) take_end(node);  // its last words first; called again with the next round
  });
}

void SupervisorRole::take_end(SupervisedNode& node) {
  const auto instance = node.instance();
  port_->unwatch(node.process()->fd());
  running_->remove(node.process()->id());
  const bool asked = !node.policy().wanted();
  look_within(kTick);
  const std::string line = node.take_end(now(), memory_deaths_);
  metrics_.ended(node);
  if (!asked)
    recoveries_.ended(node.id(), node.last_exit().get<std::string>(), now(), config::wall_ms());
  if (stopping_ || asked) {
    log_info(line);
  } else {
    log_warning(line);
  }
  if (instance != 0) desk_.process_ended(node.id(), instance);
}

void SupervisorRole::on_message(PortControl&, SocketId id, transport::Message& parts) {
  if (id != reports_) return;
  ++reports_heard_;
  const auto envelope =
      parts.size() == 2 ? transport::decode_envelope(parts[0].bytes()) : std::nullopt;
  json report = unpack_control(envelope ? parts[1].bytes() : std::string_view{});
  const bool whole = envelope && envelope->kind == transport::EnvelopeKind::report;
  if (!whole || !report.is_object()) {
    ++reports_refused_;
    return;
  }
  try {
    take_report(std::move(report));
  } catch (const json::exception& error) {
    ++reports_refused_;
    log_warning(std::string("a malformed heartbeat was ignored: ") + error.what());
  }
}

// When a report came, at the latest: what has waited for a tick came at a moment of the grid.
// Counted from the tick, the silence behind it would seem too short at the third one from there.
Ms SupervisorRole::heard_at() const {
  return catches_up_ ? now() - transport::BehindGrid::kSupervisor.count() : now();
}

void SupervisorRole::take_report(json report) {
  const auto name = report.at("node").get<std::string>();
  const auto instance = report.value("instance", std::uint64_t{0});
  SupervisedNode* node = find_node(nodes_, name);
  const json replies = report.value("replies", json::array());
  const json metrics = std::exchange(report["metrics"], nullptr);
  report.erase("metrics");
  if (node == nullptr || !node->take_report(heard_at(), std::move(report))) {
    // The end of a process may be seen before its last words; what it counted is counted.
    if (!metrics_.take_last(name, instance, metrics)) ++reports_refused_;
    return;
  }
  memory_deaths_.look(now());
  metrics_.take(*node, metrics);
  note_recovery(*node);
  for (const json& entry : replies) {
    // An answer to an earlier supervisor's command, which had the same number.
    if (entry.value("supervisor", std::uint64_t{0}) != runtime_.instance()) continue;
    desk_.answered(node->id(), entry.at("number").get<std::uint64_t>(), entry.at("reply"));
    page_.reset();  // who hears of a change may look at once
  }
  config_.on_report(now(), *node);
  tell_wanted(*node);
}

// At once where there is a command or news, or to a new process; else now and then, for a word may
// have been lost.
void SupervisorRole::tell_wanted(SupervisedNode& node) {
  const bool due = now() - node.told_at() >= (shows_wanted(node) ? kWantedKnown : kWantedEvery);
  if (!due && !desk_.has_commands(node.id())) return;
  node.told(now());
  send_wanted(node);
}

bool SupervisorRole::shows_wanted(const SupervisedNode& node) const {
  return node.text() == config_.now().accepted &&
         node.orders_refused().value_or(requests_.wishes().drained()) ==
             requests_.wishes().drained();
}

void SupervisorRole::note_recovery(const SupervisedNode& node) {
  const auto state = node.policy().state();
  if (state == NodeState::replaying) recoveries_.replays(node.id(), now());
  if (state == NodeState::ready) recoveries_.ready(node.id(), now());
  if (node.role() == "webapp")
    recoveries_.asked_again(node.id(), node.instance(), node.counter("asked_again"), now());
}

// Of this process, the moment in which it can be asked.
void SupervisorRole::remember_recoveries() {
  recoveries_.restore(read_recoveries(runtime_.config().run_dir));
  recoveries_kept_ = recoveries_.changes();
  const auto blank = words_.ended.find(' ');
  if (!words_.again || blank == std::string::npos) return;
  const auto ended_ms = std::strtoll(words_.ended.c_str(), nullptr, 10);
  recoveries_.add({runtime_.id(), words_.ended.substr(blank + 1), ended_ms,
                   std::max<std::int64_t>(config::wall_ms() - ended_ms, 0)});
}

void SupervisorRole::keep_recoveries() {
  if (recoveries_kept_ == recoveries_.changes()) return;
  recoveries_kept_ = recoveries_.changes();
  if (!write_recoveries(runtime_.config().run_dir, recoveries_.all()))
    log_warning("recoveries.json cannot be written: the next supervisor will not know of all");
}

void SupervisorRole::send_wanted(const SupervisedNode& node) {
  if (node.instance() == 0) return;  // its first heartbeat brings it
  const json map = {{"instance", node.instance()},
                    {"began_us", began_us_},
                    {"phase", static_cast<std::uint16_t>(Phase::serving)},
                    {"config", config_.now().accepted},
                    {"orders_refused", requests_.wishes().drained()},
                    {"commands", desk_.commands_for(node.id(), node.instance())}};
  transport::Envelope envelope;
  envelope.kind = transport::EnvelopeKind::wanted;
  envelope.sender = runtime_.instance();
  transport::Message parts;
  parts.emplace_back(node.id() + "/");
  parts.push_back(Frame::adopt(transport::encode(envelope)));
  parts.push_back(Frame::adopt(pack_control(map)));
  if (!port_->send(wanted_, parts)) ++wanted_lost_;  // the next heartbeat brings it again
}

// Webapps first, so that nothing new comes in; the backend last, with all that was taken.
void SupervisorRole::go_on_stopping() {
  if (!program_.over()) return;  // what gives way is nobody's yet
  if (!std::exchange(chaos_undone_, true)) {
    requests_.undo_chaos(now());
    requests_.forget_wishes();
  }
  while (stop_stage_ < kStopOrder.size()) {
    bool all_ended = true;
    for (auto& node : nodes_) {
      if (node->role() != kStopOrder[stop_stage_]) continue;
      if (node->policy().wanted()) {
        node->policy().want_stopped(now());
        node->terminate();
      }
      all_ended = all_ended && !node->process();
    }
    if (!all_ended) return;
    ++stop_stage_;
  }
  config_.finish();
  runtime_.request_stop();
}

json SupervisorRole::own_view() const {
  static const Ms started = now();
  return {{"node", runtime_.id()},
          {"role", "supervisor"},
          {"state", stopping_ ? "draining" : "ready"},
          {"pid", ::getpid()},
          {"restarts", 0},
          {"uptime_s", static_cast<double>((now() - started) / 100) / 10},
          {"last_exit", nullptr},
          {"last_exit_at", nullptr},
          {"actors", runtime_.actor_names()},
          {"messages_dropped", runtime_.context().messages_dropped()},
          {"peers_refused", runtime_.context().peers_refused()},
          {"peers_cut", transport::peers_cut()},
          {"version", kVersion},
          {"program",
           {{"path", own_program_path()},
            {"file", to_text(own_program())},
            {"changing", !program_.over()}}},
          {"short_of", shortage_.empty() ? json(nullptr) : json(shortage_)},
          {"reports_refused", reports_refused_},
          {"wanted_lost", wanted_lost_}};
}

json SupervisorRole::status() const {
  std::vector<json> views{own_view()};
  json system_view = json::object();
  for (const auto& node : nodes_) {
    views.push_back(node->view(now()));
    if (node->role() == "backend") system_view = node->system_view();
  }
  auto status = system_status(std::move(views), system_view, requests_.wishes().drained_ms);
  if (guard_gone_) status["notes"].push_back(kGuardGone);
  if (!admin_.fault().empty())
    status["notes"].push_back(runtime_.id() + ": no tool can ask: " + admin_.fault());
  status["guard_gone"] = guard_gone_;
  status["dev"] = config_.now().dev;  // what may be broken on purpose
  status["config"] = {{"accepted", config_.now().accepted},
                      {"file", config_.now().origin.string()},
                      {"reloading", config_.reloading()}};
  return status;
}

// Made anew when somebody asks, but making it never takes more than a small part of the time: the
// port has other duties.
const StatusPagePtr& SupervisorRole::page() {
  const auto began = Clock::now();
  if (page_ && began < page_until_) return page_;
  auto made = std::make_shared<StatusPage>();
  made->status = status();
  made->line = std::make_shared<const std::string>(
      made->status.dump(-1, ' ', false, json::error_handler_t::replace) + "\n");
  page_ = std::move(made);
  const auto ended = Clock::now();
  page_until_ = ended + (ended - began) * kPagePause;
  return page_;
}

}  // namespace

// --- outside the port -----------------------------------------------------------------------

void RunningProcesses::add(const ProcessId& process) {
  const std::lock_guard lock(mutex_);
  processes_.push_back(process);
}

void RunningProcesses::remove(const ProcessId& process) {
  const std::lock_guard lock(mutex_);
  std::erase(processes_, process);
}

std::vector<pid_t> RunningProcesses::pids() const {
  const std::lock_guard lock(mutex_);
  std::vector<pid_t> pids;
  for (const auto& process : processes_) pids.push_back(process.pid);
  return pids;
}

void RunningProcesses::kill_all() const {
  const std::lock_guard lock(mutex_);
  for (const auto& process : processes_) {
    if (const auto watched = WatchedProcess::adopt(process)) watched->signal(SIGKILL);
  }
}

caf::actor spawn_supervisor_port(NodeRuntime& node, const SupervisorWords& words,
                                 std::shared_ptr<RunningProcesses> running,
                                 std::shared_ptr<OpsDoor> door, const caf::actor_addr& http) {
  return node.spawn_actor<transport::PortActor>(
      {"port"}, &node.context(),
      std::make_unique<SupervisorRole>(node, words, std::move(running), std::move(door), http));
}

void stop_supervisor_port(const caf::actor& port) {
  caf::anon_send(port, StopAtom::value);
}

void reload_supervisor_port(const caf::actor& port) {
  caf::anon_send(port, ReloadAtom::value);
}

}  // namespace stampede::actors
