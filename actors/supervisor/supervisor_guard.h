#pragma once

// `supervisor --guard`: a parent that does nothing but start the supervisor again when it dies. The
// nodes live on meanwhile and are adopted by the new one. A guard that finds a supervisor whose
// guard has ended adopts it, and starts nothing before it ends. No thread; <run>/guard.lock is
// held, and tells who looks for it that there is one.

#include <filesystem>
#include <string>
#include <vector>

namespace stampede::actors {

// Runs this program with `arguments` (which name the supervisor without --guard) and starts it
// again, after 0.1 s doubling to 5 s, unless it ended with 0, 2, 6, 75 or 78, which another start
// cannot mend. Every start after the first is told --accepted: no more than what was accepted then.
// SIGTERM, SIGINT and SIGHUP are passed on. Blocks; returns the supervisor's exit code. `run_dir`:
// one that may be trusted, or empty.
int run_guard(const std::vector<std::string>& arguments, const std::filesystem::path& run_dir);

// Whether this run directory had a guard that ended without being told to. Opens a file.
bool guard_is_gone(const std::filesystem::path& run_dir);

}  // namespace stampede::actors
