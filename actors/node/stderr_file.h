#pragma once

// The file that a node's lines go to (stderr, and stdout with it). Somebody may remove it while the
// node runs: lines would be written where nobody finds them until the node's next start.

#include <chrono>

namespace stampede::actors {

class StderrFile {
 public:
  using Clock = std::chrono::steady_clock;

  static constexpr std::chrono::seconds kLookEvery{1};

  // Makes a file again that has no name any more, and lets stderr, and stdout when it went to the
  // same file, go there. Looks at most once in kLookEvery; call it before each line. What is no
  // file, or was not removed, stays as it is, as does what cannot be made: then it is tried again.
  // Blocks on the file system. One thread at a time.
  void look(Clock::time_point now);

 private:
  Clock::time_point next_{};
};

}  // namespace stampede::actors
