#include "tools/ask/status.h"

#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <nlohmann/json.hpp>
#include <string>
#include <thread>
#include <vector>

#include "config/process/utc_text.h"
#include "config/process/wall_clock.h"
#include "tools/ask/admin_client.h"
#include "tools/ask/configure.h"
#include "tools/ask/json_text.h"
#include "tools/ask/moment.h"
#include "tools/ask/terminal.h"

namespace stampede::tools {
namespace {

using nlohmann::json;

constexpr int kAnswerMs = 5'000;
constexpr std::chrono::milliseconds kAskAgain{100};
constexpr std::size_t kItemsShown = 20;
constexpr std::int64_t kWatchMs = 100;  // between two looks, at least

// 300000 -> "300,000"
std::string grouped(const json& value) {
  std::string digits = text_of(value);
  const bool number = value.is_number_integer();
  if (!number) return digits;
  const std::size_t first = digits.starts_with('-') ? 1 : 0;
  for (std::size_t at = digits.size(); at > first + 3; at -= 3) digits.insert(at - 3, ",");
  return digits;
}

std::string grouped(const json& map, const char* name) {
  return map.contains(name) ? grouped(map.at(name)) : "-";
}

std::string clock_text(const json& seconds) {
  if (!seconds.is_number()) return "-";
  const auto all = static_cast<long>(seconds.get<double>());
  char text[32];
  std::snprintf(text, sizeof text, "%02ld:%02ld:%02ld", all / 3600, all / 60 % 60, all % 60);
  return text;
}

std::string mega_bytes(const json& bytes) {
  if (!bytes.is_number()) return "-";
  char text[32];
  std::snprintf(text, sizeof text, "%.1f MB", bytes.get<double>() / 1e6);
  return text;
}

std::string replay_text(const json& node) {
  if (node.value("state", std::string{}) != "replaying" || !node.contains("replay")) return {};
  const json& replay = node.at("replay");
  const double total = replay.value("total_bytes", 0.0);
  if (total <= 0) return {};
  char text[64];
  std::snprintf(text, sizeof text, "  %.0f%% of %.1f MB",
                100 * replay.value("done_bytes", 0.0) / total, total / 1e6);
  return text;
}

std::string heartbeat_text(const json& node) {
  if (!node.contains("heartbeat_age_ms") || !node.at("heartbeat_age_ms").is_number()) return "-";
  char text[32];
  std::snprintf(text, sizeof text, "%.1f s", node.at("heartbeat_age_ms").get<double>() / 1000);
  return text;
}

std::vector<std::string> notes_of(const json& status) {
  return status.value("notes", std::vector<std::string>{});
}

void print_database(const json& status) {
  const json& database = status.at("database");
  std::string state = text_of(database, "state");
  if (database.contains("for_s")) state += " for " + clock_text(database.at("for_s"));
  std::printf("database  %s   lag %s s   %s failed\n", state.c_str(),
              text_of(database, "lag_s").c_str(), text_of(database, "failed").c_str());
  for (const auto& note : notes_of(status)) std::printf("note      %s\n", note.c_str());
  std::printf("\n");
}

void print_sale(const json& status) {
  std::printf("%s", sale_text(status).c_str());
  const json& log = status.at("log");
  std::printf("log       %s in %s segments   durable %s   pending %s\n",
              log.contains("bytes") ? mega_bytes(log.at("bytes")).c_str() : "-",
              text_of(log, "segments").c_str(), text_of(log, "durable_lsn").c_str(),
              grouped(log, "pending_commands").c_str());
  const json snapshot = log.value("snapshot", json());
  if (snapshot.is_object()) {
    std::printf("snapshot  up to lsn %s   %s   %s ago\n", text_of(snapshot, "lsn").c_str(),
                mega_bytes(snapshot.value("bytes", json())).c_str(),
                clock_text(snapshot.value("age_s", json())).c_str());
  }
  for (const json& parked : log.value("parked", json::array())) {
    const bool of_item = !parked.value("item", json()).is_null();
    const auto what = of_item ? "item " + text_of(parked, "item") + " is closed"
                              : std::string("a session that has ended goes on");
    std::printf("parked    lsn %s   %s   %s   (stampede log retry)\n",
                text_of(parked, "lsn").c_str(), what.c_str(), text_of(parked, "why").c_str());
  }
  for (const json& note : log.value("notes", json::array())) {
    std::printf("note      %s\n", note.get<std::string>().c_str());
  }
  print_database(status);
}

// Why a node that runs well must refuse everything; empty: it need not.
std::string refuses_text(const json& node) {
  const auto why = node.find("refuses");
  const auto state = node.value("state", std::string{});
  const bool well = state == "ready" || state == "replaying";
  const bool refuses = well && why != node.end() && why->is_string();
  return refuses ? text_of(node, "refuses") : std::string{};
}

// "exit 70 12 s ago: …".
std::string last_exit_text(const json& node) {
  const auto what = text_of(node, "last_exit");
  const auto at = node.find("last_exit_at");
  if (at == node.end() || !at->is_string()) return what;
  const auto moment = parse_moment(at->get_ref<const std::string&>());
  if (!moment) return what;
  const auto ago = std::max<std::int64_t>(0, (config::wall_ms() - moment->ms) / 1000);
  const auto end = std::min(what.find(':'), what.size());
  return what.substr(0, end) + " " + std::to_string(ago) + " s ago" + what.substr(end);
}

void print_nodes(const json& status) {
  std::printf("%-12s %-16s %-9s %8s %8s  %-9s %s\n", "NODE", "STATE", "UP", "RESTARTS", "PID",
              "HEARTBEAT", "LAST EXIT");
  for (const json& node : status.at("nodes")) {
    std::printf("%-12s %-16s %-9s %8s %8s  %-9s %s%s\n", text_of(node, "node").c_str(),
                text_of(node, "state").c_str(), clock_text(node.value("uptime_s", json())).c_str(),
                text_of(node, "restarts").c_str(), text_of(node, "pid").c_str(),
                heartbeat_text(node).c_str(), last_exit_text(node).c_str(),
                replay_text(node).c_str());
  }
  for (const json& node : status.at("nodes")) {
    if (const auto cut = node.value("peers_cut", std::uint64_t{0}); cut > 0)
      std::printf("%s: %s connections were cut for what their peers did\n",
                  text_of(node, "node").c_str(), grouped(node, "peers_cut").c_str());
    if (const auto why = refuses_text(node); !why.empty())
      std::printf("%s: %s\n", text_of(node, "node").c_str(), why.c_str());
  }
}

// What the reader should do now; empty when nothing.
std::string next_step(const json& status) {
  for (const json& node : status.at("nodes")) {
    const auto state = node.value("state", std::string{});
    const auto name = node.value("node", std::string{});
    if (state == "waiting_operator") {
      return name + " waits for you: repair what its last exit says, then run: stampede start " +
             name;
    }
    if (state == "stopped")
      return name + " was stopped by you; to start it: stampede start " + name;
    if (const auto advice = wait_advice(node); !advice.empty()) return name + " waits: " + advice;
    if (state == "replaying") return "orders wait until " + name + " is ready; nothing to do";
    if (state == "backing_off")
      return name + " is started again by itself; see log/" + name + ".log";
  }
  return {};
}

std::string not_ready(const json& status) {
  std::string text;
  for (const json& node : status.at("nodes")) {
    const auto state = node.value("state", std::string{});
    const auto why = refuses_text(node);
    if (state == "ready" && why.empty()) continue;
    if (!text.empty()) text += ", ";
    text += node.value("node", std::string{}) + " " + state + replay_text(node);
    if (!why.empty()) text += " (" + why + ")";
    if (state != "ready" && node.contains("last_exit") && node.at("last_exit").is_string()) {
      text += " (last exit: " + last_exit_text(node) + ")";
    }
  }
  return text;
}

// Notes are on the way of nobody who reads the one word.
void print_health(const std::string& problem, const std::vector<std::string>& notes, bool as_json) {
  if (as_json) {
    json report = {{"ready", problem.empty()}};
    if (!problem.empty()) report["reason"] = problem;
    if (!notes.empty()) report["notes"] = notes;
    std::printf("%s\n", report.dump().c_str());
    return;
  }
  std::printf("%s\n", problem.empty() ? "ready" : ("not ready: " + problem).c_str());
  for (const auto& note : notes) std::fprintf(stderr, "note: %s\n", note.c_str());
}

}  // namespace

std::string wait_advice(const json& node) {
  if (node.value("state", std::string{}) != "replaying" || refuses_text(node).empty()) return {};
  if (text_of(node, "waits_for") == "database")
    return "mend what the note says of the database, it goes on by itself";
  return "make room on the log's disk (log.dir), it goes on by itself";
}

std::string sale_text(const json& status) {
  const json& items = status.at("items");
  if (!status.value("items_told", true)) return "sale      not told yet by the backend\n";
  if (items.empty()) return "sale      no items; add one with: stampede item add\n";
  const std::size_t shown = std::min(items.size(), kItemsShown);
  std::string text;
  for (std::size_t i = 0; i < shown; ++i) {
    const json& item = items[i];
    text += "sale      item " + text_of(item, "item") + " \"" + text_of(item, "name") +
            "\"   sold " + grouped(item, "sold") + " / " + grouped(item, "total") + "   left " +
            grouped(item, "left") + "\n";
  }
  if (items.size() > shown)
    text += "          and " + std::to_string(items.size() - shown) +
            " more; see: stampede item list\n";
  return text;
}

namespace {

using StatusAnswer = std::variant<json, AdminFailure>;

StatusAnswer ask_status(const ToolOptions& options) {
  auto answer = ask_admin_for_operator(options.config, {{"do", "status"}}, kAnswerMs);
  if (auto* status = std::get_if<json>(&answer))
    (*status)["config"]["note"] = file_note(options.config);
  return answer;
}

int tell(const AdminFailure& failure) {
  std::fprintf(stderr, "stampede status: %s\n", failure.message.c_str());
  return failure.exit;
}

void print_status(const json& status) {
  std::printf("stampede  %s\n", text_of(status, "version").c_str());
  print_sale(status);
  print_nodes(status);
  const json& config = status.at("config");
  if (const auto note = config.value("note", std::string{}); !note.empty())
    std::printf("config: %s (stampede config diff)\n", note.c_str());
  if (const auto next = next_step(status); !next.empty()) std::printf("next: %s\n", next.c_str());
}

sigset_t ending_signals() {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGINT);
  sigaddset(&set, SIGTERM);
  return set;
}

// Waits for one of the signals that end a program, which are blocked; false: none came in time.
bool told_to_end(std::int64_t wait_ms) {
  const auto set = ending_signals();
  const timespec wait{wait_ms / 1000, wait_ms % 1000 * 1'000'000};
  return ::sigtimedwait(&set, nullptr, &wait) > 0;
}

void show(const ToolOptions& options, const StatusAnswer& answer, bool terminal) {
  // The escaper lets no sequence of a terminal through stdout: this goes to the terminal itself.
  if (terminal) clear_terminal();
  const auto* status = std::get_if<json>(&answer);
  if (options.json) {
    if (status != nullptr) std::printf("%s\n", status->dump().c_str());
  } else if (status != nullptr) {
    if (!terminal) std::printf("%s\n", config::utc_text(config::wall_ms()).c_str());
    print_status(*status);
    if (!terminal) std::printf("\n");
  }
  if (status == nullptr) tell(std::get<AdminFailure>(answer));
  std::fflush(stdout);
}

}  // namespace

