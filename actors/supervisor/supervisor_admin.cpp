#include "actors/supervisor/supervisor_admin.h"

#include <unistd.h>

#include <cerrno>
#include <climits>
#include <cstring>
#include <variant>

#include "actors/node/node.h"
#include "actors/node/node_log.h"
#include "actors/protocol/operator_command.h"
#include "actors/supervisor/core/admin_requests.h"
#include "config/process/exit_codes.h"
#include "config/process/utc_text.h"
#include "config/process/wall_clock.h"

namespace stampede::actors {

using nlohmann::json;

namespace {

constexpr std::size_t kNodesBytesMax = 256;
constexpr std::size_t kPathBytesMax = PATH_MAX;
constexpr Ms kUpgradeWithin = 10'000;

}  // namespace

void SupervisorAdmin::take(Ms now, const json& request, const Respond& respond) {
  CommandMembers members(request);
  const std::string what(members.text("do", kNameBytesMax));
  const auto* known = find_admin_request(what);
  const bool is_own = known != nullptr && known->doer == AdminDoer::supervisor;
  const auto* own = is_own ? known : nullptr;
  const std::string node(own != nullptr && own->of_a_node
                             ? members.text("node", kNameBytesMax, false)
                             : std::string_view{});
  if (own != nullptr) {  // whoever says more than it has wants less, or something else
    if (!own->member.empty()) members.knows(own->member);
    members.refuse_others();
  }
  if (!members.error().empty()) return respond(refusal(members));
  if (what == "status") {
    respond.line(acts_.status());
  } else if (known != nullptr && known->doer == AdminDoer::backend) {
    forward(now, what, request, respond);
  } else if (known != nullptr && known->doer == AdminDoer::chaos) {
    chaos_.take(now, request, respond);
  } else if (what == "ops_login") {
    respond({{"ok", true}, {"path", "/login?code=" + acts_.ops_code()}});
  } else if (what == "start") {
    start(now, node, respond);
  } else if (what == "restart") {
    restart(now, node, respond);
  } else if (what == "books_told") {
    take_books(request, respond);
  } else if (what == "config_reload") {
    reload(now, request, respond);
  } else if (what == "nodes") {
    set_nodes(request, respond);
  } else if (what == "upgrade") {
    upgrade(now, request, respond);
  } else if (what == "stop" && !node.empty()) {
    stop(now, node, respond);
  } else if (what == "stop") {
    acts_.stop();
    respond({{"ok", true}});
  } else if (what == "drain" || what == "undrain") {
    drain(what == "drain", respond);
  } else if (what == "recoveries") {
    tell_recoveries(respond);
  } else {
    respond(refusal("unknown_op", "do is one of " + admin_request_names(), 2));
  }
}

// Only what a backend can take goes to it: an odd member would come again with each repetition, and
// with it the commands of others.
void SupervisorAdmin::forward(Ms now, const std::string& what, const json& request,
                              const Respond& respond) {
  const auto read = read_operator_command(request);
  if (!read.error.empty()) {
    json refused = refusal("bad_request", read.error, kExitWrongUse);
    refused["field"] = read.field;
    return respond(refused);
  }
  const SupervisedNode* backend = find_node(nodes_, "backend-1");
  if (backend == nullptr) {
    return respond(refusal("no_backend", "this supervisor runs no backend (see --nodes)", 3));
  }
  if (backend->policy().state() == NodeState::waiting_operator) {
    const auto ended = backend->last_exit();
    const std::string why = ended.is_string() ? ended.get<std::string>() : "it was not started";
    return respond(refusal(
        "no_backend",
        backend->id() + " waits for you: " + why + "; mend that, then `stampede start`", 3));
  }
  if (!backend->policy().wanted() && !acts_.stopping()) {
    return respond(refusal("no_backend",
                           backend->id() + " was stopped by the operator; `stampede start " +
                               backend->id() + "` starts it",
                           3));
  }
  desk_.open(backend->id(), 0, operator_command_map(what, read), now + kCommandTimeout, respond);
  acts_.send_wanted(*backend);
}

void SupervisorAdmin::reload(Ms now, const json& request, const Respond& respond) {
  CommandMembers members(request);
  const bool check = members.flag("check");
  if (!members.error().empty()) return respond(refusal(members));
  acts_.reload(now, check, respond);
}

bool SupervisorAdmin::refused_while_stopping(const Respond& respond) const {
  if (!acts_.stopping()) return false;
  respond(refusal("draining", "the system is being stopped; start it again afterwards", 3));
  return true;
}

// The quickest way, and the one that is tried most: a new process recovers as after any crash, and
// orders wait meanwhile.
void SupervisorAdmin::restart(Ms now, const std::string& name, const Respond& respond) {
  if (refused_while_stopping(respond)) return;
  SupervisedNode* node = find_node(nodes_, name);
  if (node == nullptr || node->retired()) return respond(unknown_node(nodes_, name));
  auto wishes = wishes_;
  if (wishes.stopped.erase(node->id()) > 0 && !keep(wishes, respond)) return;
  const char* why = "restarted by the operator";
  if (node->role() == "backend") {
    node->kill(why);
  } else {
    node->terminate(why);
  }
  node->policy().want_running(now);
  respond({{"ok", true}, {"node", node->id()}});
}

void SupervisorAdmin::take_books(const json& request, const Respond& respond) {
  const auto violations = request.find("violations");
  if (violations == request.end() || !violations->is_number_unsigned()) {
    json refused = refusal("bad_request", "violations is the number of differences found", 2);
    refused["field"] = "violations";
    return respond(refused);
  }
  acts_.books_told(violations->get<std::uint64_t>());
  respond({{"ok", true}});
}

// Others wait for it and say so; what it took it finishes first.
void SupervisorAdmin::stop(Ms now, const std::string& name, const Respond& respond) {
  if (refused_while_stopping(respond)) return;
  SupervisedNode* node = find_node(nodes_, name);
  if (node == nullptr || node->retired()) return respond(unknown_node(nodes_, name));
  auto wishes = wishes_;
  wishes.stopped.insert(node->id());
  if (!keep(wishes, respond)) return;
  node->policy().want_stopped(now);
  node->terminate("stopped by the operator");
  recoveries_.given_up(node->id());
  respond({{"ok", true}, {"node", node->id()}});
}

void SupervisorAdmin::drain(bool drained, const Respond& respond) {
  if (refused_while_stopping(respond)) return;
  auto wishes = wishes_;
  if (drained != wishes.drained()) {
    wishes.drained_ms = drained ? config::wall_ms() : 0;
    if (!keep(wishes, respond)) return;
    log_warning(drained ? "drained by the operator: orders are refused" : "orders are taken again");
    for (const auto& node : nodes_)
      if (node->role() == "webapp") acts_.send_wanted(*node);
  }
  respond({{"ok", true},
           {"drained", drained},
           {"since", drained ? json(config::utc_text(wishes_.drained_ms)) : json(nullptr)}});
}

// What is not kept would be gone with the next crash, so it is not begun.
bool SupervisorAdmin::keep(const OperatorWishes& wishes, const Respond& respond) {
  if (!write_operator_wishes(own_.config().run_dir, wishes)) {
    respond(refusal("internal",
                    "operator.json in " + own_.config().run_dir.string() +
                        " cannot be written; nothing was changed",
                    1));
    return false;
  }
  wishes_ = wishes;
  return true;
}

void SupervisorAdmin::begin(bool go_on) {
  chaos_.begin();
  if (!go_on) return forget_wishes();
  wishes_ = read_operator_wishes(own_.config().run_dir);
}

void SupervisorAdmin::forget_wishes() {
  wishes_ = {};
  if (!write_operator_wishes(own_.config().run_dir, wishes_))
    log_warning("operator.json cannot be removed");
}

int SupervisorAdmin::count_of(const std::string& role) const {
  return static_cast<int>(std::count_if(nodes_.begin(), nodes_.end(), [&](const auto& node) {
    return node->role() == role && !node->retired();
  }));
}

// Empty, or which of it a running system does not take.
std::string SupervisorAdmin::unchangeable(const std::vector<RoleCount>& wanted) const {
  for (const auto& [role, count] : wanted) {
    const int now = count_of(role);
    if (role == "webapp" || count == now) continue;
    return role + "=" + std::to_string(count) + ": the system runs " + std::to_string(now) +
           ", and only webapps change while it runs (webapp=0 to " + std::to_string(kWebappsMax) +
           "). Nothing was changed";
  }
  return {};
}

void SupervisorAdmin::set_nodes(const json& request, const Respond& respond) {
  CommandMembers members(request);
  const std::string text(members.text("nodes", kNodesBytesMax));
  if (!members.error().empty()) return respond(refusal(members));
  const auto parsed = parse_counts(text);
  if (const auto* wrong = std::get_if<std::string>(&parsed)) {
    json refused = refusal("bad_request", *wrong + ". Nothing was changed", kExitWrongUse);
    refused["field"] = "nodes";
    return respond(refused);
  }
  if (refused_while_stopping(respond) || refused_while_changing(respond)) return;
  const auto& wanted = std::get<std::vector<RoleCount>>(parsed);
  if (const auto named = unchangeable(wanted); !named.empty())
    return respond(refusal("refused", named, kExitRefused));
  for (const auto& [role, count] : wanted) {
    if (role != "webapp" || count == count_of(role)) continue;
    auto wishes = wishes_;
    wishes.webapps = count;
    std::erase_if(wishes.stopped, [&, most = count](const std::string& name) {
      const auto* node = find_node(nodes_, name);
      return node != nullptr && node->role() == "webapp" && node->index() > most;
    });
    if (!keep(wishes, respond)) return;
    log_info("webapps: " + std::to_string(count) + " are wanted, " +
             std::to_string(count_of(role)) + " were");
    acts_.set_webapps(count);
  }
  respond({{"ok", true},
           {"webapp", count_of("webapp")},
           {"broker", count_of("broker")},
           {"backend", count_of("backend")}});
}

bool SupervisorAdmin::refused_while_changing(const Respond& respond) const {
  if (!acts_.changing()) return false;
  respond(refusal("busy", "configuration or program are being changed; ask again", kExitNotReady));
  return true;
}

void SupervisorAdmin::upgrade(Ms now, const json& request, const Respond& respond) {
  CommandMembers members(request);
  const std::string program(members.text("program", kPathBytesMax));
  if (members.error().empty() && !program.starts_with('/')) members.fail("program", "a whole path");
  if (!members.error().empty()) return respond(refusal(members));
  if (refused_while_stopping(respond) || refused_while_changing(respond)) return;
  if (::access(program.c_str(), X_OK) != 0) {
    return respond(
        refusal("refused",
                program + " cannot be started: " + std::strerror(errno) + ". Nothing was changed",
                kExitRefused));
  }
  acts_.upgrade({program, respond, now + kUpgradeWithin});
}

void SupervisorAdmin::tell_recoveries(const Respond& respond) const {
  json list = json::array();
  const auto number = [](std::int64_t ms) { return ms < 0 ? json(nullptr) : json(ms); };
  for (const auto& one : recoveries_.all()) {
    list.push_back({{"node", one.node},
                    {"cause", one.cause},
                    {"ended_at", config::utc_text(one.ended_ms)},
                    {"duration_ms", number(one.duration_ms)},
                    {"replay_ms", number(one.replay_ms)},
                    {"asked_again", one.asked_again}});
  }
  respond({{"ok", true}, {"recoveries", std::move(list)}});
}

void SupervisorAdmin::start(Ms now, const std::string& name, const Respond& respond) {
  if (refused_while_stopping(respond)) return;
  const SupervisedNode* one = name.empty() ? nullptr : find_node(nodes_, name);
  if (!name.empty() && (one == nullptr || one->retired()))
    return respond(unknown_node(nodes_, name));
  auto wishes = wishes_;
  if (one == nullptr)
    wishes.stopped.clear();
  else
    wishes.stopped.erase(one->id());
  if (wishes != wishes_ && !keep(wishes, respond)) return;
  for (const auto& node : nodes_) {
    if (node->retired()) continue;
    if (one == nullptr || node.get() == one) node->policy().want_running(now);
  }
  respond({{"ok", true}});
}

}  // namespace stampede::actors
