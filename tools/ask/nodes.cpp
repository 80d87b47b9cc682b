#include "tools/ask/nodes.h"

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <functional>
#include <nlohmann/json.hpp>
#include <thread>
#include <utility>

#include "tools/ask/admin_client.h"
#include "tools/ask/free_port.h"
#include "tools/ask/json_text.h"
#include "tools/ask/operator_change.h"

namespace stampede::tools {
namespace {

using nlohmann::json;
using std::chrono::milliseconds;
using std::chrono::steady_clock;
using Answer = std::variant<json, AdminFailure>;

constexpr milliseconds kNodeLookAgain{50};
constexpr milliseconds kToldWithin{5'000};  // for a word to reach every webapp

Answer ask(const ToolOptions& options, const json& request) {
  return ask_admin_for_operator(options.config, request);
}

int done(const ToolOptions& options, const json& report, const std::string& text) {
  std::printf("%s\n", options.json ? report.dump().c_str() : text.c_str());
  return kExitDone;
}

int timed_out(const ToolOptions& options, const char* command, const std::string& message) {
  return report_failure(options, command, {message, kExitTimedOut});
}

json status_of(const ToolOptions& options) {
  const auto answer = ask(options, {{"do", "status"}});
  const auto* status = std::get_if<json>(&answer);
  return status == nullptr ? json::object() : *status;
}

json node_of(const json& status, const std::string& name) {
  for (const json& node : status.value("nodes", json::array()))
    if (node.value("node", "") == name) return node;
  return json::object();
}

// The last status, in which it was so; null: it was not in time.
json await(const ToolOptions& options, milliseconds wait,
           const std::function<bool(const json&)>& so) {
  const auto until = steady_clock::now() + wait;
  for (;;) {
    auto status = status_of(options);
    if (so(status)) return status;
    if (steady_clock::now() >= until) return nullptr;
    std::this_thread::sleep_for(kNodeLookAgain);
  }
}

bool is_up(const json& node, const json& pid_before) {
  return node.value("state", "") == "ready" && node.value("pid", json()) != pid_before;
}

bool nodes_say(const json& status, bool refused) {
  const auto& nodes = status.value("nodes", json::array());
  return !nodes.empty() && std::all_of(nodes.begin(), nodes.end(), [&](const json& node) {
    const auto role = node.value("role", "");
    const bool refuses = role == "webapp" || role == "backend";
    const bool asked = refuses && node.value("state", "") == "ready";
    return !asked || node.value("orders_refused", !refused) == refused;
  });
}

// Nobody waits for an answer, and the database has all of it.
bool all_stored(const json& status) {
  for (const json& node : status.value("nodes", json::array())) {
    const auto counters = node.value("counters", json::object());
    if (node.value("role", "") == "webapp" && counters.value("waiting", 0) != 0) return false;
  }
  const auto pending = status.value("log", json::object()).value("pending_commands", json());
  return pending.is_number() && pending == 0;
}

std::string seconds(const json& ms) {
  if (!ms.is_number()) return "-";
  char text[32];
  std::snprintf(text, sizeof text, "%.1f s", ms.get<double>() / 1000);
  return text;
}

}  // namespace

// --- how many of each role -----------------------------------------------------------------------

namespace {

constexpr int kIndexStep = 100;  // between the ports of webapp 1, 2, …

int count_of(const json& status, const std::string& role) {
  int count = 0;
  for (const json& node : status.value("nodes", json::array()))
    count += node.value("role", "") == role && !node.value("retired", false) ? 1 : 0;
  return count;
}

json counts_of(const json& status) {
  json counts = json::object();
  for (const char* role : {"webapp", "broker", "backend"}) counts[role] = count_of(status, role);
  return counts;
}

std::string list_text(const json& counts) {
  std::string text;
  for (const char* role : {"webapp", "broker", "backend"})
    text += (text.empty() ? "" : ",") + std::string(role) + "=" + counts.at(role).dump();
  return text;
}

// Of the webapps to come, as far as the list can be read; empty: none is taken.
std::string taken_port(const config::Config& config, const std::string& list, int webapps) {
  int wanted = 0;
  const auto at = list.rfind("webapp=");
  if (at == std::string::npos || std::sscanf(list.c_str() + at, "webapp=%2d", &wanted) != 1)
    return {};
  const auto colon = config.webapp.http.rfind(':');
  for (int k = webapps; k < wanted; ++k) {
    const int http = std::stoi(config.webapp.http.substr(colon + 1)) + kIndexStep * k;
    const int base = config.net.port_base + kIndexStep * k;
    const std::pair<std::string, int> ports[] = {{config.webapp.http.substr(0, colon), http},
                                                 {config.net.bind, base + 1},
                                                 {config.net.bind, base + 2}};
    for (const auto& [host, port] : ports) {
      std::string why;
      if (!is_port_free(host, port, why))
        return "port " + std::to_string(port) + " on " + host + ", of webapp-" +
               std::to_string(k + 1) + ": " + why + ". Nothing was changed";
    }
  }
  return {};
}

// None is about to end, and each that is to run serves.
bool all_there(const json& status) {
  const auto& nodes = status.value("nodes", json::array());
  return !nodes.empty() && std::all_of(nodes.begin(), nodes.end(), [](const json& node) {
    const auto state = node.value("state", "");
    return !node.value("retired", false) && (state == "ready" || state == "stopped");
  });
}

}  // namespace

int run_nodes(const ToolOptions& options, const std::string& list, std::int64_t wait_ms) {
  const auto before = ask(options, {{"do", "status"}});
  if (const auto* failure = std::get_if<AdminFailure>(&before))
    return report_failure(options, "nodes", *failure);
  const auto counts = counts_of(std::get<json>(before));
  if (list.empty()) return done(options, counts, list_text(counts));
  if (const auto taken = taken_port(options.config, list, counts.at("webapp")); !taken.empty())
    return report_failure(options, "nodes", {taken, kExitRefused});
  const auto answer = ask(options, {{"do", "nodes"}, {"nodes", list}});
  if (const auto* failure = std::get_if<AdminFailure>(&answer))
    return report_failure(options, "nodes", *failure);
  json wanted = std::get<json>(answer);
  wanted.erase("ok");
  const auto now = await(options, milliseconds(wait_ms), [&](const json& status) {
    return counts_of(status) == wanted && all_there(status);
  });
  if (now.is_null())
    return timed_out(options, "nodes",
                     "not every node serves yet, or has ended; see: stampede status");
  return done(options, wanted, list_text(wanted));
}

int run_start(const ToolOptions& options, const std::string& node) {
  json request = {{"do", "start"}};
  if (!node.empty()) request["node"] = node;
  const auto answer = ask(options, request);
  if (const auto* failure = std::get_if<AdminFailure>(&answer))
    return report_failure(options, "start", *failure);
  return done(options, std::get<json>(answer), "starting " + (node.empty() ? "all nodes" : node));
}

int run_stop(const ToolOptions& options, const std::string& name, std::int64_t wait_ms) {
  const auto answer = ask(options, {{"do", "stop"}, {"node", name}});
  if (const auto* failure = std::get_if<AdminFailure>(&answer))
    return report_failure(options, "stop", *failure);
  const auto node = std::get<json>(answer).value("node", name);
  const auto down = await(options, milliseconds(wait_ms), [&](const json& status) {
    return node_of(status, node).value("state", "") == "stopped";
  });
  if (down.is_null())
    return timed_out(options, "stop", node + " still finishes what it took; see: stampede status");
  return done(options, {{"ok", true}, {"node", node}, {"state", "stopped"}},
              "stopped " + node + "; to start it: stampede start " + node);
}

int run_restart(const ToolOptions& options, const std::string& name, std::int64_t wait_ms) {
  const auto before = status_of(options);
  const auto began = steady_clock::now();
  const auto answer = ask(options, {{"do", "restart"}, {"node", name}});
  if (const auto* failure = std::get_if<AdminFailure>(&answer))
    return report_failure(options, "restart", *failure);
  const auto node = std::get<json>(answer).value("node", name);
  const auto pid = node_of(before, node).value("pid", json());
  const auto up = await(options, milliseconds(wait_ms),
                        [&](const json& status) { return is_up(node_of(status, node), pid); });
  if (up.is_null())
    return timed_out(options, "restart", node + " does not serve yet; see: stampede status");
  const auto took = std::chrono::duration_cast<milliseconds>(steady_clock::now() - began).count();
  const auto now = node_of(up, node).value("pid", json());
  return done(options, {{"ok", true}, {"node", node}, {"pid", now}, {"took_ms", took}},
              "restarted " + node + " in " + seconds(took) + ", pid " + text_of(now));
}

int run_drain(const ToolOptions& options, std::int64_t wait_ms) {
  const auto answer = ask(options, {{"do", "drain"}});
  if (const auto* failure = std::get_if<AdminFailure>(&answer))
    return report_failure(options, "drain", *failure);
  const auto said =
      await(options, kToldWithin, [](const json& status) { return nodes_say(status, true); });
  if (said.is_null())
    return timed_out(options, "drain",
                     "not every webapp has said yet that it refuses orders; see: stampede status");
  if (wait_ms > 0 && await(options, milliseconds(wait_ms), all_stored).is_null())
    return timed_out(options, "drain",
                     "orders are refused; what was taken before is not all stored yet: stampede "
                     "status shows what is pending");
  return done(options, std::get<json>(answer),
              "drained: orders are refused, reads go on; stampede undrain ends it");
}

int run_undrain(const ToolOptions& options) {
  const auto answer = ask(options, {{"do", "undrain"}});
  if (const auto* failure = std::get_if<AdminFailure>(&answer))
    return report_failure(options, "undrain", *failure);
  const auto said =
      await(options, kToldWithin, [](const json& status) { return nodes_say(status, false); });
  if (said.is_null())
    return timed_out(options, "undrain",
                     "not every webapp has said yet that it takes orders; see: stampede status");
  return done(options, std::get<json>(answer), "orders are taken again");
}

int run_recoveries(const ToolOptions& options, int limit) {
  const auto answer = ask(options, {{"do", "recoveries"}});
  if (const auto* failure = std::get_if<AdminFailure>(&answer))
    return report_failure(options, "recoveries", *failure);
  auto list = std::get<json>(answer).at("recoveries");
  std::reverse(list.begin(), list.end());
  if (list.size() > static_cast<std::size_t>(limit)) list.erase(list.begin() + limit, list.end());
  if (options.json) return done(options, {{"recoveries", list}}, {});
  if (list.empty()) return done(options, {}, "no node has ended since this supervisor began");
  std::printf("%-24s %-12s %9s %9s %11s  %s\n", "ENDED", "NODE", "BACK IN", "REPLAY", "ASKED AGAIN",
              "CAUSE");
  for (const json& one : list)
    std::printf("%-24s %-12s %9s %9s %11s  %s\n", text_of(one, "ended_at").c_str(),
                text_of(one, "node").c_str(), seconds(one.at("duration_ms")).c_str(),
                seconds(one.at("replay_ms")).c_str(), text_of(one, "asked_again").c_str(),
                text_of(one, "cause").c_str());
  return kExitDone;
}

}  // namespace stampede::tools
