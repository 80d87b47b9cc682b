#pragma once

// `supervisor --guard`: a parent that does nothing but start the supervisor again when it dies. The
// nodes live on meanwhile and are adopted by the new one. No thread, no socket, no lock.

#include <sys/types.h>

#include <csignal>
#include <string>
#include <vector>

namespace stampede::actors {

// At this signal a guard becomes the program that its supervisor runs, as the same process and with
// the same child; where that is its own already, or there is none, nothing happens.
inline constexpr int kGuardChangesAt = SIGUSR1;

// Runs this program with `arguments` (which name the supervisor without --guard) and starts it
// again, after 0.1 s doubling to 5 s, unless it ended with 0, 2, 6, 75 or 78, which another start
// cannot mend. Every start after the first is told --accepted: no more than what was accepted then.
// SIGTERM, SIGINT and SIGHUP are passed on. `log_format` is that of the guard's own few lines;
// `child`: a supervisor that is this process's child already; 0: none is. Blocks; returns the
// supervisor's exit code.
int run_guard(const std::vector<std::string>& arguments, const std::string& log_format,
              pid_t child = 0);

}  // namespace stampede::actors
