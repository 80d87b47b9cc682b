#pragma once

// One change of what a system runs with, from the moment it is accepted until every node runs with
// it, or all have gone back. Pure rules over a clock that the caller reads.
//
//   forward   every node serves (or drains) with the new text: finished
//             one waits for the operator, or kPatience is over: go back
//   back      every node is ready with the old text, or kPatience is over: gone back
//
// Owner: the supervisor's configuration; one thread. Times are milliseconds of any steady clock.

#include <string>
#include <vector>

#include "actors/supervisor/core/restart_policy.h"

namespace stampede::actors {

// A node that is wanted.
struct ConfiguredNode {
  std::string id;
  NodeState state = NodeState::stopped;
  bool follows = false;   // it runs with the text that is accepted now
  std::string last_exit;  // how its last process ended; empty: none has
};

class ConfigRollout {
 public:
  static constexpr Ms kPatience = 10'000;
  enum class Stage { idle, forward, back };
  enum class Step { wait, finished, go_back, gone_back };

  [[nodiscard]] Stage stage() const { return stage_; }
  void begin(Ms now);
  void go_back(Ms now);  // after Step::go_back, or because the caller cannot go on
  void end() { stage_ = Stage::idle; }

  // What to do now.
  [[nodiscard]] Step look(Ms now, const std::vector<ConfiguredNode>& nodes) const;

 private:
  Stage stage_ = Stage::idle;
  Ms deadline_ = 0;
};

// "backend-1 is replaying", of those that are not ready with the present text; empty: all are.
std::string laggards(const std::vector<ConfiguredNode>& nodes);
// Why no change may begin now: a node that is on its way could not tell its own time from the
// change's. Empty: it may.
std::string still_on_the_way(const std::vector<ConfiguredNode>& nodes);
// Silence and standstill are judged by the longer of both while either text may be in use.
RestartOptions widest(RestartOptions a, const RestartOptions& b);

}  // namespace stampede::actors
