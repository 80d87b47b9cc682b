#pragma once

// What the supervisor does to its nodes for `stampede chaos` (contract §8); every request is
// refused unless config.dev. Owner: SupervisorAdmin, in the supervisor's thread; nothing blocks.
//
//   {"do":"kill","node":N[,"actor":A]}          SIGKILL, answered when it has ended; or the end of
//                                               one actor
//   {"do":"pause","node":N,"for_ms":MS}         SIGSTOP now, SIGCONT when the time is over
//   {"do":"failpoints","node":N,"arm":TEXT}     armed in the running process when answered
//   {"do":"failpoints","node":N,"arm":TEXT,"next_start":true}   for its next process alone;
//                                               repeated: for the one after that, and so on
//   {"do":"database","for_ms":MS}               the private database stands still meanwhile
//   {"do":"undo"}                               every pause and failpoint ends
//
// Pauses and failpoints are bound to one process: they never reach its successor. Of the supervisor
// itself single actors are killed and failpoints armed; then its guard starts it again.

#include <filesystem>
#include <functional>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "actors/node/node.h"
#include "actors/protocol/operator_command.h"
#include "actors/supervisor/admin_socket.h"
#include "actors/supervisor/core/command_desk.h"
#include "actors/supervisor/process_watch.h"
#include "actors/supervisor/supervised_node.h"

namespace stampede::actors {

inline constexpr std::size_t kNameBytesMax = 64;  // of requests, nodes, actors; ours have fewer

using SupervisedNodes = std::vector<std::unique_ptr<SupervisedNode>>;

// "backend-1", or "backend" for the first of its role; null when there is none.
SupervisedNode* find_node(const SupervisedNodes& nodes, const std::string& name);

// Answers of the admin socket that say no; `exit` is the tool's exit code.
nlohmann::json refusal(const char* code, const std::string& message, int exit);
nlohmann::json refusal(const CommandMembers& members);  // names the member at fault
nlohmann::json unknown_node(const SupervisedNodes& nodes, const std::string& name);

class SupervisorChaos {
 public:
  using Respond = AdminSocket::Respond;
  using SendWanted = std::function<void(const SupervisedNode&)>;
  using Allowed = std::function<bool()>;  // whether this system may be broken, now

  // `own`, `nodes` and `desk` outlive this object.
  SupervisorChaos(NodeRuntime& own, const SupervisedNodes& nodes, CommandDesk& desk,
                  SendWanted send_wanted, Allowed allowed)
      : own_(own),
        nodes_(nodes),
        desk_(desk),
        send_wanted_(std::move(send_wanted)),
        allowed_(std::move(allowed)) {}

  // A database that an earlier supervisor had stopped, and did not live to let go on, goes on.
  void begin();
  void take(Ms now, const nlohmann::json& request, const Respond& respond);
  void on_timer(Ms now);
  [[nodiscard]] bool busy() const { return !pauses_.empty() || !kills_.empty(); }
  // Also when the system is stopped: a paused node could not hear it.
  void undo(Ms now);

 private:
  struct Pause {
    std::string node;
    pid_t pid;
    Ms until;
  };
  // Who looks at the node once he was answered shall not see the process that he had killed.
  struct Kill {
    std::string node;
    pid_t pid;
    Ms until;
    Respond respond;
  };
  // A request, its members read.
  struct Break {
    std::string node;
    std::string actor;
    std::string points;
    bool next_start = false;
    Ms pause = 0;
  };
  void take_own(const std::string& what, const Break& wanted, const Respond& respond);
  void kill(Ms now, SupervisedNode& node, const Break& wanted, const Respond& respond);
  void pause(Ms now, SupervisedNode& node, Ms time, const Respond& respond);
  void arm(Ms now, SupervisedNode& node, const Break& wanted, const Respond& respond);
  void command(Ms now, const SupervisedNode& node, const nlohmann::json& command,
               const Respond& respond);
  // The node while that is its process, else null.
  [[nodiscard]] const SupervisedNode* running(const std::string& node, pid_t pid) const;
  void go_on(const Pause& pause) const;
  void answer_kills(Ms now);
  void stop_database(Ms now, Ms time, const Respond& respond);
  void release_database();
  [[nodiscard]] std::filesystem::path pause_note() const;

  NodeRuntime& own_;
  const SupervisedNodes& nodes_;
  CommandDesk& desk_;
  SendWanted send_wanted_;
  Allowed allowed_;
  std::vector<Pause> pauses_;
  std::vector<Kill> kills_;
  std::optional<WatchedProcess> database_;  // while it stands still
  Ms database_until_ = 0;
};

}  // namespace stampede::actors
