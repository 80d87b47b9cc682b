#include "actors/supervisor/supervisor_admin.h"

#include <algorithm>
#include <iterator>

#include "actors/protocol/operator_command.h"
#include "config/process/exit_codes.h"

namespace stampede::actors {

using nlohmann::json;

namespace {

// What the supervisor does by itself. What a request has beside its members is refused: whoever
// says it wants less, or something else.
struct OwnRequest {
  std::string_view name;
  bool of_a_node;  // may name one
};
constexpr OwnRequest kOwnRequests[] = {
    {"status", false}, {"start", true}, {"restart", true}, {"stop", false}, {"drain", false}};

const OwnRequest* find_own(std::string_view what) {
  const auto* found = std::find_if(std::begin(kOwnRequests), std::end(kOwnRequests),
                                   [&](const auto& one) { return one.name == what; });
  return found == std::end(kOwnRequests) ? nullptr : found;
}

}  // namespace

void SupervisorAdmin::take(Ms now, const json& request, const Respond& respond) {
  CommandMembers members(request);
  const std::string what(members.text("do", kNameBytesMax));
  const auto* own = find_own(what);
  const std::string node(own != nullptr && own->of_a_node
                             ? members.text("node", kNameBytesMax, false)
                             : std::string_view{});
  if (own != nullptr) members.refuse_others();
  if (!members.error().empty()) return respond(refusal(members));
  if (what == "status") {
    respond.line(acts_.status());
  } else if (is_operator_command(what)) {
    forward(now, what, request, respond);
  } else if (SupervisorChaos::knows(what)) {
    chaos_.take(now, request, respond);
  } else if (what == "start") {
    start(now, node, respond);
  } else if (what == "restart") {
    restart(now, node, respond);
  } else if (what == "stop" || what == "drain") {
    acts_.stop();
    respond({{"ok", true}});
  } else {
    respond(refusal("unknown_op",
                    "do is one of status, item_put, item_set, item_open, item_close, stock_change, "
                    "items, promo_add, promo_set, promo_end, promos, books, clock_accept, "
                    "sessions_end, start, restart, "
                    "stop, drain, kill, pause, failpoints, undo",
                    2));
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
    const auto ended = backend->last_exit(now);
    const std::string why = ended.is_string() ? ended.get<std::string>() : "it was not started";
    return respond(refusal(
        "no_backend",
        backend->id() + " waits for you: " + why + "; mend that, then `stampede start`", 3));
  }
  desk_.open(backend->id(), 0, operator_command_map(what, read), now + kCommandTimeout, respond);
  acts_.send_wanted(*backend);
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
