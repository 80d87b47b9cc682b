#pragma once

// The supervisor's port: the one thread that owns the nodes' processes, the sockets to the nodes
// and the admin socket. See supervisor.h.

#include <caf/all.hpp>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "actors/node/node.h"
#include "actors/node/node_lock.h"
#include "actors/supervisor/ops_door.h"
#include "actors/supervisor/supervisor.h"

namespace stampede::actors {

// The processes that run now, for a thread that must end them without asking the port. Thread-safe.
class RunningProcesses {
 public:
  void add(const ProcessId& process);
  void remove(const ProcessId& process);
  [[nodiscard]] std::vector<pid_t> pids() const;
  void kill_all() const;  // SIGKILL; numbers that belong to a later process are left alone

 private:
  mutable std::mutex mutex_;
  std::vector<ProcessId> processes_;  // guarded by mutex_
};

// `http`: the supervisor's HTTP server, which hears of other names for it.
caf::actor spawn_supervisor_port(NodeRuntime& node, const std::vector<NodeCount>& nodes,
                                 const EarlierSupervisor& earlier,
                                 std::shared_ptr<RunningProcesses> running,
                                 std::shared_ptr<OpsDoor> door, const caf::actor_addr& http);

// Stops the nodes in order, then calls NodeRuntime::request_stop(). Thread-safe.
void stop_supervisor_port(const caf::actor& port);
// Accepts the configuration anew, as `config reload`; the log says how it went. Thread-safe.
void reload_supervisor_port(const caf::actor& port);

}  // namespace stampede::actors
