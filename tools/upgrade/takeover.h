#pragma once

// For a system whose supervisor cannot become another program, as the first ones: its guard and
// then the supervisor are killed, which no node notices, and a guard of the new program is started
// with the words and the environment of the one before. Under a service manager that starts what
// dies this only waits for it.

#include <sys/types.h>

#include <string>

#include "tools/upgrade/program_run.h"

namespace stampede::tools {

// What is started again, and what must end before.
struct Superior {
  pid_t guard = 0;  // 0: there is none
  pid_t supervisor = 0;
  ProcessWords words;  // of the guard, or else of the supervisor
  std::string log;     // where its output goes; empty: nobody knows
};
Superior superior_of(pid_t supervisor);

// Empty, or what went wrong; then the nodes run as before, without a supervisor.
std::string take_over(const Superior& superior, const std::string& program,
                      const std::string& run_dir);

}  // namespace stampede::tools
