#pragma once

// When one node is started, killed and left alone: pure rules over a clock that the caller reads.
//
//   ended by itself        start again after a wait that doubles from backoff_min to backoff_max,
//                          for ever; a node that stayed ready for a while begins at backoff_min
//   exit 65, 75, 78        wait for the operator: starting again cannot help
//   no heartbeat           for beat_limit (before the first one: start_limit): kill
//   work waits, no progress   for stall_limit: kill; not while the node waits for its disk, which a
//                          new process would wait for as well
//   stop wanted            no more starts; kill after stop_limit
//
// Owner: the supervisor, one object per node. One thread. Times are milliseconds of any steady
// clock.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "actors/sale/codes.h"

namespace stampede::actors {

using Ms = std::int64_t;

enum class NodeState {
  stopped,
  starting,
  replaying,
  ready,
  draining,
  backing_off,
  waiting_operator,
};
std::string_view to_text(NodeState state);
bool alive(NodeState state);  // a process exists

struct RestartOptions {
  Ms backoff_min = 100;
  Ms backoff_max = 30'000;
  Ms beat_limit = 2'000;
  Ms start_limit = 15'000;
  Ms stall_limit = 5'000;
  Ms stop_limit = 35'000;
  Ms calm = 500;  // ready for so long, and twice the last wait: the next back-off begins anew
};

// What a heartbeat says about a node's health.
struct Beat {
  Phase phase = Phase::starting;
  bool work_waiting = false;
  bool disk_waiting = false;
  std::uint64_t progress = 0;  // any number that changes when something was done
};

class RestartPolicy {
 public:
  enum class Action { none, start, kill };

  explicit RestartPolicy(const RestartOptions& options) : options_(options) {}

  void set_options(const RestartOptions& options) { options_ = options; }  // from now on
  void want_running(Ms now);  // also the operator's "go on": forgets a wait
  void want_stopped(Ms now);
  void started(Ms now);       // a process exists: spawned or adopted
  void start_failed(Ms now);  // there could be no process
  void heard(Ms now, const Beat& beat);
  void ended(Ms now, std::optional<int> exit_code);  // empty: by a signal, or nobody knows
  void forgive(Ms gap);  // the caller itself was asleep: silence in that time proves nothing

  // What to do now. `kill` is said once a second until the end was reported; kill_reason() says
  // why.
  [[nodiscard]] Action due(Ms now);
  [[nodiscard]] bool kill_is_due(Ms now) const;
  [[nodiscard]] const std::string& kill_reason() const { return kill_reason_; }
  [[nodiscard]] NodeState state() const { return state_; }
  [[nodiscard]] bool wanted() const { return wanted_; }
  [[nodiscard]] std::uint64_t restarts() const { return starts_ > 0 ? starts_ - 1 : 0; }
  [[nodiscard]] Ms start_at() const { return start_at_; }  // meaningful while backing off

 private:
  [[nodiscard]] std::string reason_to_kill(Ms now) const;
  void back_off(Ms now);

  RestartOptions options_;
  NodeState state_ = NodeState::stopped;
  bool wanted_ = false;
  std::uint64_t starts_ = 0;
  Ms wait_ = 0;  // the last wait; 0: none since the last calm time
  Ms start_at_ = 0;
  Ms ready_since_ = 0;
  Ms stop_since_ = 0;
  Ms last_sign_ = 0;  // start or heartbeat
  bool heard_ = false;
  Beat last_;
  Ms last_progress_ = 0;
  Ms kill_again_ = 0;
  std::string kill_reason_;
};

}  // namespace stampede::actors
