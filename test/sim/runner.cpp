#include "test/sim/runner.h"

#include <signal.h>
#include <sodium.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <charconv>
#include <chrono>
#include <cinttypes>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <new>
#include <optional>

namespace stampede::sim {

namespace {

constexpr int kExitViolation = 4;
constexpr std::size_t kTextMax = 400;
constexpr std::size_t kFailuresMax = 64;
constexpr int kSeedCpuSecondsMax = 20;
constexpr int kSeedSecondsMax = 600;

struct Arguments {
  std::optional<std::uint64_t> seed;
  std::uint64_t seeds = 1000;
  std::uint64_t from = 1;
  std::vector<std::uint64_t> listed;  // these instead
  unsigned jobs = 1;
  bool shrink = true;
  bool stop_at_first = false;
  RunOptions run;
  std::string mode = "both";
};

constexpr const char* kUsage =
    "usage: stampede_sim [--seed N [--trace] [--steps N]] [--seeds N] [--from N] [--jobs J]\n"
    "                    [--list FILE] [--mode safety|liveness|both] [--no-shrink]\n"
    "                    [--stop-at-first]\n"
    "  --seed N     one seed; --trace prints every event, --steps N ends it after N events\n"
    "  --seeds N    so many seeds (1000), --from N the first (1), in --jobs J processes (1; 0: in "
    "this one)\n"
    "               `--from random` begins where nobody was, and says where\n"
    "  --list FILE  the seeds of a file, one a line; the rest of a line is for people\n"
    "  --mode       safety: faults all the time, then stop; liveness: no faults, must drain;\n"
    "               both: faults, then none, and everything must drain (the default)\n"
    "exit: 0 no violation, 2 wrong use, 4 a violation\n";

bool parse_number(const std::string& text, std::uint64_t& number) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  return error == std::errc{} && end == text.data() + text.size();
}

// Seeds that once failed, each at the beginning of a line.
bool read_list(const std::string& file, std::vector<std::uint64_t>& seeds) {
  std::ifstream in(file);
  for (std::string line; std::getline(in, line);) {
    std::uint64_t seed = 0;
    if (std::sscanf(line.c_str(), "%" SCNu64, &seed) == 1) seeds.push_back(seed);
  }
  return in.eof() && !seeds.empty();
}

bool parse_mode(const std::string& mode, RunOptions& run) {
  run.safety = mode != "liveness";
  run.liveness = mode != "safety";
  return mode == "safety" || mode == "liveness" || mode == "both";
}

bool parse(const std::vector<std::string>& words, Arguments& arguments) {
  for (std::size_t i = 0; i < words.size(); ++i) {
    const auto& word = words[i];
    if (word == "--trace") {
      arguments.run.trace = true;
    } else if (word == "--no-shrink") {
      arguments.shrink = false;
    } else if (word == "--stop-at-first") {
      arguments.stop_at_first = true;
    } else if (i + 1 == words.size()) {
      return false;
    } else if (word == "--mode") {
      arguments.mode = words[++i];
      if (!parse_mode(arguments.mode, arguments.run)) return false;
    } else if (word == "--list") {
      if (!read_list(words[++i], arguments.listed)) return false;
      arguments.seeds = arguments.listed.size();
    } else if (word == "--from" && words[i + 1] == "random") {
      arguments.from = 1 + randombytes_uniform(1u << 31) * std::uint64_t{1'000'000};
      ++i;
    } else {
      std::uint64_t number = 0;
      if (!parse_number(words[++i], number)) return false;
      if (word == "--seed")
        arguments.seed = number;
      else if (word == "--seeds")
        arguments.seeds = number;
      else if (word == "--from")
        arguments.from = number;
      else if (word == "--jobs" && number <= 64)
        arguments.jobs = static_cast<unsigned>(number);
      else if (word == "--steps")
        arguments.run.steps_max = number;
      else
        return false;
    }
  }
  return true;
}

// --- shared between the processes ----------------------------------------------------------------

struct Failure {
  std::uint64_t seed;
  std::uint64_t step;
  char invariant[16];
  char what[kTextMax];
};

struct Shared {
  std::atomic<std::uint64_t> next{0};
  std::atomic<std::uint64_t> seeds{0}, steps{0}, kills{0}, power_cuts{0}, recoveries{0}, orders{0},
      disk_errors{0}, server_errors{0}, refusals{0}, snapshots{0}, removed{0}, violations{0};
  std::atomic<std::uint64_t> failures{0};
  Failure failure[kFailuresMax];
  std::atomic<std::uint64_t> running[64];  // seed of each worker
};

void note_failure(Shared& shared, std::uint64_t seed, std::uint64_t step,
                  const std::string& invariant, const std::string& what) {
  shared.violations.fetch_add(1);
  const auto at = shared.failures.fetch_add(1);
  if (at >= kFailuresMax) return;
  auto& failure = shared.failure[at];
  failure.seed = seed;
  failure.step = step;
  std::snprintf(failure.invariant, sizeof failure.invariant, "%s", invariant.c_str());
  std::snprintf(failure.what, sizeof failure.what, "%s", what.c_str());
}

void count(Shared& shared, std::uint64_t seed, const RunResult& result) {
  shared.seeds.fetch_add(1);
  shared.steps.fetch_add(result.steps);
  shared.kills.fetch_add(result.kills);
  shared.power_cuts.fetch_add(result.power_cuts);
  shared.recoveries.fetch_add(result.recoveries);
  shared.orders.fetch_add(result.orders);
  shared.disk_errors.fetch_add(result.disk_errors);
  shared.server_errors.fetch_add(result.server_errors);
  shared.refusals.fetch_add(result.refusals);
  shared.snapshots.fetch_add(result.snapshots);
  shared.removed.fetch_add(result.removed);
  if (result.violation)
    note_failure(shared, seed, result.steps, result.violation->invariant, result.violation->what);
}

// A seed that never ends is a violation too. Time of the processor, not of the wall: a machine or
// a process that was stopped meanwhile is no fault of the seed. The wall's is for one that blocks.
void limit_time() {
  itimerval limit{};
  limit.it_value.tv_sec = kSeedCpuSecondsMax;
  ::setitimer(ITIMER_PROF, &limit, nullptr);
  ::alarm(kSeedSecondsMax);
}

void work(Shared& shared, unsigned worker, const Arguments& arguments) {
  while (true) {
    const auto at = shared.next.fetch_add(1);
    if (at >= arguments.seeds || (arguments.stop_at_first && shared.violations.load() > 0)) break;
    const auto seed = arguments.listed.empty() ? arguments.from + at : arguments.listed[at];
    shared.running[worker].store(seed);
    limit_time();
    count(shared, seed, run_seed(seed, arguments.run));
  }
}

std::string death_of(int status) {
  if (WIFEXITED(status)) return "the process ended with " + std::to_string(WEXITSTATUS(status));
  if (WTERMSIG(status) == SIGPROF || WTERMSIG(status) == SIGALRM) return "the seed does not end";
  return "the process ended by signal " + std::to_string(WTERMSIG(status));
}

pid_t start_worker(Shared& shared, unsigned worker, const Arguments& arguments) {
  std::fflush(nullptr);
  const auto pid = ::fork();
  if (pid == 0) {
    work(shared, worker, arguments);
    ::_exit(0);
  }
  return pid;
}

// Asked to end, a run finishes the seeds at hand and reports what it has.
Shared* interrupted = nullptr;
void stop_early(int) {
  interrupted->next.store(std::uint64_t{1} << 62);
}

void run_workers(Shared& shared, const Arguments& arguments) {
  if (arguments.jobs == 0) return work(shared, 0, arguments);
  std::vector<pid_t> workers;
  for (unsigned i = 0; i < arguments.jobs; ++i)
    workers.push_back(start_worker(shared, i, arguments));
  for (unsigned alive = arguments.jobs; alive > 0;) {
    int status = 0;
    const auto pid = ::wait(&status);
    if (pid < 0) break;
    for (unsigned i = 0; i < workers.size(); ++i) {
      if (workers[i] != pid) continue;
      if (WIFEXITED(status) && WEXITSTATUS(status) == 0) {
        --alive;
        continue;
      }
      shared.seeds.fetch_add(1);
      note_failure(shared, shared.running[i].load(), 0, "process", death_of(status));
      workers[i] = start_worker(shared, i, arguments);
    }
  }
}

// --- reports -------------------------------------------------------------------------------------

// In a process of its own: 0 when the seed runs through.
bool fails_within(std::uint64_t seed, RunOptions options, std::uint64_t steps) {
  options.steps_max = steps;
  std::fflush(nullptr);
  const auto pid = ::fork();
  if (pid == 0) {
    if (std::freopen("/dev/null", "w", stderr) == nullptr) ::_exit(2);
    limit_time();
    ::_exit(run_seed(seed, options).violation ? 1 : 0);
  }
  int status = 0;
  ::waitpid(pid, &status, 0);
  return !(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

// The fewest events after which the seed still fails.
std::uint64_t shrink(std::uint64_t seed, const RunOptions& options) {
  std::uint64_t low = 0;
  std::uint64_t high = 1 << 20;
  if (!fails_within(seed, options, high)) return high;
  while (low + 1 < high) {
    const auto middle = low + (high - low) / 2;
    (fails_within(seed, options, middle) ? high : low) = middle;
  }
  return high;
}

void report(const Failure& failure, const Arguments& arguments) {
  std::printf("violation: seed=%llu step=%llu invariant=%s: %s\n",
              static_cast<unsigned long long>(failure.seed),
              static_cast<unsigned long long>(failure.step), failure.invariant, failure.what);
  std::printf("  repeat: stampede_sim --seed %llu --mode %s --trace",
              static_cast<unsigned long long>(failure.seed), arguments.mode.c_str());
  if (arguments.shrink)
    std::printf(" --steps %llu",
                static_cast<unsigned long long>(shrink(failure.seed, arguments.run)));
  std::printf("\n");
}

double cpu_seconds() {
  rusage used{};
  ::getrusage(RUSAGE_CHILDREN, &used);
  return static_cast<double>(used.ru_utime.tv_sec + used.ru_stime.tv_sec) +
         static_cast<double>(used.ru_utime.tv_usec + used.ru_stime.tv_usec) * 1e-6;
}

unsigned long long number(const std::atomic<std::uint64_t>& value) {
  return value.load();
}

int run_many(const Arguments& arguments) {
  void* memory =
      ::mmap(nullptr, sizeof(Shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) return 1;
  auto& shared = *new (memory) Shared;
  interrupted = &shared;
  struct sigaction action {};
  action.sa_handler = stop_early;
  action.sa_flags = SA_RESTART;
  ::sigaction(SIGTERM, &action, nullptr);
  ::sigaction(SIGINT, &action, nullptr);
  const auto began = std::chrono::steady_clock::now();
  run_workers(shared, arguments);
  const std::chrono::duration<double> took = std::chrono::steady_clock::now() - began;
  const auto cpu = cpu_seconds();
  const auto failures = std::min<std::uint64_t>(shared.failures.load(), kFailuresMax);
  const std::uint64_t shown = std::min<std::uint64_t>(failures, 5);
  for (std::uint64_t i = 0; i < shown; ++i) report(shared.failure[i], arguments);
  std::printf(
      "sim: seeds=%llu from=%llu mode=%s events=%llu crashes=%llu (kill %llu, power %llu)"
      " recoveries=%llu confirmed=%llu disk_errors=%llu db_errors=%llu refusals=%llu"
      " snapshots=%llu removed_segments=%llu violations=%llu seeds/s=%.0f seeds/cpu-s=%.0f\n",
      number(shared.seeds), static_cast<unsigned long long>(arguments.from), arguments.mode.c_str(),
      number(shared.steps), number(shared.kills) + number(shared.power_cuts), number(shared.kills),
      number(shared.power_cuts), number(shared.recoveries), number(shared.orders),
      number(shared.disk_errors), number(shared.server_errors), number(shared.refusals),
      number(shared.snapshots), number(shared.removed), number(shared.violations),
      static_cast<double>(shared.seeds.load()) / took.count(),
      static_cast<double>(shared.seeds.load()) / cpu);
  return shared.violations.load() == 0 ? 0 : kExitViolation;
}

int run_one(const Arguments& arguments) {
  const auto result = run_seed(*arguments.seed, arguments.run);
  std::printf(
      "sim: seed=%llu hash=%016llx events=%llu kills=%llu power=%llu recoveries=%llu"
      " confirmed=%llu disk_errors=%llu db_errors=%llu refusals=%llu\n",
      static_cast<unsigned long long>(*arguments.seed),
      static_cast<unsigned long long>(result.hash), static_cast<unsigned long long>(result.steps),
      static_cast<unsigned long long>(result.kills),
      static_cast<unsigned long long>(result.power_cuts),
      static_cast<unsigned long long>(result.recoveries),
      static_cast<unsigned long long>(result.orders),
      static_cast<unsigned long long>(result.disk_errors),
      static_cast<unsigned long long>(result.server_errors),
      static_cast<unsigned long long>(result.refusals));
  if (!result.violation) return 0;
  std::printf("violation: seed=%llu step=%llu invariant=%s: %s\n",
              static_cast<unsigned long long>(*arguments.seed),
              static_cast<unsigned long long>(result.steps), result.violation->invariant.c_str(),
              result.violation->what.c_str());
  return kExitViolation;
}

}  // namespace

RunResult run_seed(std::uint64_t seed, const RunOptions& options) {
  World world(seed, options);
  try {
    return world.run();
  } catch (const StepLimit&) {
    return {};
  }
}

int run_command(const std::vector<std::string>& words) {
  if (sodium_init() < 0) return 1;
  Arguments arguments;
  if (!parse(words, arguments)) {
    std::fputs(kUsage, stderr);
    return 2;
  }
  return arguments.seed ? run_one(arguments) : run_many(arguments);
}

}  // namespace stampede::sim
