#include "actors/supervisor/supervisor_admin.h"

#include "actors/protocol/operator_command.h"

namespace stampede::actors {

using nlohmann::json;

void SupervisorAdmin::take(Ms now, const json& request, const Respond& respond) {
  CommandMembers members(request);
  const std::string what(members.text("do", kNameBytesMax));
  const std::string node(members.text("node", kNameBytesMax, false));
  if (!members.error().empty()) return respond(refusal(members));
  if (what == "status") {
    respond.line(acts_.status());
  } else if (is_operator_command(what)) {
    forward(now, what, request, respond);
  } else if (SupervisorChaos::knows(what)) {
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
  } else if (what == "stop" || what == "drain") {
    acts_.stop();
    respond({{"ok", true}});
  } else {
    respond(refusal("unknown_op",
                    "do is one of status, item_put, item_set, item_open, item_close, stock_change, "
                    "items, promo_add, promo_set, promo_end, promos, books, clock_accept, "
                    "sessions_end, config_reload, start, restart, "
                    "stop, drain, ops_login, books_told, kill, pause, failpoints, database, undo",
                    2));
  }
}

// Only what a backend can take goes to it: an odd member would come again with each repetition, and
// with it the commands of others.
void SupervisorAdmin::forward(Ms now, const std::string& what, const json& request,
                              const Respond& respond) {
  const auto read = read_operator_command(request);
  if (!read.error.empty()) {
    json refused = refusal("bad_request", read.error, 1);
    refused["field"] = read.field;
    return respond(refused);
  }
  const SupervisedNode* backend = find_node(nodes_, "backend-1");
  if (backend == nullptr) {
    return respond(refusal("no_backend", "this supervisor runs no backend (see --nodes)", 3));
  }
  if (backend->policy().state() == NodeState::waiting_operator) {
    const auto ended = backend->last_exit(now);
    const std::string why = ended.is_string() ? ended.get<std::string>() : "it was not started";
    return respond(refusal(
        "no_backend",
        backend->id() + " waits for you: " + why + "; mend that, then `stampede start`", 3));
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
  if (node == nullptr) return respond(unknown_node(nodes_, name));
  node->kill("restarted by the operator");
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

void SupervisorAdmin::start(Ms now, const std::string& name, const Respond& respond) {
  if (refused_while_stopping(respond)) return;
  const SupervisedNode* one = name.empty() ? nullptr : find_node(nodes_, name);
  if (!name.empty() && one == nullptr) return respond(unknown_node(nodes_, name));
  for (const auto& node : nodes_) {
    if (one == nullptr || node.get() == one) node->policy().want_running(now);
  }
  respond({{"ok", true}});
}

}  // namespace stampede::actors
