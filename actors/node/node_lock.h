#pragma once

// The lock that makes a node id unique on this run directory: flock on <run>/<node id>.lock, held
// from start to end and freed by the kernel however the process ends. Its content names the holder
// for people and for a supervisor that adopts running nodes. Thread-compatible.

#include <sys/types.h>

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <sstream>
#include <string>
#include <utility>
#include <variant>

namespace stampede::actors {

// A process that cannot be mistaken for a later one with the same number.
struct ProcessId {
  pid_t pid = 0;
  std::uint64_t start_time = 0;  // clock ticks since boot, field 22 of /proc/<pid>/stat
  bool operator==(const ProcessId&) const = default;
};

// The fields of /proc/PID/stat (proc(5)) from the third on, its state; none: there is no such
// process.
std::istringstream process_stat(pid_t pid);

// Empty when there is no such process or only its zombie.
std::optional<std::uint64_t> start_time_of(pid_t pid);

struct LockHolder {
  ProcessId process;
  std::uint64_t instance = 0;
};

class NodeLock {
 public:
  // Within that time whoever holds a lock restores it.
  static constexpr std::chrono::milliseconds kRestoreEvery{250};
  // How often he looks all the same while he would hear of it.
  static constexpr std::chrono::milliseconds kLookEvery{2'000};

  // Retries for `retry_ms` and blocks meanwhile; where there is no file a holder that lost it has
  // that time to restore it. The text says who holds it and what to do.
  static std::variant<NodeLock, std::string> take(const std::filesystem::path& file,
                                                  std::uint64_t instance, int retry_ms = 1000);
  NodeLock(NodeLock&& other) noexcept;
  NodeLock& operator=(NodeLock&&) = delete;
  ~NodeLock();

  // Makes the file anew when its name is gone or leads to another file, so that whoever looks for
  // the node finds it; not when another process holds that one. Does not block; errors pass. True:
  // it was in its place.
  bool restore();
  // Readable once the file, or its directory, was moved or removed: restore() then. -1: nobody
  // tells. Ask for it before restore(), which may end it.
  [[nodiscard]] int watch();

 private:
  NodeLock(std::filesystem::path file, std::uint64_t instance, int fd);
  void unwatch();

  std::filesystem::path file_;
  std::uint64_t instance_;
  int fd_;
  int watch_ = -1;  // an inotify of the file
};

std::filesystem::path lock_file(const std::filesystem::path& run_dir, const std::string& node);

// Who holds the lock; empty when nobody does. Waits up to 200 ms for a holder that has not written
// its name yet; a lock held by a process that is gone from /proc counts as held with pid 0.
std::optional<LockHolder> lock_holder(const std::filesystem::path& file);

}  // namespace stampede::actors
