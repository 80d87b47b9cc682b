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
//   {"do":"restart","node":N}                end and start again; also ends a wait. A backend by
//                                           kill -9: its successor recovers while orders wait
//   {"do":"config_reload"[,"check":true]}   supervisor_config.h
//   {"do":"stop","node":N}                   SIGTERM; it is not started again before "start"
//   {"do":"stop"}                            the whole system, as SIGTERM; answered at once
//   {"do":"drain"} {"do":"undrain"}          webapps refuse new orders, or take them again
//   {"do":"nodes","nodes":"webapp=3"}        so many webapps from now on; fewer: those beyond
//   finish
//                                           what they took. Answered at once
//   {"do":"upgrade","program":PATH}          the supervisor becomes that program, and brings guard
//                                           and nodes to it (program_change.h); the connection
//                                           closes then. An answer says why it does not
//   {"do":"recoveries"}                      the newest, oldest first
//   {"do":"ops_login"}                       {"path"}: opens the operator's page once (ops_door.h)
//   {"do":"books_told","violations":N}       what `stampede verify` has found, for the metrics
//
// What operators want of nodes and orders is kept in <run>/operator.json (operator_wishes.h).
// A member that a request does not have is refused, nothing is done.
// Every answer is one map; one with "error" carries "message" and the tool's "exit" code.

#include <functional>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "actors/node/operator_wishes.h"
#include "actors/supervisor/admin_socket.h"
#include "actors/supervisor/core/command_desk.h"
#include "actors/supervisor/core/recovery_list.h"
#include "actors/supervisor/core/role_counts.h"
#include "actors/supervisor/supervised_node.h"
#include "actors/supervisor/supervisor_chaos.h"

namespace stampede::actors {

// A program that this process is to become.
struct UpgradeWish {
  std::string program;           // a path
  AdminSocket::Respond respond;  // why it does not
  Ms until;                      // it waits so long for a moment at which it can be done
};

// What the requests need of the role.
struct SupervisorActs {
  std::function<SharedText()> status;                      // the document as a line
  std::function<void(const SupervisedNode&)> send_wanted;  // now, not with the next heartbeat
  std::function<void()> stop;
  std::function<bool()> stopping;
  std::function<std::string()> ops_code;                     // opens the operator's page once
  std::function<void(std::uint64_t violations)> books_told;  // what a verify has found
  std::function<bool()> dev;                                 // whether chaos is allowed, now
  std::function<void(Ms now, bool check, std::function<void(const nlohmann::json&)>)> reload;
  std::function<bool()> changing;  // configuration or program, now
  std::function<void(int count)> set_webapps;
  std::function<void(UpgradeWish)> upgrade;
};

class SupervisorAdmin {
 public:
  using Respond = AdminSocket::Respond;

  // `own`, `nodes`, `desk` and `recoveries` outlive this object.
  SupervisorAdmin(NodeRuntime& own, const SupervisedNodes& nodes, CommandDesk& desk,
                  RecoveryList& recoveries, SupervisorActs acts)
      : own_(own),
        nodes_(nodes),
        desk_(desk),
        recoveries_(recoveries),
        acts_(std::move(acts)),
        chaos_(own, nodes, desk, acts_.send_wanted, acts_.dev) {}

  // Answers now or later, exactly once.
  void take(Ms now, const nlohmann::json& request, const Respond& respond);

  // Call it from every timer: ends pauses that are over.
  void on_timer(Ms now) { chaos_.on_timer(now); }
  void undo_chaos(Ms now) { chaos_.undo(now); }
  [[nodiscard]] bool busy() const { return chaos_.busy(); }  // it waits for a time

  // What an operator has said to an earlier supervisor of this system holds; without `go_on` the
  // system begins anew, and so does he.
  void begin(bool go_on);
  void forget_wishes();  // the system is being stopped
  [[nodiscard]] const OperatorWishes& wishes() const { return wishes_; }

 private:
  void forward(Ms now, const std::string& what, const nlohmann::json& request,
               const Respond& respond);
  void reload(Ms now, const nlohmann::json& request, const Respond& respond);
  void set_nodes(const nlohmann::json& request, const Respond& respond);
  [[nodiscard]] std::string unchangeable(const std::vector<RoleCount>& wanted) const;
  [[nodiscard]] int count_of(const std::string& role) const;
  void upgrade(Ms now, const nlohmann::json& request, const Respond& respond);
  bool refused_while_changing(const Respond& respond) const;
  bool refused_while_stopping(const Respond& respond) const;
  void start(Ms now, const std::string& node, const Respond& respond);
  void restart(Ms now, const std::string& node, const Respond& respond);
  void take_books(const nlohmann::json& request, const Respond& respond);
  void stop(Ms now, const std::string& node, const Respond& respond);
  void drain(bool drained, const Respond& respond);
  void tell_recoveries(const Respond& respond) const;
  bool keep(const OperatorWishes& wishes, const Respond& respond);

  NodeRuntime& own_;
  const SupervisedNodes& nodes_;
  CommandDesk& desk_;
  RecoveryList& recoveries_;
  OperatorWishes wishes_;
  SupervisorActs acts_;
  SupervisorChaos chaos_;
};

}  // namespace stampede::actors
