#pragma once

// What the supervisor knows about one node: its restart policy, its process, its last heartbeat and
// how it ended last. Owner: the supervisor's role; one thread. Times: milliseconds of its clock.

#include <cstdint>
#include <deque>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <utility>

#include "actors/supervisor/core/restart_policy.h"
#include "actors/supervisor/memory_deaths.h"
#include "actors/supervisor/process_watch.h"
#include "config/settings/config.h"

namespace stampede::actors {

class SupervisedNode {
 public:
  SupervisedNode(std::string role, int index, const config::Config& config);

  const std::string& id() const { return id_; }
  const std::string& role() const { return role_; }
  RestartPolicy& policy() { return policy_; }
  const RestartPolicy& policy() const { return policy_; }
  // Empty between two processes.
  const std::optional<WatchedProcess>& process() const { return process_; }
  std::uint64_t instance() const { return instance_; }  // 0: not heard of yet
  bool adopted() const { return adopted_; }  // its process was started by an earlier supervisor
  int index() const { return index_; }
  // It is not wanted any more, and is forgotten once its process has ended.
  bool retired() const { return retired_; }
  void retire(bool retired) { retired_ = retired; }

  // Takes over the process that holds the node's lock, or else starts one; one that runs another
  // program than this is left alone. Returns one line about what was done. May block for 200 ms
  // when a holder has not yet written its name.
  std::string bring_up(Ms now);

  // Which accepted text its process runs with; empty: it was not heard of yet, or was started by
  // hand with settings of its own.
  [[nodiscard]] std::string text() const { return reported("config"); }
  // The text that it cannot take without a new start; empty: none.
  [[nodiscard]] std::string text_to_restart_for() const { return reported("config_restart"); }

  // Whether it refuses orders for an operator; empty: it tells nothing of that.
  [[nodiscard]] std::optional<bool> orders_refused() const;
  // It serves and, as of its last heartbeat, has nothing to do; or it shall not run.
  [[nodiscard]] bool rests() const;

  // The process's fd became readable: reaps it, tells the policy. Returns one line about it.
  std::string take_end(Ms now, MemoryDeaths& deaths);

  // A heartbeat. False when it is not from the present process.
  bool take_report(Ms now, nlohmann::json report);

  // When its present process was last told what is wanted; long ago: never.
  [[nodiscard]] Ms told_at() const { return told_at_; }
  void told(Ms now) { told_at_ = now; }

  // Failpoints for one later process alone: each start takes the oldest text that waits.
  void arm_next_start(std::string failpoints) { next_failpoints_.push_back(std::move(failpoints)); }
  void disarm_next_starts() { next_failpoints_.clear(); }

  // SIGTERM; nothing without a process. `why` becomes part of last_exit.
  void terminate(const std::string& why = {});
  void kill(const std::string& why);  // SIGKILL; `why` becomes part of last_exit

  // This node's entry in `status`: its own members, then whatever its heartbeat carries.
  [[nodiscard]] nlohmann::json view(Ms now) const;
  // How its last process ended, and why: "exit 70: …"; null: none has.
  [[nodiscard]] nlohmann::json last_exit() const;
  // A counter of its last heartbeat; 0: it told none.
  [[nodiscard]] std::uint64_t counter(const char* name) const;
  // Members of the last heartbeat that belong to the whole system; survive the process's end.
  [[nodiscard]] const nlohmann::json& system_view() const { return system_view_; }

 private:
  [[nodiscard]] std::string reported(const char* member) const;  // empty: nothing, or no text
  static constexpr Ms kNeverTold = -1'000'000;
  [[nodiscard]] SpawnRequest spawn_request() const;
  [[nodiscard]] std::string missing_place(const SpawnRequest& request) const;

  std::string role_;
  int index_;
  std::string id_;
  std::filesystem::path run_dir_;
  RestartPolicy policy_;
  std::optional<WatchedProcess> process_;
  std::uint64_t instance_ = 0;
  bool adopted_ = false;
  bool retired_ = false;
  Ms heard_at_ = 0;
  Ms told_at_ = kNeverTold;
  nlohmann::json report_ = nlohmann::json::object();
  nlohmann::json system_view_ = nlohmann::json::object();
  bool started_before_ = false;
  std::deque<std::string> next_failpoints_;
  std::string kill_reason_;
  std::string end_reason_;  // of a SIGTERM
  std::string exit_what_;   // empty: none yet
  std::string exit_reason_;
  std::int64_t exit_wall_ms_ = 0;
};

RestartOptions restart_options(const config::Supervisor& config);

}  // namespace stampede::actors
