#pragma once

// `supervisor --guard`: a parent that does nothing but start the supervisor again when it dies. The
// nodes live on meanwhile and are adopted by the new one. A guard that finds a supervisor whose
// guard has ended adopts it, and starts nothing before it ends. No thread; <run>/guard.lock is
// held, and tells who looks for it that there is one.

#include <sys/types.h>

#include <csignal>
#include <filesystem>
#include <string>
#include <vector>

namespace stampede::actors {

// At this signal a guard becomes the program that its supervisor runs, as the same process and with
// the same child; where that is its own already, or there is none, nothing happens.
inline constexpr int kGuardChangesAt = SIGUSR1;

// Runs this program with `arguments` (which name the supervisor without --guard) and starts it
// again, after 0.1 s doubling to 5 s, unless it ended with 0, 2, 6, 75 or 78, which another start
// cannot mend. Every start after the first is told --accepted: no more than what was accepted then.
// SIGTERM, SIGINT and SIGHUP are passed on. A start that fails later, for want of memory or
// processes, is tried again like a supervisor that ended. Blocks; returns the supervisor's exit
// code.
struct GuardWords {
  std::filesystem::path run_dir;  // one that may be trusted, or empty
  std::string log_format;         // of the guard's own few lines
  pid_t child = 0;                // a supervisor that is this process's child already; 0: none is
};
int run_guard(const std::vector<std::string>& arguments, const GuardWords& words);

// A supervisor's words without those that a guard adds for one that follows on another: --accepted,
// --again and --ended with its value.
std::vector<std::string> words_of_start(const std::vector<std::string>& words);

// Whether this run directory had a guard that ended without being told to. Opens a file.
bool guard_is_gone(const std::filesystem::path& run_dir);

}  // namespace stampede::actors
