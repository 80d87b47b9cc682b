#pragma once

// `stampede chaos …` and `stampede start [NODE]`: what an operator asks the supervisor to do to
// nodes. Each says first what is to be expected. All block; one thread. They return the process's
// exit code: 0 done, 2 unknown node, actor or point (the list is shown), 3 the node does not run, 4
// the books do not agree (--verify), 5 what was expected did not happen in time, 6 dev is off, 7 no
// supervisor.

#include <cstdint>
#include <optional>
#include <string>

#include "tools/ask/tool_options.h"

namespace stampede::tools {

// `actor` empty: kill -9 of the process; else that actor is killed and the process exits 70.
int run_chaos_kill(const ToolOptions& options, const std::string& node, const std::string& actor);

// SIGSTOP, and SIGCONT after `for_ms`; returns when the node, or its successor, is ready.
int run_chaos_pause(const ToolOptions& options, const std::string& node, std::int64_t for_ms);

struct ChaosCrash {
  std::string node;
  std::string point;
  unsigned nth = 0;  // 0: the first time, or drawn from the seed
  unsigned repeat = 1;
  std::optional<std::uint64_t> seed;  // chooses nth, from 1 to 5
  bool verify = false;
};
// The node crashes at a named point; returns when it is ready again.
int run_chaos_crash(const ToolOptions& options, const ChaosCrash& crash);

// The private database stands still (SIGSTOP) for `stop_ms`, then goes on.
int run_chaos_db(const ToolOptions& options, std::int64_t stop_ms);

enum class DiskFault { full, eio };
// full: lasts until undo; eio: the next sync of the log fails, and the node restarts.
int run_chaos_disk(const ToolOptions& options, DiskFault fault);

struct ChaosMonkey {
  std::int64_t every_ms = 0;
  std::int64_t for_ms = 0;
  std::uint64_t seed = 0;
  bool verify = false;
};
// Random faults of the kinds above, one at a time; ends with everything undone and ready.
int run_chaos_monkey(const ToolOptions& options, const ChaosMonkey& monkey);

// Crash points, actors and faults.
int run_chaos_list(const ToolOptions& options);

// Ends every pause and failpoint, lets the private database go on.
int run_chaos_undo(const ToolOptions& options);

}  // namespace stampede::tools
