#include "actors/supervisor/supervisor_admin.h"

namespace stampede::actors {
namespace {

using nlohmann::json;

}  // namespace

void SupervisorAdmin::take(Ms now, const json& request, const Respond& respond) try {
  const auto asked = request.value("do", json(""));
  if (!asked.is_string()) return respond(refusal("bad_request", "do is no text", 2));
  const auto what = asked.get<std::string>();
  if (what == "status") {
    respond(acts_.status());
  } else if (what == "item_put" || what == "stock_change" || what == "books" || what == "items") {
    forward(now, request, respond);
  } else if (SupervisorChaos::knows(what)) {
    chaos_.take(now, request, respond);
  } else if (what == "start") {
    start(now, request, respond);
  } else if (what == "restart") {
    restart(now, request, respond);
  } else if (what == "stop" || what == "drain") {
    acts_.stop();
    respond({{"ok", true}});
  } else {
    respond(
        refusal("unknown_op",
                "do is one of status, item_put, stock_change, items, books, start, restart, stop, "
                "drain, kill, pause, failpoints, undo",
                2));
  }
} catch (const json::exception& error) {
  respond(refusal("bad_request", error.what(), 2));
}

void SupervisorAdmin::forward(Ms now, const json& request, const Respond& respond) {
  const SupervisedNode* backend = find_node(nodes_, "backend-1");
  if (backend == nullptr) {
    return respond(refusal("no_backend", "this supervisor runs no backend (see --nodes)", 3));
  }
  desk_.open(backend->id(), 0, request, now + kCommandTimeout, respond);
  acts_.send_wanted(*backend);
}

bool SupervisorAdmin::refused_while_stopping(const Respond& respond) const {
  if (!acts_.stopping()) return false;
  respond(refusal("draining", "the system is being stopped; start it again afterwards", 3));
  return true;
}

// The quickest way, and the one that is tried most: a new process recovers as after any crash, and
// orders wait meanwhile.
void SupervisorAdmin::restart(Ms now, const json& request, const Respond& respond) {
  if (refused_while_stopping(respond)) return;
  const auto name = request.value("node", std::string{});
  SupervisedNode* node = find_node(nodes_, name);
  if (node == nullptr) return respond(unknown_node(nodes_, name));
  node->kill("restarted by the operator");
  node->policy().want_running(now);
  respond({{"ok", true}, {"node", node->id()}});
}

void SupervisorAdmin::start(Ms now, const json& request, const Respond& respond) {
  if (refused_while_stopping(respond)) return;
  const auto name = request.value("node", std::string{});
  const SupervisedNode* one = name.empty() ? nullptr : find_node(nodes_, name);
  if (!name.empty() && one == nullptr) return respond(unknown_node(nodes_, name));
  for (const auto& node : nodes_) {
    if (one == nullptr || node.get() == one) node->policy().want_running(now);
  }
  respond({{"ok", true}});
}

}  // namespace stampede::actors
