#pragma once

// What every node's process has in common: its lock, its log file lines, its actor system, its
// ZeroMQ context, signals, and fail-stop: whatever actor ends unasked takes the process with it.

#include <atomic>
#include <caf/all.hpp>
#include <cstdint>
#include <functional>
#include <mutex>
#include <string>
#include <vector>

#include "actors/protocol/endpoint.h"
#include "actors/sale/codes.h"
#include "config/process/exit_codes.h"
#include "config/settings/config.h"
#include "transport/zmq/sockets.h"

namespace stampede::actors {

struct NodeOptions {
  std::string role;               // "webapp", "broker", "backend", "supervisor"
  int index = 1;                  // k of webapp-k
  Phase wanted = Phase::serving;  // until the supervisor says otherwise
  int drain_max_ms = 30'000;      // after the first SIGTERM; then the node stops all the same
  config::Config config;
  std::function<void()> at_once;  // before a second SIGTERM ends the process; must not block
};

class NodeRuntime {
 public:
  NodeRuntime(NodeOptions options, std::uint64_t instance, caf::actor_system& system,
              transport::Context& context);
  ~NodeRuntime();
  NodeRuntime(const NodeRuntime&) = delete;
  NodeRuntime& operator=(const NodeRuntime&) = delete;

  const config::Config& config() const { return options_.config; }
  const NodeOptions& options() const { return options_; }
  const std::string& id() const { return id_; }         // "backend-1"
  std::uint64_t instance() const { return instance_; }  // random, new at every start, never 0
  caf::actor_system& system() { return system_; }
  transport::Context& context() { return context_; }
  // The endpoint of a channel; ends the process with 78 when its path is too long.
  std::string endpoint(transport::Channel channel, int index = 1);
  // The same, of this webapp for clients of this host.
  std::string local_clients_endpoint();

  // Watches an actor under a name that `chaos kill NODE --actor NAME` knows. When it ends for any
  // reason other than run_node's stop, the process exits 70 with the reason on stderr. Thread-safe.
  void watch(const std::string& name, const caf::actor& actor);
  std::vector<std::string> actor_names() const;  // thread-safe
  // Ends the named actor by a high-priority kill; false when there is none. Thread-safe.
  bool kill_actor(const std::string& name);

  // Ends the process now: writes <run>/<node>.exit (code, reason), flushes the log, _exit(code).
  // Thread-safe; the first caller wins.
  [[noreturn]] void fail(int code, const std::string& reason);

  // Ends run_node's wait: called by the role when it has drained, or by run_node itself. From here
  // on actors may end without taking the process with them. Thread-safe, idempotent.
  void request_stop();
  [[nodiscard]] bool stopping() const { return stopping_.load(); }

 private:
  friend class NodeProcess;
  void actor_ended(const std::string& name, const caf::error& reason);
  void stop_all();  // asks every watched actor to end, the newest first

  NodeOptions options_;
  std::string id_;
  std::uint64_t instance_;
  caf::actor_system& system_;
  transport::Context& context_;
  std::atomic<bool> stopping_{false};
  std::atomic<bool> failed_{false};
  int stop_event_;  // eventfd, readable once a stop is requested
  mutable std::mutex mutex_;
  std::vector<std::pair<std::string, caf::actor>> actors_;  // guarded by mutex_
};

// Runs one node in this process until it is told to stop: takes flock(<run>/<node id>.lock)
// (retried for 1 s, then exit 75), sets up logging and RLIMIT_NOFILE, arms STAMPEDE_FAILPOINTS,
// makes the actor system (scheduler max-threads 2, policy sharing), calls `start` in the main
// thread, then waits for signals. The first SIGTERM or SIGINT calls `drain` (which ends by
// request_stop(); at most drain_max_ms), a second calls `at_once` and ends with 1. Returns the exit
// code: 0 after a clean stop. A SocketError for an address in use ends with 6, any other exception
// with 70. The supervisor itself arms no failpoints. Blocks until the end; call it in the main
// thread, before any other thread exists: it blocks SIGTERM and SIGINT for all of them.
int run_node(NodeOptions options, const std::function<void(NodeRuntime&)>& start,
             const std::function<void(NodeRuntime&)>& drain);

}  // namespace stampede::actors
