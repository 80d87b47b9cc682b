#include "tools/upgrade/takeover.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <filesystem>
#include <thread>

#include "tools/upgrade/program_facts.h"

namespace stampede::tools {
namespace {

namespace fs = std::filesystem;
using std::chrono::milliseconds;
using std::chrono::steady_clock;

constexpr milliseconds kLookAgain{20};
constexpr milliseconds kEndsWithin{5'000};
constexpr milliseconds kServiceManagerWithin{10'000};
constexpr int kStarts = 2;  // somebody may kill the first guard before it has a supervisor

bool supervisor_runs(const std::string& run_dir) {
  const auto file = fs::path(run_dir) / "supervisor-1.lock";
  const int fd = ::open(file.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) return false;
  const bool held = ::flock(fd, LOCK_SH | LOCK_NB) != 0;
  ::close(fd);
  return held;
}

bool await_supervisor(const std::string& run_dir, bool runs, milliseconds within) {
  const auto until = steady_clock::now() + within;
  while (supervisor_runs(run_dir) != runs) {
    if (steady_clock::now() >= until) return false;
    std::this_thread::sleep_for(kLookAgain);
  }
  return true;
}

}  // namespace

Superior superior_of(pid_t supervisor) {
  Superior found;
  found.supervisor = supervisor;
  found.words = words_of_process(supervisor);
  const pid_t parent = parent_of(supervisor);
  auto words = words_of_process(parent);
  if (has_word(words, "--guard") && file_id(exe_of(parent)) == file_id(exe_of(supervisor))) {
    found.guard = parent;
    found.words = std::move(words);
  }
  const auto top = found.guard != 0 ? found.guard : supervisor;
  std::error_code error;
  const auto out = fs::read_symlink("/proc/" + std::to_string(top) + "/fd/1", error);
  if (!error && fs::is_regular_file(out, error)) found.log = out.string();
  return found;
}

// The guard first: it would start the old program again.
std::string take_over(const Superior& superior, const std::string& program,
                      const std::string& run_dir) {
  if (superior.words.words.empty()) return "the supervisor's command line cannot be read";
  if (superior.guard != 0) ::kill(superior.guard, SIGKILL);
  ::kill(superior.supervisor, SIGKILL);
  if (!await_supervisor(run_dir, false, kEndsWithin)) return "the supervisor does not end";
  const bool managed = !variable_of(superior.words, "NOTIFY_SOCKET").empty();
  if (managed && await_supervisor(run_dir, true, kServiceManagerWithin)) return {};
  auto words = superior.words;
  for (const char* word : {"--accepted", "--again"})
    if (!has_word(words, word)) words.words.emplace_back(word);
  std::string fault;
  for (int i = 0; i < kStarts; ++i) {
    fault = start_apart(program, words, superior.log);
    if (fault.empty() && await_supervisor(run_dir, true, kEndsWithin)) return {};
  }
  return fault.empty() ? "the new supervisor does not start" : fault;
}

}  // namespace stampede::tools
