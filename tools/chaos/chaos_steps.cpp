#include "tools/chaos/chaos_steps.h"

#include <signal.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <cstdio>
#include <fstream>
#include <sstream>
#include <string>
#include <thread>

#include "tools/ask/admin_client.h"
#include "tools/ask/sf1_client.h"

namespace stampede::tools {
namespace {

using nlohmann::json;
using std::chrono::milliseconds;
using std::chrono::steady_clock;

constexpr milliseconds kLook{20};
constexpr int kNudgeMs = 300;

volatile sig_atomic_t interrupted = 0;

// Clock ticks since boot at which the process started, field 22 of /proc/PID/stat.
std::string start_time(std::int64_t pid) {
  std::ifstream file("/proc/" + std::to_string(pid) + "/stat");
  std::string text;
  std::getline(file, text);
  const auto end = text.rfind(')');
  if (end == std::string::npos) return {};
  std::istringstream fields(text.substr(end + 1));
  std::string field;
  for (int i = 0; i < 20 && fields >> field; ++i) {
  }
  return field;
}

template <class Condition>
bool await(std::int64_t wait_ms, Condition&& condition) {
  const auto until = steady_clock::now() + milliseconds(wait_ms);
  while (!condition()) {
    if (steady_clock::now() >= until) return false;
    std::this_thread::sleep_for(kLook);
  }
  return true;
}

}  // namespace

int report_chaos_error(const ChaosError& error) {
  std::fprintf(stderr, "stampede chaos: %s\n", error.message.c_str());
  return error.exit;
}

json chaos_ask(const config::Config& config, const json& request) {
  auto answer = ask_admin_or_fail(config, request);
  if (const auto* failure = std::get_if<AdminFailure>(&answer)) {
    throw ChaosError{failure->message, failure->exit};
  }
  return std::get<json>(std::move(answer));
}

void require_dev(const config::Config& config) {
  if (!config.dev) {
    throw ChaosError{
        "chaos is refused because dev is false; set dev = true in the configuration of a system "
        "that you may break",
        kExitRefused};
  }
  const auto status = ask_admin_or_fail(config, {{"do", "status"}});
  if (const auto* running = std::get_if<json>(&status); running && !running->value("dev", false)) {
    throw ChaosError{"chaos is refused because the running system was started with dev = false",
                     kExitRefused};
  }
}

json chaos_node(const config::Config& config, const std::string& node) {
  const auto answer = ask_admin_or_fail(config, {{"do", "status"}});
  if (!std::holds_alternative<json>(answer)) return nullptr;
  for (const auto& entry : std::get<json>(answer).at("nodes")) {
    const auto name = entry.value("node", std::string{});
    if (name == node || name == node + "-1") return entry;
  }
  return nullptr;
}

std::int64_t chaos_pid(const config::Config& config, const std::string& node) {
  const json status = chaos_ask(config, {{"do", "status"}});
  std::string names;
  for (const auto& entry : status.at("nodes")) {
    const auto name = entry.value("node", std::string{});
    names += " " + name;
    if (name != node && name != node + "-1") continue;
    if (entry.contains("pid") && entry.at("pid").is_number()) return entry.at("pid");
    throw ChaosError{name + " does not run now; see `stampede status`", kExitNotReady};
  }
  throw ChaosError{"there is no node " + node + "; there are:" + names, kExitWrongUse};
}

bool await_ready(const config::Config& config, const std::string& node, std::int64_t old_pid,
                 std::int64_t wait_ms) {
  return await(wait_ms, [&] {
    const json entry = chaos_node(config, node);
    return entry.is_object() && entry.value("state", "") == "ready" && entry["pid"].is_number() &&
           entry["pid"] != old_pid;
  });
}

bool await_end(const config::Config& config, const std::string& node, std::int64_t pid,
               std::int64_t wait_ms) {
  return await(wait_ms, [&] {
    const json entry = chaos_node(config, node);
    return entry.is_object() && entry["pid"] != pid;
  });
}

void nudge(const config::Config& config) {
  const std::string id = mint_request_id();
  const json item = {{"do", "item_put"},
                     {"request_id", "chaos-probe"},
                     {"item", kProbeItem},
                     {"name", "chaos probe"},
                     {"total", 0}};
  const json unit = {
      {"do", "stock_change"}, {"request_id", id}, {"item", kProbeItem}, {"delta", 1}};
  (void)ask_admin(config, item, kNudgeMs);
  (void)ask_admin(config, unit, kNudgeMs);
  const auto token = service_token(config);
  const auto* shown = std::get_if<std::string>(&token);
  Sf1Client(client_endpoint(config), {}, shown != nullptr ? *shown : std::string())
      .ask({{"op", "order"}, {"id", id + "o"}, {"item", kProbeItem}, {"user", "chaos"}, {"qty", 1}},
           milliseconds(kNudgeMs));
}

std::optional<PrivateDatabase> PrivateDatabase::find(const config::Config& config) {
  std::ifstream file(config.run_dir / "db" / "server.pid");
  std::int64_t pid = 0;
  std::string started;
  if (!(file >> pid >> started) || start_time(pid) != started) return std::nullopt;
  return PrivateDatabase(pid);
}

PrivateDatabase::PrivateDatabase(const config::Config& config) : pid_(0) {
  const auto found = find(config);
  if (!found) {
    throw ChaosError{"no private database runs in " + config.run_dir.string() +
                         "; only one that start_all.sh started is stopped",
                     kExitRefused};
  }
  pid_ = found->pid_;
}

void PrivateDatabase::stop() const {
  ::kill(static_cast<pid_t>(pid_), SIGSTOP);
}

void PrivateDatabase::go_on() const {
  ::kill(static_cast<pid_t>(pid_), SIGCONT);
}

bool chaos_pause(std::int64_t ms) {
  struct sigaction action {};
  action.sa_handler = [](int) { interrupted = 1; };
  ::sigaction(SIGINT, &action, nullptr);
  ::sigaction(SIGTERM, &action, nullptr);
  return !await(ms, [] { return interrupted != 0; });
}

}  // namespace stampede::tools
