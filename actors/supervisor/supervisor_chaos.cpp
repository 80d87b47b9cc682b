#include "actors/supervisor/supervisor_chaos.h"

#include <algorithm>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <optional>

#include "actors/node/node_log.h"
#include "actors/node/small_file.h"
#include "config/faults/failpoint.h"

namespace stampede::actors {
namespace {

using nlohmann::json;

constexpr Ms kPauseMax = 600'000;
constexpr Ms kEndPatience = 3'000;  // a killed process may still wait for a disk
constexpr std::size_t kPointsBytesMax = 4096;

// That start_all.sh has started in the run directory; no other one may be stopped.
std::optional<WatchedProcess> private_database(const std::filesystem::path& run_dir) {
  std::ifstream file(run_dir / "db" / "server.pid");
  ProcessId process{};
  if (!(file >> process.pid >> process.start_time)) return std::nullopt;
  return WatchedProcess::adopt(process);
}

}  // namespace

SupervisedNode* find_node(const SupervisedNodes& nodes, const std::string& name) {
  for (const auto& node : nodes) {
    if (node->id() == name || node->id() == name + "-1") return node.get();
  }
  return nullptr;
}

json refusal(const char* code, const std::string& message, int exit) {
  return {{"error", code}, {"message", message}, {"exit", exit}};
}

json refusal(const CommandMembers& members) {
  json made = refusal("bad_request", members.error(), 2);
  made["field"] = members.field();
  return made;
}

json unknown_node(const SupervisedNodes& nodes, const std::string& name) {
  json names = json::array();
  for (const auto& node : nodes) names.push_back(node->id());
  json made = refusal("unknown node", "there is no node " + name, 2);
  made["nodes"] = std::move(names);
  return made;
}

void SupervisorChaos::take(Ms now, const json& request, const Respond& respond) {
  if (!allowed_()) {
    return respond(refusal("not_allowed",
                           "chaos is refused because dev is false; set dev = true in the "
                           "configuration of a system that you may break",
                           6));
  }
  const auto what = request.at("do").get<std::string>();
  CommandMembers members(request);
  members.knows("do");
  if (what == "undo") {
    members.refuse_others();
    if (!members.error().empty()) return respond(refusal(members));
    undo(now);
    return respond({{"ok", true}});
  }
  Break wanted;
  wanted.node = members.text("node", kNameBytesMax, false);
  if (what == "kill") wanted.actor = members.text("actor", kNameBytesMax, false);
  if (what == "pause" || what == "database")
    wanted.pause = std::clamp<Ms>(members.number("for_ms", 0, INT64_MAX, 0), 1, kPauseMax);
  if (what == "failpoints") {
    wanted.points = members.text("arm", kPointsBytesMax);
    wanted.next_start = members.flag("next_start");
    if (const auto wrong = config::wrong_failpoints(wanted.points); !wrong.empty())
      members.fail("arm", "POINT=ACTION[@N] and so on: " + wrong);
  }
  members.refuse_others();
  if (!members.error().empty()) return respond(refusal(members));
  if (what == "database") return stop_database(now, wanted.pause, respond);
  if (wanted.node == own_.id() || wanted.node == own_.options().role)
    return take_own(what, wanted, respond);
  SupervisedNode* node = find_node(nodes_, wanted.node);
  if (node == nullptr) return respond(unknown_node(nodes_, wanted.node));
  if (what == "kill") return kill(now, *node, wanted, respond);
  if (what == "pause") return pause(now, *node, wanted.pause, respond);
  arm(now, *node, wanted, respond);
}

// The answer first: a dead supervisor cannot give it.
void SupervisorChaos::take_own(const std::string& what, const Break& wanted,
                               const Respond& respond) {
  if (what == "kill" && !wanted.actor.empty()) {
    const auto names = own_.actor_names();
    if (std::find(names.begin(), names.end(), wanted.actor) == names.end())
      return respond({{"error", "unknown actor"}, {"actors", names}, {"exit", 2}});
    respond({{"ok", true}});
    own_.kill_actor(wanted.actor);
  } else if (what == "failpoints" && !wanted.next_start) {
    const auto wrong = config::arm_failpoints(wanted.points);
    if (!wrong.empty()) return respond(refusal("bad_request", wrong, 2));
    respond({{"ok", true}});
    own_.wake_armed_actors();
  } else {
    respond(unknown_node(nodes_, wanted.node));
  }
}

void SupervisorChaos::kill(Ms now, SupervisedNode& node, const Break& wanted,
                           const Respond& respond) {
  if (!wanted.actor.empty()) {
    return command(now, node, {{"do", "kill_actor"}, {"actor", wanted.actor}}, respond);
  }
  if (!node.process()) return command(now, node, {}, respond);
  node.process()->signal(SIGKILL);
  kills_.push_back({node.id(), node.process()->pid(), now + kEndPatience, respond});
}

void SupervisorChaos::answer_kills(Ms now) {
  std::erase_if(kills_, [&](const Kill& kill) {
    if (running(kill.node, kill.pid) != nullptr && now < kill.until) return false;
    kill.respond({{"ok", true}, {"node", kill.node}, {"pid", kill.pid}});
    return true;
  });
}

void SupervisorChaos::pause(Ms now, SupervisedNode& node, Ms time, const Respond& respond) {
  if (!node.process()) return command(now, node, {}, respond);
  const pid_t pid = node.process()->pid();
  node.process()->signal(SIGSTOP);
  log_warning(node.id() + ": stopped by chaos for " + std::to_string(time) + " ms");
  pauses_.push_back({node.id(), pid, now + time});
  respond({{"ok", true}, {"node", node.id()}, {"pid", pid}});
}

void SupervisorChaos::arm(Ms now, SupervisedNode& node, const Break& wanted,
                          const Respond& respond) {
  if (wanted.next_start) {
    node.arm_next_start(wanted.points);
    return respond({{"ok", true}});
  }
  command(now, node, {{"do", "failpoints"}, {"arm", wanted.points}}, respond);
}

// Bound to the present process: a repeated command must not hit the next one.
void SupervisorChaos::command(Ms now, const SupervisedNode& node, const json& command,
                              const Respond& respond) {
  if (!node.process() || node.instance() == 0) {
    const std::string state(to_text(node.policy().state()));
    return respond(refusal("not_ready", node.id() + " is " + state + "; try again later", 3));
  }
  desk_.open(node.id(), node.instance(), command, now + kCommandTimeout, respond);
  send_wanted_(node);
}

void SupervisorChaos::stop_database(Ms now, Ms time, const Respond& respond) {
  release_database();
  auto found = private_database(own_.config().run_dir);
  if (!found) {
    return respond(refusal("not_found",
                           "no private database runs in " + own_.config().run_dir.string() +
                               "; only one that start_all.sh started is stopped",
                           6));
  }
  if (!replace_file(pause_note(), std::to_string(found->pid()) + "\n"))
    return respond(refusal("internal", pause_note().string() + " cannot be written", 1));
  database_.emplace(std::move(*found));
  database_until_ = now + time;
  database_->signal(SIGSTOP);
  log_warning("the database: stopped by chaos for " + std::to_string(time) + " ms");
  respond({{"ok", true}, {"pid", database_->pid()}});
}

void SupervisorChaos::release_database() {
  if (!database_) return;
  database_->signal(SIGCONT);
  log_warning("the database: goes on");
  database_.reset();
  std::error_code ignored;
  std::filesystem::remove(pause_note(), ignored);
}

// Lies there for as long as the database stands still.
std::filesystem::path SupervisorChaos::pause_note() const {
  return own_.config().run_dir / "database.paused";
}

void SupervisorChaos::begin() {
  std::error_code ignored;
  if (!std::filesystem::exists(pause_note(), ignored)) return;
  if (auto found = private_database(own_.config().run_dir)) database_.emplace(std::move(*found));
  if (database_) return release_database();
  std::filesystem::remove(pause_note(), ignored);
}

void SupervisorChaos::on_timer(Ms now) {
  answer_kills(now);
  if (database_ && now >= database_until_) release_database();
  std::erase_if(pauses_, [&](const Pause& pause) {
    if (now < pause.until) return false;
    go_on(pause);
    return true;
  });
}

const SupervisedNode* SupervisorChaos::running(const std::string& name, pid_t pid) const {
  const SupervisedNode* node = find_node(nodes_, name);
  const bool runs = node != nullptr && node->process() && node->process()->pid() == pid;
  return runs ? node : nullptr;
}

void SupervisorChaos::go_on(const Pause& pause) const {
  const SupervisedNode* node = running(pause.node, pause.pid);
  if (node == nullptr) return;
  node->process()->signal(SIGCONT);
  log_warning(pause.node + ": goes on");
}

void SupervisorChaos::undo(Ms now) {
  for (const auto& pause : pauses_) go_on(pause);
  pauses_.clear();
  release_database();
  config::disarm_failpoints();
  for (const auto& node : nodes_) {
    node->disarm_next_starts();
    if (!node->process() || node->instance() == 0) continue;
    desk_.open(node->id(), node->instance(), {{"do", "failpoints"}, {"disarm", true}},
               now + kCommandTimeout, [](const json&) {});
    send_wanted_(*node);
  }
}

}  // namespace stampede::actors
