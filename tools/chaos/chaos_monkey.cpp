// `stampede chaos monkey`: random faults for a while, one at a time, then the books.

#include <array>
#include <chrono>
#include <cstdio>
#include <nlohmann/json.hpp>
#include <random>
#include <string>
#include <vector>

#include "config/faults/failpoint_names.h"
#include "tools/books/verify.h"
#include "tools/chaos/chaos.h"
#include "tools/chaos/chaos_steps.h"

namespace stampede::tools {
namespace {

using nlohmann::json;
using std::chrono::milliseconds;
using std::chrono::steady_clock;

constexpr std::array<const char*, 3> kBackendActors{"core", "log", "lane-1"};

class Monkey {
 public:
  Monkey(const ToolOptions& options, const ChaosMonkey& wish)
      : options_(options), wish_(wish), random_(wish.seed) {}

  int run() {
    require_dev(options_.config);
    nodes_ = node_names();
    say("expected: nodes die, stand still and come back; every confirmed order stays, none is "
        "doubled, nothing is oversold; seed " +
        std::to_string(wish_.seed));
    const auto until = steady_clock::now() + milliseconds(wish_.for_ms);
    bool going_on = true;
    while (going_on && steady_clock::now() < until) {
      going_on = chaos_pause(wish_.every_ms);
      if (going_on && steady_clock::now() < until) act();
    }
    undo();
    say(std::to_string(count_) + " faults; everything is undone");
    return wish_.verify ? run_verify(options_, kVerifyWaitMs * 2) : kExitDone;
  }

 private:
  std::vector<std::string> node_names() const {
    std::vector<std::string> names;
    const json status = chaos_ask(options_.config, {{"do", "status"}});
    for (const auto& entry : status.at("nodes")) {
      if (entry.value("role", "") != "supervisor") names.push_back(entry.at("node"));
    }
    if (names.empty()) throw ChaosError{"there is no node to disturb", kExitNotReady};
    return names;
  }

  std::uint64_t below(std::uint64_t end) { return random_() % end; }

  void act() {
    ++count_;
    const std::string node = nodes_[below(nodes_.size())];
    switch (below(5)) {
      case 0:
        return ask("kill -9 " + node, {{"do", "kill"}, {"node", node}});
      case 1: {
        const auto ms = 100 + below(1'400);
        return ask("SIGSTOP " + node + " for " + std::to_string(ms) + " ms",
                   {{"do", "pause"}, {"node", node}, {"for_ms", ms}});
      }
      case 2:
        return kill_actor();
      case 3:
        return arm_crash();
      default:
        return stop_database(200 + static_cast<std::int64_t>(below(1'800)));
    }
  }

  void kill_actor() {
    const std::string actor = kBackendActors[below(kBackendActors.size())];
    ask("actor " + actor + " of backend-1",
        {{"do", "kill"}, {"node", "backend-1"}, {"actor", actor}});
  }

  void arm_crash() {
    const auto& point = config::kCrashPoints[below(config::kCrashPoints.size())];
    const bool start = point.at == config::PassedAt::start;
    const auto text = std::string(point.name) + "=kill@" + std::to_string(1 + below(20));
    ask("crash point " + text + (start ? " at the next start" : ""),
        {{"do", "failpoints"}, {"node", "backend-1"}, {"arm", text}, {"next_start", start}});
  }

  void stop_database(std::int64_t ms) {
    const auto database = PrivateDatabase::find(options_.config);
    if (!database) return ask("kill -9 backend-1", {{"do", "kill"}, {"node", "backend-1"}});
    say("  the database stands still for " + std::to_string(ms) + " ms");
    database->stop();
    chaos_pause(ms);
    database->go_on();
  }

  // A node that is down just now cannot be hit: the fault is skipped, which is said.
  void ask(const std::string& what, const json& request) {
    try {
      chaos_ask(options_.config, request);
      say("  " + what);
    } catch (const ChaosError& error) {
      say("  " + what + ": skipped, " + error.message);
    }
  }

  void undo() {
    if (const auto database = PrivateDatabase::find(options_.config)) database->go_on();
    chaos_ask(options_.config, {{"do", "undo"}});
    for (const auto& node : nodes_) {
      if (await_ready(options_.config, node, 0, kBackMs)) continue;
      throw ChaosError{node + " is not ready a minute after the last fault", kExitTimedOut};
    }
  }

  void say(const std::string& text) const {
    std::fprintf(options_.json ? stderr : stdout, "%s\n", text.c_str());
    std::fflush(stdout);
  }

  const ToolOptions& options_;
  const ChaosMonkey& wish_;
  std::mt19937_64 random_;
  std::vector<std::string> nodes_;
  unsigned count_ = 0;
};

}  // namespace

int run_chaos_monkey(const ToolOptions& options, const ChaosMonkey& monkey) {
  return run_chaos_body([&] { return Monkey(options, monkey).run(); });
}

}  // namespace stampede::tools
