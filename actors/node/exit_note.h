#pragma once

// <run>/<node>.exit: why a node ended on purpose. Written by the node as its last act and read by a
// supervisor, which cannot wait for a process that it did not start. Stateless; block on the disk.

#include <sys/types.h>

#include <filesystem>
#include <optional>
#include <string>

namespace stampede::actors {

struct ExitNote {
  int code = 0;
  std::string reason;
  pid_t pid = 0;  // whose note this is; compare it before believing
};

// Errors are ignored: the process ends anyway, and its exit code says the same to its parent.
void write_exit_note(const std::filesystem::path& run_dir, const std::string& node,
                     const ExitNote& note);
std::optional<ExitNote> read_exit_note(const std::filesystem::path& run_dir,
                                       const std::string& node);
void remove_exit_note(const std::filesystem::path& run_dir, const std::string& node);

}  // namespace stampede::actors
