#include "actors/supervisor/supervisor_guard.h"

#include <poll.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <csignal>
#include <iterator>
#include <optional>
#include <system_error>
#include <utility>
#include <variant>

#include "actors/node/exit_note.h"
#include "actors/node/node_lock.h"
#include "actors/node/node_log.h"
#include "actors/node/watched_actor.h"
#include "actors/supervisor/process_watch.h"
#include "actors/supervisor/program_file.h"
#include "actors/supervisor/service_notice.h"
#include "config/process/idle_signals.h"
#include "config/process/wall_clock.h"

namespace stampede::actors {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

constexpr milliseconds kBackoffMin{100};
constexpr milliseconds kBackoffMax{5'000};
constexpr milliseconds kCalm{10'000};  // lived so long: the next back-off begins anew
constexpr int kSignRetryMs = 200;
constexpr milliseconds kLockRetry{1'000};  // the supervisor makes the run directory
constexpr std::array kFinalCodes{0, 2, 6, 75, 78};
constexpr const char* kSupervisor = "supervisor-1";

std::filesystem::path guard_file(const std::filesystem::path& run_dir) {
  return run_dir / "guard.lock";
}

// That there is a guard, for those who ask. The file goes when the guard ends as it should.
class GuardSign {
 public:
  explicit GuardSign(std::filesystem::path run_dir) : run_dir_(std::move(run_dir)) {}
  ~GuardSign() {
    std::error_code ignored;
    if (lock_) std::filesystem::remove(guard_file(run_dir_), ignored);
  }
  GuardSign(const GuardSign&) = delete;
  GuardSign& operator=(const GuardSign&) = delete;

  // True: it is shown, and nobody else is guard here. Who looks for a guard holds the file for a
  // moment.
  bool show(int retry_ms = 0) {
    if (lock_ || run_dir_.empty()) return lock_.has_value();
    auto taken = NodeLock::take(guard_file(run_dir_), 0, retry_ms);
    if (auto* lock = std::get_if<NodeLock>(&taken)) lock_.emplace(std::move(*lock));
    return lock_.has_value();
  }
  [[nodiscard]] bool shown() const { return lock_.has_value(); }

 private:
  std::filesystem::path run_dir_;
  std::optional<NodeLock> lock_;
};

int open_signals() {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGTERM);
  sigaddset(&set, SIGINT);
  sigaddset(&set, SIGHUP);
  sigaddset(&set, SIGCHLD);
  sigaddset(&set, kGuardChangesAt);
  ::sigprocmask(SIG_BLOCK, &set, nullptr);
  config::ignore_idle_signals();  // what is blocked is read all the same
  return ::signalfd(-1, &set, SFD_CLOEXEC);
}

// The signal that is to be passed on; 0: none. The end of a child of others is dealt with here.
int take_signal(int signals, const std::vector<pid_t>& watched) {
  signalfd_siginfo info{};
  if (::read(signals, &info, sizeof info) != sizeof info) return 0;
  if (info.ssi_signo != SIGCHLD) return static_cast<int>(info.ssi_signo);
  reap_others(watched);
  return 0;
}

// Its child goes on, and is the child of what this process becomes.
// (One that was adopted is adopted once more.)
void become_program_of(const WatchedProcess& supervisor, std::vector<std::string> arguments) {
  if (!runs_another_program(supervisor.pid())) return;
  const auto pid = std::to_string(supervisor.pid());
  arguments.insert(arguments.begin(), "stampede");
  arguments.emplace_back("--guard");
  if (supervisor.is_child()) arguments.insert(arguments.end(), {"--child", pid});
  log_info("becoming the program of the supervisor");
  log_warning("going on as this program: " +
              become_program("/proc/" + pid + "/exe", std::move(arguments)));
}

// Passes signals on until the process has ended.
ProcessEnd wait_for_end(WatchedProcess& process, int signals, bool& told_to_stop, GuardSign& sign,
                        const std::vector<std::string>& arguments) {
  for (;;) {
    pollfd fds[2] = {{process.fd(), POLLIN, 0}, {signals, POLLIN, 0}};
    if (::poll(fds, 2, sign.shown() ? -1 : static_cast<int>(kLockRetry.count())) < 0) continue;
    (void)sign.show();
    if (fds[0].revents != 0) return process.take_end();
    const int signal = fds[1].revents != 0 ? take_signal(signals, {process.pid()}) : 0;
    if (signal == kGuardChangesAt) become_program_of(process, arguments);
    if (signal == 0 || signal == kGuardChangesAt) continue;
    if (signal == SIGHUP) reopen_log();
    told_to_stop = told_to_stop || signal != SIGHUP;
    process.signal(signal == SIGHUP ? SIGHUP : SIGTERM);
  }
}

bool told_to_stop_within(milliseconds wait, int signals) {
  const auto until = steady_clock::now() + wait;
  for (;;) {
    const auto left = std::chrono::ceil<milliseconds>(until - steady_clock::now());
    if (left.count() <= 0) return false;
    pollfd stop{signals, POLLIN, 0};
    if (::poll(&stop, 1, static_cast<int>(left.count())) != 1) continue;
    const int signal = take_signal(signals, {});
    if (signal == SIGHUP) reopen_log();
    if (signal == SIGHUP) log_warning("SIGHUP while there is no supervisor: nothing was reloaded");
    if (signal != 0 && signal != SIGHUP && signal != kGuardChangesAt) return true;
  }
}

// One that another guard had started, and left.
std::optional<WatchedProcess> left_alone(const std::filesystem::path& run_dir) {
  const auto holder = lock_holder(lock_file(run_dir, kSupervisor));
  if (!holder || holder->process.pid == 0) return std::nullopt;
  return WatchedProcess::adopt(holder->process);
}

std::optional<WatchedProcess> adopt(const std::filesystem::path& run_dir, GuardSign& sign) {
  const bool one_was_there = guard_is_gone(run_dir);
  if (!sign.show(one_was_there ? kSignRetryMs : 0) || !one_was_there) return std::nullopt;
  auto running = left_alone(run_dir);
  if (!running) return running;
  log_warning("the guard before this one ended; its supervisor is adopted");
  ServiceNotice::of_environment().tell("a supervisor that ran was adopted");
  return running;
}

// This process has become another program, and its child goes on.
std::optional<WatchedProcess> of_child(pid_t child, GuardSign& sign) {
  (void)sign.show(kSignRetryMs);
  auto running = WatchedProcess::of_child(child);
  if (auto* process = std::get_if<WatchedProcess>(&running)) return std::move(*process);
  log_warning(std::get<std::string>(running));
  return std::nullopt;
}

// Only the first start begins a system.
std::vector<std::string> behind(const std::vector<std::string>& words, const ProcessEnd& end) {
  auto arguments = words_of_start(words);
  arguments.insert(arguments.end(), {"--accepted", "--again", "--ended",
                                     std::to_string(config::wall_ms()) + ' ' + to_text(end)});
  return arguments;
}

// Nobody tells how an adopted process ended but itself.
ProcessEnd with_note(ProcessEnd end, pid_t pid, const std::filesystem::path& run_dir) {
  if (end.exit_code || end.signal || run_dir.empty()) return end;
  const auto note = read_exit_note(run_dir, kSupervisor);
  if (note && note->pid == pid) end.exit_code = note->code;
  return end;
}

bool is_final(const ProcessEnd& end) {
  return end.exit_code &&
         std::find(kFinalCodes.begin(), kFinalCodes.end(), *end.exit_code) != kFinalCodes.end();
}

}  // namespace

int run_guard(const std::vector<std::string>& arguments, const GuardWords& words) {
  start_log("guard");
  set_log_format(words.log_format);
  name_thread("guard");
  const int signals = open_signals();
  bool told_to_stop = false;
  SpawnRequest request;
  request.arguments = arguments;
  request.name = kSupervisor;
  GuardSign sign(words.run_dir);
  auto running = words.child != 0 ? of_child(words.child, sign) : adopt(words.run_dir, sign);
  request.with_failpoints = !running;
  milliseconds wait = kBackoffMin;
  for (;;) {
    const auto began = steady_clock::now();
    if (!running) {
      auto spawned = WatchedProcess::start(request);
      if (auto* reason = std::get_if<std::string>(&spawned)) {
        log_critical(*reason);
        if (request.with_failpoints) return 1;  // it was the first start
      } else {
        running.emplace(std::move(std::get<WatchedProcess>(spawned)));
      }
    }
    request.with_failpoints = false;  // they are for the first start alone
    ProcessEnd end;
    if (running) {
      const auto pid = running->pid();
      end = with_note(wait_for_end(*running, signals, told_to_stop, sign, request.arguments), pid,
                      words.run_dir);
      running.reset();
    }
    request.arguments = behind(arguments, end);
    if (is_final(end) || told_to_stop) return end.exit_code.value_or(1);
    if (steady_clock::now() - began >= kCalm) wait = kBackoffMin;
    log_warning("the supervisor ended (" + to_text(end) + "); starting it again in " +
                std::to_string(wait.count()) + " ms");
    if (told_to_stop_within(wait, signals)) {
      log_warning("told to stop while there is no supervisor; nodes may still run");
      return 1;
    }
    wait = std::min(2 * wait, kBackoffMax);
  }
}

std::vector<std::string> words_of_start(const std::vector<std::string>& words) {
  std::vector<std::string> own;
  for (auto word = words.begin(); word != words.end(); ++word) {
    if (*word == "--ended" && std::next(word) != words.end())
      ++word;
    else if (*word != "--accepted" && *word != "--again")
      own.push_back(*word);
  }
  return own;
}

bool guard_is_gone(const std::filesystem::path& run_dir) {
  const auto file = guard_file(run_dir);
  std::error_code ignored;
  return !run_dir.empty() && std::filesystem::exists(file, ignored) && !lock_holder(file);
}

}  // namespace stampede::actors
