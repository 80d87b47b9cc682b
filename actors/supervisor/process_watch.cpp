#include "actors/supervisor/process_watch.h"

#include <fcntl.h>
#include <poll.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <csignal>
#include <cstring>
#include <sstream>
#include <string>

#include "actors/supervisor/program_file.h"

extern "C" {  // glibc 2.36 forgot it in the header
#include <sys/pidfd.h>
}

namespace stampede::actors {
namespace {

// posix_spawn's two option objects, freed together.
class SpawnSetup {
 public:
  explicit SpawnSetup(const SpawnRequest& request) {
    ::posix_spawn_file_actions_init(&files);
    ::posix_spawnattr_init(&attributes);
    ::posix_spawn_file_actions_addopen(&files, 0, "/dev/null", O_RDONLY, 0);
    if (!request.output.empty()) {
      ::posix_spawn_file_actions_addopen(&files, 1, request.output.c_str(),
                                         O_WRONLY | O_CREAT | O_APPEND, 0600);
      ::posix_spawn_file_actions_adddup2(&files, 1, 2);
    }
    ::posix_spawn_file_actions_addclosefrom_np(&files, 3);
    sigset_t none;
    sigset_t all;
    sigemptyset(&none);
    sigfillset(&all);
    ::posix_spawnattr_setsigmask(&attributes, &none);
    ::posix_spawnattr_setsigdefault(&attributes, &all);
    // An own session: Ctrl-C in a terminal reaches the supervisor alone, which stops nodes in
    // order.
    ::posix_spawnattr_setflags(
        &attributes,
        static_cast<short>(POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSID));
  }
  ~SpawnSetup() {
    ::posix_spawn_file_actions_destroy(&files);
    ::posix_spawnattr_destroy(&attributes);
  }
  SpawnSetup(const SpawnSetup&) = delete;
  SpawnSetup& operator=(const SpawnSetup&) = delete;

  posix_spawn_file_actions_t files;
  posix_spawnattr_t attributes;
};

}  // namespace

std::string to_text(const ProcessEnd& end) {
  if (end.exit_code) return "exit " + std::to_string(*end.exit_code);
  if (!end.signal) return "killed or crashed";  // no note, and not our child
  const char* name = ::sigabbrev_np(*end.signal);
  return name == nullptr ? "signal " + std::to_string(*end.signal) : std::string("SIG") + name;
}

std::variant<WatchedProcess, std::string> WatchedProcess::start(const SpawnRequest& request) {
  std::vector<std::string> words = request.arguments;
  words.insert(words.begin(), request.name.empty() ? "stampede" : "stampede-" + request.name);
  auto argv = argument_vector(words);
  std::string own;
  if (!request.failpoints.empty()) own = "STAMPEDE_FAILPOINTS=" + request.failpoints;
  auto env = environment_for(request.with_failpoints, own);

  SpawnSetup setup(request);
  pid_t pid = 0;
  const int error = ::posix_spawn(&pid, "/proc/self/exe", &setup.files, &setup.attributes,
                                  argv.data(), env.data());
  if (error != 0) return std::string("cannot start a process: ") + std::strerror(error);
  const int fd = ::pidfd_open(pid, 0);  // sets close-on-exec; the child is not reaped, pid is its
  if (fd < 0) {
    const std::string reason = std::strerror(errno);
    ::kill(pid, SIGKILL);
    ::waitpid(pid, nullptr, 0);
    return "cannot watch a process: " + reason;
  }
  return WatchedProcess({pid, start_time_of(pid).value_or(0)}, fd, true);
}

std::variant<WatchedProcess, std::string> WatchedProcess::of_child(pid_t pid) {
  const int fd = ::pidfd_open(pid, 0);
  if (fd < 0) return "cannot watch process " + std::to_string(pid) + ": " + std::strerror(errno);
  return WatchedProcess({pid, start_time_of(pid).value_or(0)}, fd, true);
}

std::optional<WatchedProcess> WatchedProcess::adopt(const ProcessId& process) {
  const int fd = ::pidfd_open(process.pid, 0);
  if (fd < 0) return std::nullopt;
  WatchedProcess watched(process, fd, false);
  // Only now: the fd holds whoever has the number at present.
  if (start_time_of(process.pid) != process.start_time) return std::nullopt;
  return watched;
}

WatchedProcess::~WatchedProcess() {
  if (fd_ >= 0) ::close(fd_);
}

void WatchedProcess::signal(int number) const {
  ::pidfd_send_signal(fd_, number, nullptr, 0);  // ESRCH: it ended, which the fd says too
}

bool WatchedProcess::ended() const {
  pollfd poll{fd_, POLLIN, 0};
  return ::poll(&poll, 1, 0) == 1;
}

bool WatchedProcess::is_ending() const {
  constexpr int kSizeField = 23;  // of its address space; none: it has given that up
  auto fields = process_stat(id_.pid);
  std::string field;
  fields >> field;                  // 3: state
  if (field.empty()) return false;  // who is gone is told by the fd
  if (field == "Z" || field == "X") return true;
  for (int number = 4; number <= kSizeField; ++number) fields >> field;
  return field == "0";
}

ProcessEnd WatchedProcess::take_end() {
  ProcessEnd end;
  if (!child_) return end;
  siginfo_t info{};
  if (::waitid(P_PIDFD, static_cast<id_t>(fd_), &info, WEXITED | WNOHANG) != 0) return end;
  if (info.si_code == CLD_EXITED) {
    end.exit_code = info.si_status;
  } else if (info.si_code == CLD_KILLED || info.si_code == CLD_DUMPED) {
    end.signal = info.si_status;
  }
  return end;
}

void reap_others(const std::vector<pid_t>& watched) {
  for (;;) {
    siginfo_t info{};
    if (::waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) != 0 || info.si_pid == 0) return;
    if (std::find(watched.begin(), watched.end(), info.si_pid) != watched.end()) return;
    ::waitpid(info.si_pid, nullptr, WNOHANG);
  }
}

}  // namespace stampede::actors
