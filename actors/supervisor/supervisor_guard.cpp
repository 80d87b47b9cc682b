#include "actors/supervisor/supervisor_guard.h"

#include <poll.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <csignal>
#include <utility>

#include "actors/node/node_log.h"
#include "actors/node/watched_actor.h"
#include "actors/supervisor/process_watch.h"
#include "actors/supervisor/program_file.h"
#include "config/process/idle_signals.h"

namespace stampede::actors {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

constexpr milliseconds kBackoffMin{100};
constexpr milliseconds kBackoffMax{5'000};
constexpr milliseconds kCalm{10'000};  // lived so long: the next back-off begins anew
constexpr std::array kFinalCodes{0, 2, 6, 75, 78};

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
void become_program_of(const WatchedProcess& supervisor, std::vector<std::string> arguments) {
  if (!runs_another_program(supervisor.pid())) return;
  const auto pid = std::to_string(supervisor.pid());
  arguments.insert(arguments.begin(), "stampede");
  arguments.insert(arguments.end(), {"--guard", "--child", pid});
  log_info("becoming the program of the supervisor");
  log_warning("going on as this program: " +
              become_program("/proc/" + pid + "/exe", std::move(arguments)));
}

// Passes signals on until the process has ended.
ProcessEnd wait_for_end(WatchedProcess& process, int signals, bool& told_to_stop,
                        const std::vector<std::string>& arguments) {
  for (;;) {
    pollfd fds[2] = {{process.fd(), POLLIN, 0}, {signals, POLLIN, 0}};
    if (::poll(fds, 2, -1) < 0) continue;
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

bool is_final(const ProcessEnd& end) {
  return end.exit_code &&
         std::find(kFinalCodes.begin(), kFinalCodes.end(), *end.exit_code) != kFinalCodes.end();
}

// What every supervisor but the first one of a system is told.
void go_on(std::vector<std::string>& arguments) {
  for (const char* word : {"--accepted", "--again"})
    if (std::find(arguments.begin(), arguments.end(), word) == arguments.end())
      arguments.emplace_back(word);
}

// One more start, or the supervisor that is there; only the first start begins a system, and
// failpoints are for it alone.
std::variant<WatchedProcess, std::string> next_supervisor(SpawnRequest& request, pid_t child) {
  auto next = child != 0 ? WatchedProcess::of_child(child) : WatchedProcess::start(request);
  request.with_failpoints = false;
  go_on(request.arguments);
  return next;
}

}  // namespace

int run_guard(const std::vector<std::string>& arguments, const std::string& log_format,
              pid_t child) {
  start_log("guard");
  set_log_format(log_format);
  name_thread("guard");
  const int signals = open_signals();
  bool told_to_stop = false;
  SpawnRequest request;
  request.arguments = arguments;
  request.with_failpoints = true;
  request.name = "supervisor-1";
  milliseconds wait = kBackoffMin;
  for (;;) {
    const auto began = steady_clock::now();
    auto next = next_supervisor(request, std::exchange(child, 0));
    if (auto* reason = std::get_if<std::string>(&next)) {
      log_critical(*reason);
      return 1;
    }
    const auto end =
        wait_for_end(std::get<WatchedProcess>(next), signals, told_to_stop, request.arguments);
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

}  // namespace stampede::actors
