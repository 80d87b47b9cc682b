#include "tools/chaos/chaos.h"

#include <cstdio>
#include <nlohmann/json.hpp>

#include "config/faults/failpoint_names.h"
#include "tools/ask/admin_client.h"
#include "tools/chaos/chaos_steps.h"

namespace stampede::tools {
namespace {

using nlohmann::json;

void expect(const ToolOptions& options, const std::string& text) {
  std::fprintf(options.json ? stderr : stdout, "expected: %s\n", text.c_str());
  std::fflush(stdout);
}

int done(const ToolOptions& options, const json& report, const std::string& text) {
  std::printf("%s\n", options.json ? report.dump().c_str() : text.c_str());
  return kExitDone;
}

// What is expected is told once the command was taken.
int ask(const ToolOptions& options, const char* command, const json& request,
        const std::string& expected, const std::string& text) {
  const auto answer = ask_admin_or_fail(options.config, request);
  if (const auto* failure = std::get_if<AdminFailure>(&answer)) {
    std::fprintf(stderr, "stampede %s: %s\n", command, failure->message.c_str());
    return failure->exit;
  }
  if (!expected.empty()) expect(options, expected);
  return done(options, std::get<json>(answer), text);
}

int pause_node(const ToolOptions& options, const std::string& node, std::int64_t for_ms) {
  const auto pid = chaos_pid(options.config, node);
  chaos_ask(options.config, {{"do", "pause"}, {"node", node}, {"for_ms", for_ms}});
  expect(options,
         "the node stands still; when it is silent for longer than the supervisor allows it is "
         "killed and started again, otherwise it goes on; nothing confirmed is lost");
  if (!chaos_pause(for_ms)) return run_chaos_undo(options);
  if (!await_ready(options.config, node, 0, kBackMs)) {
    throw ChaosError{node + " is not ready a minute after the pause; see `stampede status`",
                     kExitTimedOut};
  }
  const auto now = chaos_pid(options.config, node);
  return done(options, {{"ok", true}, {"node", node}, {"pid", now}, {"restarted", now != pid}},
              node + (now == pid ? " went on" : " was killed by the supervisor and started again"));
}

int stop_database(const ToolOptions& options, std::int64_t stop_ms) {
  require_dev(options.config);
  const PrivateDatabase database(options.config);
  database.stop();
  expect(options,
         "orders go on being confirmed from the log; their rows come when the database goes on");
  const bool whole = chaos_pause(stop_ms);
  database.go_on();
  return done(options, {{"ok", true}, {"interrupted", !whole}}, "the database goes on");
}

int fill_disk(const ToolOptions& options) {
  return ask(options, "chaos",
             {{"do", "failpoints"}, {"node", "backend-1"}, {"arm", "disk_full=on"}},
             "no file of the log can be made any more. Orders go on while the present segment has "
             "room, then get `overloaded`; with `stampede chaos undo` they go on without a restart",
             "the log's disk is full until `stampede chaos undo`");
}

int break_sync(const ToolOptions& options) {
  const auto pid = chaos_pid(options.config, "backend-1");
  chaos_ask(options.config,
            {{"do", "failpoints"}, {"node", "backend-1"}, {"arm", "after_write=eio"}});
  expect(
      options,
      "the next sync of the log fails: nothing more is confirmed, the backend ends with exit 74, "
      "and its successor reads the log anew; who has no answer asks again with the same id");
  for (int i = 0; i < 100 && !await_end(options.config, "backend-1", pid, 200); ++i) {
    nudge(options.config);
  }
  if (!await_ready(options.config, "backend-1", pid, kBackMs)) {
    throw ChaosError{"backend-1 is not ready again after a minute; see `stampede status`",
                     kExitTimedOut};
  }
  const json entry = chaos_node(options.config, "backend-1");
  const auto last = entry.value("last_exit", std::string{});
  if (!last.starts_with("exit 74")) {
    throw ChaosError{"backend-1 ended with another code: " + last, kExitFailure};
  }
  return done(options, {{"ok", true}, {"last_exit", last}}, "backend-1 is back; it ended: " + last);
}

}  // namespace

int run_chaos_kill(const ToolOptions& options, const std::string& node, const std::string& actor) {
  json request = {{"do", "kill"}, {"node", node}};
  if (!actor.empty()) request["actor"] = actor;
  const std::string victim = actor.empty() ? node : "actor " + actor + " of " + node;
  return ask(options, "chaos", request,
             actor.empty() ? "the process ends at once and is started again"
                           : "the process ends with exit 70 and is started again",
             "killed " + victim);
}

int run_chaos_pause(const ToolOptions& options, const std::string& node, std::int64_t for_ms) {
  return run_chaos_body([&] { return pause_node(options, node, for_ms); });
}

int run_chaos_db(const ToolOptions& options, std::int64_t stop_ms) {
  return run_chaos_body([&] { return stop_database(options, stop_ms); });
}

int run_chaos_disk(const ToolOptions& options, DiskFault fault) {
  return run_chaos_body([&] {
    require_dev(options.config);
    return fault == DiskFault::full ? fill_disk(options) : break_sync(options);
  });
}

int run_chaos_list(const ToolOptions& options) {
  if (!options.json) std::printf("crash points of the backend (chaos crash backend --at POINT):\n");
  json points = json::array();
  for (const auto& point : config::kCrashPoints) {
    const bool start = point.at == config::PassedAt::start;
    points.push_back({{"point", point.name}, {"at", start ? "start" : "work"}});
    if (options.json) continue;
    std::printf("  %-14s %-6s %s\n", std::string(point.name).c_str(), start ? "start" : "work",
                std::string(point.about).c_str());
  }
  if (options.json) {
    std::printf("%s\n", json{{"points", points}}.dump().c_str());
  } else {
    std::printf(
        "other faults: kill NODE [--actor NAME], pause NODE --for D, db --stop D, disk --full, "
        "disk --eio, monkey\n");
  }
  return kExitDone;
}

int run_chaos_undo(const ToolOptions& options) {
  return run_chaos_body([&] {
    require_dev(options.config);
    if (const auto database = PrivateDatabase::find(options.config)) database->go_on();
    return ask(options, "chaos", {{"do", "undo"}}, {}, "every pause and failpoint is over");
  });
}

}  // namespace stampede::tools