int run_status(const ToolOptions& options) {
  const auto answer = ask_status(options);
  if (const auto* failure = std::get_if<AdminFailure>(&answer)) return tell(*failure);
  const json& status = std::get<json>(answer);
  if (options.json) {
    std::printf("%s\n", status.dump(2).c_str());
    return kExitDone;
  }
  print_status(status);
  return kExitDone;
}

int watch_status(const ToolOptions& options, std::int64_t every_ms) {
  const auto set = ending_signals();
  ::pthread_sigmask(SIG_BLOCK, &set, nullptr);
  auto answer = ask_status(options);
  if (const auto* failure = std::get_if<AdminFailure>(&answer)) return tell(*failure);
  const bool terminal = !options.json && ::isatty(STDOUT_FILENO) == 1;
  do {
    show(options, answer, terminal);
    if (std::ferror(stdout) != 0) break;  // nobody reads any more
    if (told_to_end(std::max<std::int64_t>(every_ms, kWatchMs))) break;
    answer = ask_status(options);
  } while (true);
  return kExitDone;
}

int run_health(const ToolOptions& options, std::int64_t wait_ms) {
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::milliseconds(wait_ms);
  for (;;) {
    const auto answer = ask_admin_or_fail(options.config, {{"do", "status"}}, kAnswerMs);
    const auto* failure = std::get_if<AdminFailure>(&answer);
    const std::string problem =
        failure != nullptr ? failure->message : not_ready(std::get<json>(answer));
    const auto notes =
        failure != nullptr ? std::vector<std::string>{} : notes_of(std::get<json>(answer));
    const bool last = std::chrono::steady_clock::now() + kAskAgain > deadline;
    if (problem.empty() || last) {
      print_health(problem, notes, options.json);
      return problem.empty() ? kExitDone : kExitNotReady;
    }
    std::this_thread::sleep_for(kAskAgain);
  }
}

}  // namespace stampede::tools
