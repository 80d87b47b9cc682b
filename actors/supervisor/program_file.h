#pragma once

// Which program a process runs: its file, whatever became of the file's name meanwhile. Stateless;
// any thread; looks at /proc and does not block.

#include <sys/types.h>

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace stampede::actors {

struct ProgramFile {
  std::uint64_t device = 0;
  std::uint64_t inode = 0;
  bool operator==(const ProgramFile&) const = default;
};
std::string to_text(const ProgramFile& file);  // "DEVICE:INODE"

// Empty: there is no such process, or it is another user's.
std::optional<ProgramFile> program_of(pid_t pid);
ProgramFile own_program();
// Where this process's program was started from; a file of that name may be another one by now.
std::string own_program_path();
// That process is known to run another program than this one.
bool runs_another_program(pid_t pid);

// What a process is started with; as long as `words` live, and are not changed.
std::vector<char*> argument_vector(std::vector<std::string>& words);
// This process's environment, its failpoints only if they are passed on. `own`: NAME=VALUE of the
// failpoints to give instead, or empty; lives as long as the result.
std::vector<char*> environment_for(bool pass_on, std::string& own);

// Becomes another program, in this process: its pid, children and terminal stay; every descriptor
// but the standard ones closes, failpoints of the environment are not handed on. Signals that are
// blocked now stay so. Returns only when that cannot be done, with the reason; nothing has changed
// then. `program` is a path; `words` begin with argv[0].
std::string become_program(const std::string& program, std::vector<std::string> words);

}  // namespace stampede::actors
