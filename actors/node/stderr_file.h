#pragma once

// The file that a node's lines go to (stderr, and stdout with it). Somebody may remove or rename it
// while the node runs, as rotation does: lines would be written where nobody looks for them until
// the node's next start.

#include <chrono>
#include <filesystem>

namespace stampede::actors {

class StderrFile {
 public:
  using Clock = std::chrono::steady_clock;

  static constexpr std::chrono::seconds kLookEvery{1};

  // Where the file no longer stands under the name that it had at the first look, goes on in the
  // one that does, or makes it: stderr, and stdout when it went to the same file. Looks at most
  // once in kLookEvery; call it before each line. What is no file stays as it is, as does what
  // cannot be opened: then it is tried again. Blocks on the file system. One thread at a time.
  void look(Clock::time_point now);

 private:
  Clock::time_point next_{};
  std::filesystem::path name_;  // empty: not known yet
};

}  // namespace stampede::actors
