#pragma once

// A small real system in its own run directory: the supervisor behind its guard, and nodes that
// need no database. Whatever is still alive at the end is killed.

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "config/settings/config.h"

namespace stampede::test {

class SupervisedSystem {
 public:
  // Starts `stampede [--guard] supervisor --nodes NODES` with heartbeats every 50 ms and four
  // missed ones allowed. `environment`: further NAME=VALUE.
  explicit SupervisedSystem(const std::string& nodes, bool guard = false,
                            std::vector<std::string> environment = {});
  ~SupervisedSystem();
  SupervisedSystem(const SupervisedSystem&) = delete;
  SupervisedSystem& operator=(const SupervisedSystem&) = delete;

  const config::Config& config() const { return config_; }
  pid_t started_pid() const { return pid_; }  // the guard, or else the supervisor

  // One request on admin.sock; an object with "failed" when there is no answer.
  [[nodiscard]] nlohmann::json ask(const nlohmann::json& request) const;
  // The node's entry in `status`; null when it has none.
  [[nodiscard]] nlohmann::json node(const std::string& name) const;
  [[nodiscard]] std::string state(const std::string& name) const;
  [[nodiscard]] pid_t pid(const std::string& name) const;  // 0: none
  // Waits; false when the node is not ready with another pid than `not_this` in time.
  [[nodiscard]] bool ready(const std::string& name, pid_t not_this = 0) const;

  // Runs the program with these arguments to its end, its output thrown away; the exit code.
  [[nodiscard]] int run(const std::vector<std::string>& arguments) const;
  // Waits for the started process; its exit code, or -1 when it did not end in time.
  [[nodiscard]] int wait_for_end();
  // Processes that hold a lock in the run directory.
  [[nodiscard]] std::vector<pid_t> alive() const;

 private:
  [[nodiscard]] pid_t spawn(const std::vector<std::string>& arguments) const;

  std::string directory_;
  std::vector<std::string> environment_;
  config::Config config_;
  pid_t pid_ = -1;
};

}  // namespace stampede::test
