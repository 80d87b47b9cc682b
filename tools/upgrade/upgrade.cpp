#include "tools/upgrade/upgrade.h"

#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <optional>
#include <thread>
#include <variant>

#include "tools/ask/admin_client.h"
#include "tools/ask/json_text.h"
#include "tools/ask/operator_change.h"
#include "tools/upgrade/program_facts.h"
#include "tools/upgrade/program_run.h"
#include "tools/upgrade/takeover.h"

namespace stampede::tools {
namespace {

using nlohmann::json;
using std::chrono::milliseconds;
using std::chrono::steady_clock;

constexpr milliseconds kJudgesWithin{10'000};
constexpr milliseconds kAskAgain{50};
constexpr milliseconds kBecomesWithin{8'000};  // the supervisor, before it is believed not to

struct Running {
  pid_t supervisor = 0;
  ProcessWords words;
  ProgramFacts facts;
};
struct Refusal {
  std::string message;
  int exit = kExitRefused;
};

json node_of(const json& status, const std::string& name) {
  for (const json& node : status.value("nodes", json::array()))
    if (node.value("node", "") == name) return node;
  return json::object();
}

// Empty while nobody answers.
json status_now(const ToolOptions& options) {
  auto status = status_or_null(options.config);
  return status.is_object() ? status : json::object();
}

pid_t pid_of(const json& node) {
  const auto pid = node.find("pid");
  return pid != node.end() && pid->is_number_integer() ? pid->get<pid_t>() : 0;
}

std::string last_line(const std::string& text) {
  const auto end = text.find_last_not_of(" \n");
  if (end == std::string::npos) return {};
  const auto begin = text.rfind('\n', end);
  return text.substr(begin == std::string::npos ? 0 : begin + 1, end - (begin + 1) + 1);
}

// A program in the place of the supervisor, only to say what it is.
std::variant<ProgramFacts, Refusal> judge(const std::string& program, const Running& running) {
  auto as = running.words;
  for (const char* word : {"--accepted", "--again", "--judge"})
    if (!has_word(as, word)) as.words.emplace_back(word);
  const auto end = run_to_end(program, as, kJudgesWithin);
  ProgramFacts facts;
  if (end.fault.empty() && end.exit == 0 && read_facts(end.output, facts)) return facts;
  auto why = end.fault;
  if (why.empty())
    why = program + " cannot run this system: exit " + std::to_string(end.exit) + ": " +
          last_line(end.errors.empty() ? end.output : end.errors);
  return Refusal{why + ". Nothing was changed"};
}

std::variant<Running, AdminFailure> find_running(const ToolOptions& options) {
  const auto answer = ask_admin_for_operator(options.config, {{"do", "status"}});
  if (const auto* failure = std::get_if<AdminFailure>(&answer)) return *failure;
  const json& status = std::get<json>(answer);
  Running running;
  running.supervisor = pid_of(node_of(status, "supervisor-1"));
  running.words = words_of_process(running.supervisor);
  if (running.words.words.empty())
    return AdminFailure{"process " + std::to_string(running.supervisor) +
                            ", the supervisor, is another user's: ask as that user",
                        kExitRefused};
  if (running.words.environment.empty())
    for (char** entry = environ; *entry != nullptr; ++entry)
      running.words.environment.emplace_back(*entry);
  running.facts.version = status.value("version", running.facts.version);
  const auto told = judge(exe_of(running.supervisor), running);
  if (const auto* facts = std::get_if<ProgramFacts>(&told)) running.facts = *facts;
  running.facts.file = file_id(exe_of(running.supervisor));
  return running;
}

// Supervisor and nodes run that file, as far as they run.
bool all_run(const json& status, const std::string& file) {
  const auto own = node_of(status, "supervisor-1");
  if (own.value("program", json::object()).value("changing", true)) return false;
  const auto nodes = status.value("nodes", json::array());
  return std::all_of(nodes.begin(), nodes.end(), [&](const json& node) {
    return pid_of(node) == 0 || file_id(exe_of(pid_of(node))) == file;
  });
}

// … and each that is to run is well.
bool settled(const json& status, const std::string& file) {
  const auto nodes = status.value("nodes", json::array());
  return all_run(status, file) && std::all_of(nodes.begin(), nodes.end(), [](const json& node) {
           const auto state = node.value("state", "");
           return state == "ready" || state == "draining" || state == "stopped";
         });
}

// A node that does not come by itself; empty: none.
std::string waits_for_operator(const json& status) {
  for (const json& node : status.value("nodes", json::array()))
    if (node.value("state", "") == "waiting_operator")
      return text_of(node, "node") + " waits for you: " + text_of(node, "last_exit");
  return {};
}

// Nothing, when every node runs that file.
std::optional<Refusal> await(const ToolOptions& options, const ProgramFacts& now,
                             const ProgramFacts& next, milliseconds wait) {
  const auto began = steady_clock::now();
  for (;;) {
    const auto status = status_now(options);
    if (settled(status, next.file)) return std::nullopt;
    const auto passed = steady_clock::now() - began;
    const auto file = file_id(exe_of(pid_of(node_of(status, "supervisor-1"))));
    if (passed >= kBecomesWithin && file == now.file && now.file != next.file)
      return Refusal{"the supervisor goes on as " + now.version +
                         "; `stampede logs supervisor` says why, "
                         "of a service journalctl -u stampede",
                     kExitFailure};
    if (const auto waits = waits_for_operator(status); !waits.empty() && file == next.file)
      return Refusal{waits + "; mend that, then `stampede start`", kExitFailure};
    if (passed >= wait)
      return Refusal{"not every node is ready yet; see: stampede status", kExitTimedOut};
    std::this_thread::sleep_for(kAskAgain);
  }
}

// Nothing, when the supervisor is on its way.
std::optional<Refusal> begin(const ToolOptions& options, const Running& running,
                             const std::string& program) {
  const auto answer = ask_admin(options.config, {{"do", "upgrade"}, {"program", program}});
  if (const auto* failure = std::get_if<AdminFailure>(&answer)) {
    const bool became = failure->exit == kExitFailure;  // it closed the connection
    return became ? std::nullopt : std::optional(Refusal{failure->message, failure->exit});
  }
  const json& map = std::get<json>(answer);
  if (map.value("error", "") != "unknown_op")
    return Refusal{map.value("message", map.dump()), map.value("exit", kExitFailure)};
  const auto fault =
      take_over(superior_of(running.supervisor), program, options.config.run_dir.string());
  if (fault.empty()) return std::nullopt;
  return Refusal{fault + "; the nodes run on, without a supervisor: start one as before",
                 kExitFailure};
}

int refuse(const ToolOptions& options, const Refusal& refusal) {
  return report_failure(options, "upgrade", {refusal.message, refusal.exit});
}

int tell(const ToolOptions& options, const Running& running, const ProgramFacts& next,
         const std::string& program, std::int64_t took_ms) {
  const bool changed = took_ms >= 0;
  if (options.json) {
    const json report = {{"ok", true},
                         {"changed", changed},
                         {"from", running.facts.version},
                         {"to", next.version},
                         {"binary", program},
                         {"took_ms", changed ? json(took_ms) : json(nullptr)}};
    std::printf("%s\n", report.dump().c_str());
  } else if (changed) {
    std::printf("upgraded from %s to %s in %.1f s: every node runs %s\n",
                running.facts.version.c_str(), next.version.c_str(),
                static_cast<double>(took_ms) / 1000, program.c_str());
  } else {
    std::printf("every node runs %s, version %s, already\n", program.c_str(), next.version.c_str());
  }
  return kExitDone;
}

// As it is, and so not found, when the working directory was removed.
std::string program_named(const std::string& given) {
  std::error_code error;
  const auto absolute = std::filesystem::absolute(given, error);
  return error ? given : absolute.string();
}

}  // namespace

int run_upgrade(const ToolOptions& options, const UpgradeWords& words) {
  const auto found = find_running(options);
  if (const auto* failure = std::get_if<AdminFailure>(&found))
    return report_failure(options, "upgrade", *failure);
  const auto& running = std::get<Running>(found);
  const auto program =
      words.binary.empty() ? program_path(running.supervisor) : program_named(words.binary);
  const auto told = judge(program, running);
  if (const auto* refusal = std::get_if<Refusal>(&told)) return refuse(options, *refusal);
  const auto& next = std::get<ProgramFacts>(told);
  if (const auto why = why_not(running.facts, next); !why.empty())
    return refuse(options, {why + ". Nothing was changed"});
  if (next.file == running.facts.file && all_run(status_now(options), next.file))
    return tell(options, running, next, program, -1);
  const auto began = steady_clock::now();
  if (const auto refusal = begin(options, running, program)) return refuse(options, *refusal);
  if (const auto failed = await(options, running.facts, next, milliseconds(words.wait_ms)))
    return refuse(options, *failed);
  const auto took = std::chrono::duration_cast<milliseconds>(steady_clock::now() - began).count();
  return tell(options, running, next, program, took);
}

}  // namespace stampede::tools
