#pragma once

// What each request on the admin socket does (contract §2, §8): the operator's half of the
// supervisor. Owner: the supervisor's role, in whose thread everything here runs; nothing blocks.
//
//   {"do":"status"}                          the document of `status --json`
//   {"do":"item_put"|"stock_change"|"promo_add"|…, …}   to the backend; answered when durable,
//                                           within 30 s
//   {"do":"items"|"books"|"clock_accept"|"sessions_end", …}   to the backend
//   {"do":"kill"|"pause"|"failpoints"|"undo", …}   supervisor_chaos.h
//   {"do":"start"[,"node":N]}                ends a node's wait for the operator or its back-off
//   {"do":"restart","node":N}                kill -9 and start again; also ends a wait
//   {"do":"stop"} {"do":"drain"}             as SIGTERM; answered at once
//
// A member that a request does not have is refused, nothing is done.
// Every answer is one map; one with "error" carries "message" and the tool's "exit" code.

#include <functional>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "actors/supervisor/admin_socket.h"
#include "actors/supervisor/core/command_desk.h"
#include "actors/supervisor/supervised_node.h"
#include "actors/supervisor/supervisor_chaos.h"

namespace stampede::actors {

// What the requests need of the role.
struct SupervisorActs {
  std::function<SharedText()> status;                      // the document as a line
  std::function<void(const SupervisedNode&)> send_wanted;  // now, not with the next heartbeat
  std::function<void()> stop;
  std::function<bool()> stopping;
};

class SupervisorAdmin {
 public:
  using Respond = AdminSocket::Respond;

  // `own`, `nodes` and `desk` outlive this object.
  SupervisorAdmin(NodeRuntime& own, const SupervisedNodes& nodes, CommandDesk& desk,
                  SupervisorActs acts)
      : nodes_(nodes),
        desk_(desk),
        acts_(std::move(acts)),
        chaos_(own, nodes, desk, acts_.send_wanted) {}

  // Answers now or later, exactly once.
  void take(Ms now, const nlohmann::json& request, const Respond& respond);

  // Call it from every timer: ends pauses that are over.
  void on_timer(Ms now) { chaos_.on_timer(now); }
  void undo_chaos(Ms now) { chaos_.undo(now); }

 private:
  void forward(Ms now, const std::string& what, const nlohmann::json& request,
               const Respond& respond);
  bool refused_while_stopping(const Respond& respond) const;
  void start(Ms now, const std::string& node, const Respond& respond);
  void restart(Ms now, const std::string& node, const Respond& respond);

  const SupervisedNodes& nodes_;
  CommandDesk& desk_;
  SupervisorActs acts_;
  SupervisorChaos chaos_;
};

}  // namespace stampede::actors
