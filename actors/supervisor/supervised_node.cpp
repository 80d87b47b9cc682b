#include "actors/supervisor/supervised_node.h"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <csignal>
#include <ctime>
#include <filesystem>
#include <string_view>

#include "actors/node/exit_note.h"
#include "actors/node/node.h"
#include "actors/node/node_lock.h"
#include "actors/supervisor/program_file.h"
#include "config/process/utc_text.h"
#include "config/process/wall_clock.h"
#include "config/settings/accepted_text.h"

namespace stampede::actors {
namespace {

using nlohmann::json;

// Members of a heartbeat that `status` shows for the system instead of for the node.
constexpr std::array<std::string_view, 3> kSystemMembers{"items", "log", "database"};
// Members that the link adds for the supervisor alone.
constexpr std::array<std::string_view, 6> kLinkMembers{"node",  "role", "instance",
                                                       "phase", "ts",   "replies"};

double uptime_s(const ProcessId& process) {
  timespec now{};
  ::clock_gettime(CLOCK_BOOTTIME, &now);
  const double boot = static_cast<double>(now.tv_sec) + static_cast<double>(now.tv_nsec) / 1e9;
  const double start =
      static_cast<double>(process.start_time) / static_cast<double>(::sysconf(_SC_CLK_TCK));
  return std::max(0.0, static_cast<double>(static_cast<std::int64_t>((boot - start) * 10)) / 10);
}

Beat beat_of(const json& report, bool own_work) {
  Beat beat;
  beat.phase = static_cast<Phase>(report.value("phase", std::uint16_t{0}));
  beat.work_waiting = own_work && report.value("work_waiting", false);
  beat.disk_waiting = report.value("disk_waiting", false);
  beat.progress = report.value("progress", std::uint64_t{0});
  return beat;
}

}  // namespace

RestartOptions restart_options(const config::Supervisor& config) {
  RestartOptions options;
  options.backoff_min = config.restart_backoff_min_ms;
  options.backoff_max = config.restart_backoff_max_ms;
  options.beat_limit = Ms{config.heartbeat_ms} * config.missed_heartbeats_max;
  options.stall_limit = config.stall_ms;
  return options;
}

SupervisedNode::SupervisedNode(std::string role, int index, const config::Config& config)
    : role_(std::move(role)),
      index_(index),
      id_(role_ + "-" + std::to_string(index)),
      run_dir_(config.run_dir),
      policy_(restart_options(config.supervisor)) {}

SpawnRequest SupervisedNode::spawn_request() const {
  SpawnRequest request;
  request.arguments = {
      "--run-dir", run_dir_.string(), role_,       "--index", std::to_string(index_),
      "--wanted",  "serve",           "--accepted"};
  request.output = run_dir_ / "log" / (id_ + ".log");
  request.name = id_;
  request.with_failpoints = !started_before_;
  if (!next_failpoints_.empty()) request.failpoints = next_failpoints_.front();
  return request;
}

// What the node could not start without and may come back: the text with its settings, which the
// supervisor writes again, and the directory of its log lines, which is made.
std::string SupervisedNode::missing_place(const SpawnRequest& request) const {
  std::error_code error;
  const auto settings = config::accepted_file(run_dir_);
  if (!std::filesystem::exists(settings, error))
    return settings.string() + " is gone; it is waited for";
  const auto place = request.output.parent_path();
  std::filesystem::create_directories(place, error);
  return error ? "cannot make " + place.string() + ": " + error.message() : std::string{};
}

std::string SupervisedNode::reported(const char* member) const {
  const auto found = report_.find(member);
  return found != report_.end() && found->is_string() ? found->get<std::string>() : std::string{};
}

std::optional<bool> SupervisedNode::orders_refused() const {
  const auto found = report_.find("orders_refused");
  if (found == report_.end() || !found->is_boolean()) return std::nullopt;
  return found->get<bool>();
}

bool SupervisedNode::rests() const {
  const auto state = policy_.state();
  if (state == NodeState::stopped || state == NodeState::waiting_operator) return true;
  const auto waits = report_.find("work_waiting");
  const bool works = waits != report_.end() && *waits == true;
  return state == NodeState::ready && !works;
}

std::string SupervisedNode::bring_up(Ms now) {
  instance_ = 0;
  told_at_ = kNeverTold;
  report_ = json::object();
  kill_reason_.clear();
  end_reason_.clear();
  if (const auto holder = lock_holder(lock_file(run_dir_, id_))) {
    if (runs_another_program(holder->process.pid)) {
      policy_.start_failed(now);
      return id_ + ": runs already, but another program; it gives way first";
    }
    auto adopted = WatchedProcess::adopt(holder->process);
    if (!adopted) {
      policy_.start_failed(now);
      return id_ + ": its lock is held, but not by a node that gave its name; asking again";
    }
    process_.emplace(std::move(*adopted));
    adopted_ = true;
    policy_.started(now);
    return id_ + ": runs already, adopted pid " + std::to_string(process_->pid());
  }
  using Spawned = std::variant<WatchedProcess, std::string>;
  const auto request = spawn_request();
  const auto missing = missing_place(request);
  auto spawned = missing.empty() ? WatchedProcess::start(request) : Spawned(missing);
  if (auto* reason = std::get_if<std::string>(&spawned)) {
    policy_.start_failed(now);
    exit_what_ = "not started";
    exit_reason_ = *reason;
    exit_wall_ms_ = config::wall_ms();
    return id_ + ": " + *reason;
  }
  adopted_ = false;
  started_before_ = true;
  if (!next_failpoints_.empty()) next_failpoints_.pop_front();
  process_.emplace(std::move(std::get<WatchedProcess>(spawned)));
  policy_.started(now);
  return id_ + ": started, pid " + std::to_string(process_->pid());
}

std::string SupervisedNode::take_end(Ms now, MemoryDeaths& deaths) {
  const pid_t pid = process_->pid();
  ProcessEnd end = process_->take_end();
  process_.reset();
  exit_reason_.clear();
  if (const auto note = read_exit_note(run_dir_, id_); note && note->pid == pid) {
    if (!end.exit_code && !end.signal) end.exit_code = note->code;
    exit_reason_ = note->reason;
  } else if (end.exit_code && *end.exit_code != 0) {
    exit_reason_ = "see log/" + id_ + ".log";
  }
  exit_what_ = to_text(end);
  const bool killed = !end.exit_code && end.signal.value_or(SIGKILL) == SIGKILL;
  if (!kill_reason_.empty()) {
    exit_what_ = "SIGKILL";
    exit_reason_ = kill_reason_;
  } else if (!end_reason_.empty()) {
    exit_reason_ = end_reason_;
  } else if (auto memory = killed ? deaths.take_reason() : std::string{}; !memory.empty()) {
    exit_reason_ = std::move(memory);
  }
  exit_wall_ms_ = config::wall_ms();
  // Who asked the database is gone, and what it heard.
  if (const auto database = system_view_.find("database"); database != system_view_.end()) {
    (*database)["state"] = "unknown";
    for (const char* heard : {"why", "for_s"}) database->erase(heard);
  }
  // It may have made the first one since it told of none.
  if (const auto items = system_view_.find("items"); items != system_view_.end() && items->empty())
    system_view_.erase(items);
  // "Another one runs": true of a node that an earlier supervisor started and that this one did not
  // see yet. Starting again finds its lock and adopts it.
  const bool other_runs =
      end.exit_code == kExitOtherWriter && lock_holder(lock_file(run_dir_, id_)).has_value();
  policy_.ended(now, other_runs ? std::nullopt : end.exit_code);
  std::string line = id_ + ": pid " + std::to_string(pid) + " ended, " + exit_what_;
  if (!exit_reason_.empty()) line += ": " + exit_reason_;
  return line + "; now " + std::string(to_text(policy_.state()));
}

bool SupervisedNode::take_report(Ms now, json report) {
  if (!process_ || report.value("pid", pid_t{0}) != process_->pid()) return false;
  instance_ = report.value("instance", std::uint64_t{0});
  heard_at_ = now;
  // Orders that wait in a webapp or broker wait for the backend. Those two do all their work in the
  // thread that sends the heartbeats, so silence is what shows their hangs.
  policy_.heard(now, beat_of(report, role_ == "backend"));
  for (const auto member : kSystemMembers) {
    const auto found = report.find(member);
    if (found == report.end()) continue;
    system_view_[std::string(member)] = std::move(*found);
    report.erase(found);
  }
  for (const auto member : kLinkMembers) report.erase(std::string(member));
  report_.update(report);  // members that come less often keep their last value
  return true;
}

void SupervisedNode::terminate(const std::string& why) {
  if (!process_) return;
  end_reason_ = why;
  process_->signal(SIGTERM);
}

void SupervisedNode::kill(const std::string& why) {
  if (!process_) return;
  kill_reason_ = why;
  process_->signal(SIGKILL);
}

json SupervisedNode::last_exit() const {
  if (exit_what_.empty()) return nullptr;
  return exit_reason_.empty() ? exit_what_ : exit_what_ + ": " + exit_reason_;
}

std::uint64_t SupervisedNode::counter(const char* name) const {
  const auto counters = report_.find("counters");
  if (counters == report_.end() || !counters->is_object()) return 0;
  const auto found = counters->find(name);
  const bool number = found != counters->end() && found->is_number_unsigned();
  return number ? found->get<std::uint64_t>() : 0;
}

json SupervisedNode::view(Ms now) const {
  json view = process_ ? report_ : json::object();
  view["node"] = id_;
  view["role"] = role_;
  view["state"] = to_text(policy_.state());
  if (retired_) view["retired"] = true;
  view["pid"] = process_ ? json(process_->pid()) : json(nullptr);
  view["restarts"] = policy_.restarts();
  view["uptime_s"] = process_ ? json(uptime_s(process_->id())) : json(nullptr);
  view["last_exit"] = last_exit();
  view["last_exit_at"] = exit_what_.empty() ? json(nullptr) : json(config::utc_text(exit_wall_ms_));
  view["heartbeat_age_ms"] = process_ && instance_ != 0 ? json(now - heard_at_) : json(nullptr);
  if (policy_.state() == NodeState::backing_off) {
    view["restart_in_ms"] = std::max<Ms>(0, policy_.start_at() - now);
  }
  return view;
}

}  // namespace stampede::actors
