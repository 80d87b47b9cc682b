#pragma once

// One process that the supervisor answers for, held by a pidfd: the fd becomes readable when the
// process ends, and a signal sent through it never hits a later process with the same number.
// A process is either spawned (our child: its exit status is known) or adopted (started by an
// earlier supervisor: only its end is seen). Nothing here blocks. One thread.
//
// No PR_SET_PDEATHSIG: nodes outlive their supervisor on purpose.

#include <sys/types.h>

#include <filesystem>
#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "actors/node/node_lock.h"

namespace stampede::actors {

struct SpawnRequest {
  std::vector<std::string> arguments;  // after argv[0]; the program is this one (/proc/self/exe)
  std::filesystem::path output;        // stdout and stderr are appended here; empty: inherited
  bool with_failpoints = false;        // passes STAMPEDE_FAILPOINTS on
  std::string failpoints;              // given as STAMPEDE_FAILPOINTS instead; empty: not
  std::string name;                    // "webapp-1": argv[0] is stampede-webapp-1; empty: stampede
};

// How a process ended; both empty when nobody can know.
struct ProcessEnd {
  std::optional<int> exit_code;
  std::optional<int> signal;
};
std::string to_text(const ProcessEnd& end);  // "exit 70", "SIGKILL", "killed or crashed"

class WatchedProcess {
 public:
  // The child gets its own session, an empty signal mask and default signal actions.
  static std::variant<WatchedProcess, std::string> start(const SpawnRequest& request);
  // A child of this process that somebody has started before, or why it cannot be watched.
  static std::variant<WatchedProcess, std::string> of_child(pid_t pid);
  // Empty when that process is gone.
  static std::optional<WatchedProcess> adopt(const ProcessId& process);

  WatchedProcess(WatchedProcess&& other) noexcept
      : id_(other.id_), fd_(std::exchange(other.fd_, -1)), child_(other.child_) {}
  WatchedProcess& operator=(WatchedProcess&&) = delete;
  ~WatchedProcess();

  [[nodiscard]] pid_t pid() const { return id_.pid; }
  [[nodiscard]] bool is_child() const { return child_; }
  [[nodiscard]] const ProcessId& id() const { return id_; }
  [[nodiscard]] int fd() const { return fd_; }  // readable: the process ended
  void signal(int number) const;
  [[nodiscard]] bool ended() const;
  // It was killed or left, and its end is a matter of time: of its memory, or of a thread that gets
  // no processor. Reads /proc.
  [[nodiscard]] bool is_ending() const;
  // Once, after the end. Reaps our own child.
  ProcessEnd take_end();

 private:
  WatchedProcess(const ProcessId& id, int fd, bool child) : id_(id), fd_(fd), child_(child) {}
  ProcessId id_;
  int fd_;
  bool child_;
};

// Collects ended children that are none of `watched`: processes of others that became ours because
// this one is the first of its container, or their first living ancestor that collects. Never
// blocks; where one of `watched` has ended and was not collected yet, the rest waits for the next
// call.
void reap_others(const std::vector<pid_t>& watched);

}  // namespace stampede::actors
