#pragma once

// Another process as the kernel shows it, and a program run beside it in its place. One thread.

#include <sys/types.h>

#include <chrono>
#include <string>
#include <vector>

namespace stampede::tools {

// What a process was started with.
struct ProcessWords {
  std::vector<std::string> words;        // argv
  std::vector<std::string> environment;  // NAME=VALUE
  std::string directory;                 // in which it stands
};
// Nothing where it is gone or another user's.
ProcessWords words_of_process(pid_t pid);
pid_t parent_of(pid_t pid);  // 0: nobody knows
std::string exe_of(pid_t pid);
// Where its program was started from; a file of that name may be another one by now.
std::string program_path(pid_t pid);
bool has_word(const ProcessWords& process, const std::string& word);
// The value of a variable; empty: there is none.
std::string variable_of(const ProcessWords& process, const std::string& name);

struct ProgramEnd {
  std::string fault;  // why it could not be started, or did not end in time; empty: neither
  int exit = -1;      // 128 + N: by signal N
  std::string output;
  std::string errors;
};
// Runs it to its end, or kills it when the time is over. Blocks.
ProgramEnd run_to_end(const std::string& program, const ProcessWords& as,
                      std::chrono::milliseconds within);
// Starts it in a session of its own, its output behind that of `log` (empty: thrown away). Empty,
// or why it could not be started.
std::string start_apart(const std::string& program, const ProcessWords& as, const std::string& log);

}  // namespace stampede::tools
