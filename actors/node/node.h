#pragma once

// What every node's process has in common: its lock, its log file lines, its actor system, its
// ZeroMQ context, signals, and fail-stop: NodeRuntime is the one door through which actors come to
// life, and whatever actor ends unasked takes the process with it (docs/decisions/fail-stop.md).

#include <atomic>
#include <caf/all.hpp>
#include <cstdint>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "actors/node/actor_list.h"
#include "actors/protocol/endpoint.h"
#include "actors/sale/codes.h"
#include "actors/sale/limits.h"
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
  std::function<void()> hangup{};  // SIGHUP reopens the node's log, and this. Must not block
  std::function<void()> at_once;   // before a second SIGTERM ends the process; must not block
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
  LimitValues limits() const;                           // what a refusal of this system may name
  const std::string& id() const { return id_; }         // "backend-1"
  std::uint64_t instance() const { return instance_; }  // random, new at every start, never 0
  transport::Context& context() { return context_; }
  // The endpoint of a channel; ends the process with 78 when its path is too long.
  std::string endpoint(transport::Channel channel, int index = 1);
  // The same, of this webapp for clients of this host.
  std::string local_clients_endpoint();

  // The door: every actor of the node is spawned here, detached, under a name that `status` shows
  // and `chaos kill NODE --actor NAME` knows. When it ends in another way than allowed the process
  // exits 70 and the exit note names it and what it threw. The constructor runs in the caller's
  // thread; what it throws, the caller gets. Thread-safe.
  //
  // Ends only when the node stops:
  template <class Actor, class... Args>
  caf::actor spawn_actor(ActorNames names, Args&&... args) {
    return enter<Actor>(std::move(names), ActorKind::lasting, std::forward<Args>(args)...);
  }
  // Ends when its work is done, without an error:
  template <class Actor, class... Args>
  caf::actor spawn_task(std::string name, Args&&... args) {
    return enter<Actor>({std::move(name)}, ActorKind::task, std::forward<Args>(args)...);
  }
  // The same, around one piece of work that reads no mail:
  void spawn_work(std::string name, std::function<void()> work) {
    enter<WorkActor>({std::move(name)}, ActorKind::deaf_task, std::move(work));
  }
  // False: the kernel gives no thread for it now.
  [[nodiscard]] bool spawn_work_if_any(std::string name, std::function<void()> work);

  // Ends only when the node stops, around a loop that waits for something else than mail:
  void spawn_loop(std::string name, std::function<void(const LoopActor::GoOn&)> loop,
                  std::function<void()> wake) {
    enter<LoopActor>({std::move(name)}, ActorKind::lasting, std::move(loop), std::move(wake));
  }

  std::vector<std::string> actor_names() const { return actors_.names(); }
  // Ends the named actor by a high-priority kill; false when there is none. Thread-safe.
  bool kill_actor(const std::string& name) { return actors_.kill(name); }
  // The actors whose failpoint `actor:NAME` is armed pass it now. Thread-safe.
  void wake_armed_actors() { actors_.wake_armed(); }
  void await_actors() { actors_.await_none(); }  // blocks until all have ended
  // Ends the process when an actor runs that did not come in through the door. Thread-safe.
  void check_actors() const { actors_.check(); }

  // Ends the process now: writes <run>/<node>.exit (code, reason), flushes the log, _exit(code).
  // Thread-safe; the first caller wins. Whatever fails on the way, the process ends.
  [[noreturn]] void fail(int code, const std::string& reason) noexcept;

  // Ends run_node's wait: called by the role when it has drained, or by run_node itself. From here
  // on actors may end without taking the process with them. Thread-safe, idempotent.
  void request_stop();
  [[nodiscard]] bool stopping() const { return actors_.ends_expected(); }

 private:
  friend class NodeProcess;
  template <class Actor, class... Args>
  caf::actor enter(ActorNames names, ActorKind kind, Args&&... args) {
    return actors_.enter(names, kind, [&]() -> caf::actor {
      return system_.spawn<WatchedActor<Actor>, caf::detached>(names, std::forward<Args>(args)...);
    });
  }

  NodeOptions options_;
  std::string id_;
  std::uint64_t instance_;
  caf::actor_system& system_;
  transport::Context& context_;
  std::atomic<bool> failed_{false};
  int stop_event_;  // eventfd, readable once a stop is requested
  ActorList actors_;
};

// Why a node could not start with the keys that this names (curve.*, net.mode); empty: it could.
// Reads files.
[[nodiscard]] std::string fault_of_keys(const config::Config& config);

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
