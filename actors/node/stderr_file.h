#pragma once

// The file that a node's lines go to (stderr, and stdout with it). It is rotated here, not by a
// library's file sink: what a dying process prints goes to the same descriptors, and has to land in
// the same file. Somebody else may remove or rename it while the node runs, as rotation does: lines
// would be written where nobody looks for them until the node's next start.

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <string_view>

namespace stampede::actors {

class StderrFile {
 public:
  using Clock = std::chrono::steady_clock;

  static constexpr std::chrono::seconds kLookEvery{1};
  static constexpr std::uint64_t kFileBytes = 32ull << 20;
  static constexpr int kFiles = 5;  // NAME, NAME.1 … NAME.4, the oldest

  explicit StderrFile(std::uint64_t file_bytes = kFileBytes) : file_bytes_(file_bytes) {}

  // Where the file no longer stands under the name that it had at the first look, goes on in the
  // one that does, or makes it: stderr, and stdout when it went to the same file. A file that has
  // grown to its size becomes NAME.1, and what was that NAME.2, …; the oldest goes. Looks at most
  // once in kLookEvery, or when lines of ours have filled the file; call it before each line. What
  // is no file stays as it is, as does what cannot be opened or renamed: then it is tried again.
  // Several processes may share a file. Blocks on the file system. One thread at a time.
  void look(Clock::time_point now);
  void look_now() { look(next_ = Clock::now()); }  // whoever rotates says that he has

  void write(std::string_view line);  // all of it, in one piece where the system takes it so

 private:
  void go_on_in_named();
  void rotate();

  std::uint64_t file_bytes_;
  Clock::time_point next_{};
  std::filesystem::path name_;  // empty: not known yet
  std::uint64_t size_ = 0;      // at the last look, and what was written since
  bool rotates_ = true;         // it worked the last time
};

}  // namespace stampede::actors
