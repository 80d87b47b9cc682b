// `stampede chaos crash`: arm, wait for the crash, wait for the recovery, and the books.

#include <chrono>
#include <cstdio>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <random>

#include "config/faults/failpoint_names.h"
#include "storage/log/log_segment.h"
#include "tools/books/verify.h"
#include "tools/chaos/chaos.h"
#include "tools/chaos/chaos_steps.h"

namespace stampede::tools {
namespace {

using nlohmann::json;

constexpr std::int64_t kQuietMs = 500;     // so long without a crash: nudge
constexpr std::int64_t kCrashMs = 60'000;  // then it is said that nothing passes the point
constexpr unsigned kNthMax = 5;

class Crash {
 public:
  Crash(const ToolOptions& options, const ChaosCrash& wish)
      : options_(options), wish_(wish), random_(wish.seed.value_or(0)) {}

  int run() {
    check();
    for (unsigned i = 1; i <= wish_.repeat; ++i) once(i);
    if (!wish_.verify) return kExitDone;
    return run_verify(options_, kVerifyWaitMs * 2);
  }

 private:
  void check() {
    require_dev(options_.config);
    if (wish_.node != "backend" && wish_.node != "backend-1") {
      throw ChaosError{"crash points are the backend's: chaos crash backend --at " + wish_.point,
                       kExitWrongUse};
    }
    point_ = config::find_crash_point(wish_.point);
    if (point_ != nullptr) return;
    std::string names;
    for (const auto& known : config::kCrashPoints) names += " " + std::string(known.name);
    throw ChaosError{"there is no crash point " + wish_.point + "; there are:" + names,
                     kExitWrongUse};
  }

  // A point of the start fires at its first pass: a later one may never come.
  unsigned nth() {
    if (wish_.nth > 0) return wish_.nth;
    if (!wish_.seed || point_->at == config::PassedAt::start) return 1;
    return 1 + static_cast<unsigned>(random_() % kNthMax);
  }

  void once(unsigned number) {
    const auto& config = options_.config;
    if (!await_ready(config, wish_.node, 0, kBackMs)) {
      throw ChaosError{wish_.node + " is not ready; see `stampede status`", kExitNotReady};
    }
    const auto pid = chaos_pid(config, wish_.node);
    const auto nth_pass = nth();
    const bool at_start = point_->at == config::PassedAt::start;
    const auto begin = std::chrono::steady_clock::now();
    arm(wish_.point + "=kill@" + std::to_string(nth_pass), at_start);
    say("expected: SIGKILL at '" + wish_.point + "' (" + std::string(point_->about) + "), pass " +
        std::to_string(nth_pass) + (at_start ? " of its next start" : "") +
        "; the supervisor starts it again and the log is replayed");
    at_start ? crash_at_start(pid) : crash_at_work(pid);
    await_back(pid);
    const auto ms = std::chrono::duration_cast<std::chrono::milliseconds>(
        std::chrono::steady_clock::now() - begin);
    say("crash " + std::to_string(number) + " at " + wish_.point + ": back after " +
        std::to_string(ms.count()) + " ms");
  }

  void arm(const std::string& text, bool next_start) {
    chaos_ask(
        options_.config,
        {{"do", "failpoints"}, {"node", wish_.node}, {"arm", text}, {"next_start", next_start}});
  }

  // Killed, started (and dead at the point), started again: two more restarts.
  void crash_at_start(std::int64_t pid) {
    const auto restarts = [&] {
      const json entry = chaos_node(options_.config, wish_.node);
      return entry.is_object() ? entry.value("restarts", 0) : 0;
    };
    const int before = restarts();
    // A start that finds an unused spare makes none. It is expendable, and its owner dies now.
    if (wish_.point.starts_with("spare_")) {
      std::error_code ignored;
      std::filesystem::remove(options_.config.log.dir / storage::kSpareName, ignored);
    }
    chaos_ask(options_.config, {{"do", "kill"}, {"node", wish_.node}});
    await_end(options_.config, wish_.node, pid, kCrashMs);
    const auto until = std::chrono::steady_clock::now() + std::chrono::milliseconds(kCrashMs);
    while (restarts() < before + 2) {
      const bool ready = await_ready(options_.config, wish_.node, pid, kQuietMs);
      if (ready && restarts() < before + 2 && std::chrono::steady_clock::now() >= until) {
        chaos_ask(options_.config, {{"do", "undo"}});
        throw ChaosError{"the start did not pass '" + wish_.point + "'", kExitTimedOut};
      }
      end_back_off();
    }
  }

  void await_back(std::int64_t pid) {
    const auto until = std::chrono::steady_clock::now() + std::chrono::milliseconds(kBackMs);
    while (!await_ready(options_.config, wish_.node, pid, kQuietMs)) {
      if (std::chrono::steady_clock::now() >= until) {
        throw ChaosError{wish_.node + " does not come back; see `stampede status`", kExitTimedOut};
      }
      end_back_off();
    }
  }

  // After many quick deaths the supervisor waits up to half a minute; these were on purpose.
  void end_back_off() {
    const json entry = chaos_node(options_.config, wish_.node);
    if (!entry.is_object() || entry.value("state", "") != "backing_off") return;
    chaos_ask(options_.config, {{"do", "start"}, {"node", wish_.node}});
  }

  void crash_at_work(std::int64_t pid) {
    const auto until = std::chrono::steady_clock::now() + std::chrono::milliseconds(kCrashMs);
    while (!await_end(options_.config, wish_.node, pid, kQuietMs)) {
      if (std::chrono::steady_clock::now() >= until) {
        chaos_ask(options_.config, {{"do", "undo"}});
        throw ChaosError{"nothing passed '" + wish_.point + "' within a minute", kExitTimedOut};
      }
      nudge(options_.config);
    }
  }

  void say(const std::string& text) const {
    std::fprintf(options_.json ? stderr : stdout, "%s\n", text.c_str());
    std::fflush(stdout);
  }

  const ToolOptions& options_;
  const ChaosCrash& wish_;
  const config::FailpointName* point_ = nullptr;
  std::mt19937_64 random_;
};

}  // namespace

int run_chaos_crash(const ToolOptions& options, const ChaosCrash& crash) {
  return run_chaos_body([&] { return Crash(options, crash).run(); });
}

}  // namespace stampede::tools
