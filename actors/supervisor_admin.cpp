#include "actors/supervisor_admin.h"

#include <csignal>

namespace stampede::actors {
namespace {

using nlohmann::json;

constexpr Ms kCommandTimeout = 30'000;

json refusal(const char* code, const std::string& message, int exit) {
  return {{"error", code}, {"message", message}, {"exit", exit}};
}

}  // namespace

SupervisedNode* find_node(const SupervisedNodes& nodes, const std::string& name) {
  for (const auto& node : nodes) {
    if (node->id() == name || node->id() == name + "-1") return node.get();
  }
  return nullptr;
}

void SupervisorAdmin::take(Ms now, const json& request, const Respond& respond) try {
  const auto what = request.value("do", std::string{});
  if (what == "status") {
    respond(acts_.status());
  } else if (what == "item_put" || what == "stock_change" || what == "books" || what == "items") {
    forward(now, request, respond);
  } else if (what == "kill") {
    kill(now, request, respond);
  } else if (what == "start") {
    start(now, request, respond);
  } else if (what == "stop" || what == "drain") {
    acts_.stop();
    respond({{"ok", true}});
  } else {
    respond(refusal("unknown_op",
                    "do is one of status, item_put, stock_change, items, books, kill, start, stop, "
                    "drain",
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

json SupervisorAdmin::unknown_node(const std::string& name) const {
  json names = json::array();
  for (const auto& node : nodes_) names.push_back(node->id());
  json made = refusal("unknown node", "there is no node " + name, 2);
  made["nodes"] = std::move(names);
  return made;
}

void SupervisorAdmin::kill(Ms now, const json& request, const Respond& respond) {
  if (!dev_) {
    return respond(refusal("not_allowed",
                           "chaos is refused because dev is false; set dev = true in the "
                           "configuration of a system that you may break",
                           6));
  }
  const auto name = request.value("node", std::string{});
  const SupervisedNode* node = find_node(nodes_, name);
  if (node == nullptr) return respond(unknown_node(name));
  const bool one_actor = request.contains("actor");
  if (!node->process() || (one_actor && node->instance() == 0)) {
    const std::string state(to_text(node->policy().state()));
    return respond(refusal("not_ready", node->id() + " is " + state + "; try again later", 3));
  }
  if (one_actor) {
    // Bound to this process: a repeated kill must not hit the next one.
    const json command = {{"do", "kill_actor"}, {"actor", request.at("actor")}};
    desk_.open(node->id(), node->instance(), command, now + kCommandTimeout, respond);
    return acts_.send_wanted(*node);
  }
  node->process()->signal(SIGKILL);
  respond({{"ok", true}, {"node", node->id()}, {"pid", node->process()->pid()}});
}

void SupervisorAdmin::start(Ms now, const json& request, const Respond& respond) {
  if (acts_.stopping()) {
    return respond(
        refusal("draining", "the system is being stopped; start it again afterwards", 3));
  }
  const auto name = request.value("node", std::string{});
  const SupervisedNode* one = name.empty() ? nullptr : find_node(nodes_, name);
  if (!name.empty() && one == nullptr) return respond(unknown_node(name));
  for (const auto& node : nodes_) {
    if (one == nullptr || node.get() == one) node->policy().want_running(now);
  }
  respond({{"ok", true}});
}

}  // namespace stampede::actors
