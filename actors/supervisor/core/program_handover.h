#pragma once

// How a system changes to the program of its supervisor: pure rules over a clock that the caller
// reads, and over what is left of another program.
//
//   guard     a guard of another program would start a supervisor of that one again: it is told to
//             become this one first, for kGuardWithin at most
//   webapps   webapps of another program are asked to end, so that buyers hear what was decided,
//             for kWebappsWithin at most
//   kill      whatever is left of another program is killed
//
// Messages between nodes have a meaning within one program only: until nothing of another one is
// left, no node may be started. It keeps nothing: whoever takes a dead supervisor's place begins
// with what he finds, so the system ends up as a whole with his program.
//
// Owner: the supervisor's role; one thread. Times are milliseconds of any steady clock.

#include "actors/supervisor/core/restart_policy.h"

namespace stampede::actors {

// What runs another program.
struct OtherProgram {
  bool guard = false;  // and it hears when it is told
  int webapps = 0;
  int others = 0;  // broker and backend
  [[nodiscard]] bool nodes() const { return webapps + others > 0; }
};

class ProgramHandover {
 public:
  static constexpr Ms kGuardWithin = 3'000;
  static constexpr Ms kWebappsWithin = 300;
  enum class Step { none, tell_guard, end_webapps, kill_nodes };

  void begin(Ms now);
  // What to do now; `left` as it is now. Call it until it is over.
  Step look(Ms now, const OtherProgram& left);
  [[nodiscard]] bool over() const { return stage_ == Stage::over; }
  [[nodiscard]] bool may_start_nodes() const { return over(); }

 private:
  enum class Stage { over, guard, webapps, kill };

  Stage stage_ = Stage::over;
  Ms since_ = 0;  // the stage
};

}  // namespace stampede::actors
