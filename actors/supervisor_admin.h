#pragma once

// What each request on the admin socket does (contract §2, §8): the operator's half of the
// supervisor. Owner: the supervisor's role, in whose thread everything here runs; nothing blocks.
//
//   {"do":"status"}                          the document of `status --json`
//   {"do":"item_put"|"stock_change", …}      to the backend; answered when durable, within 30 s
//   {"do":"items"|"books", …}                to the backend
//   {"do":"kill","node":N[,"actor":A]}       refused unless config.dev
//   {"do":"start"[,"node":N]}                ends a node's wait for the operator or its back-off
//   {"do":"stop"} {"do":"drain"}             as SIGTERM; answered at once
//
// Every answer is one map; one with "error" carries "message" and the tool's "exit" code.

#include <functional>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "actors/admin_socket.h"
#include "actors/command_desk.h"
#include "actors/supervised_node.h"

namespace stampede::actors {

using SupervisedNodes = std::vector<std::unique_ptr<SupervisedNode>>;

// "backend-1", or "backend" for the first of its role; null when there is none.
SupervisedNode* find_node(const SupervisedNodes& nodes, const std::string& name);

// What the requests need of the role.
struct SupervisorActs {
  std::function<nlohmann::json()> status;
  std::function<void(const SupervisedNode&)> send_wanted;  // now, not with the next heartbeat
  std::function<void()> stop;
  std::function<bool()> stopping;
};

class SupervisorAdmin {
 public:
  using Respond = AdminSocket::Respond;

  // `nodes` and `desk` outlive this object. `dev`: chaos is allowed.
  SupervisorAdmin(const SupervisedNodes& nodes, CommandDesk& desk, bool dev, SupervisorActs acts)
      : nodes_(nodes), desk_(desk), dev_(dev), acts_(std::move(acts)) {}

  // Answers now or later, exactly once.
  void take(Ms now, const nlohmann::json& request, const Respond& respond);

 private:
  void forward(Ms now, const nlohmann::json& request, const Respond& respond);
  void kill(Ms now, const nlohmann::json& request, const Respond& respond);
  void start(Ms now, const nlohmann::json& request, const Respond& respond);
  [[nodiscard]] nlohmann::json unknown_node(const std::string& name) const;

  const SupervisedNodes& nodes_;
  CommandDesk& desk_;
  bool dev_;
  SupervisorActs acts_;
};

}  // namespace stampede::actors
