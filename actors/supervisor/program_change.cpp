#include "actors/supervisor/program_change.h"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <csignal>
#include <fstream>
#include <iterator>
#include <string_view>

#include "actors/node/node_lock.h"
#include "actors/node/node_log.h"
#include "actors/supervisor/program_file.h"
#include "actors/supervisor/supervisor_guard.h"

namespace stampede::actors {
namespace {

constexpr std::array<std::string_view, 3> kRoles{"webapp-", "broker-", "backend-"};

bool is_node(std::string_view name) {
  return std::any_of(kRoles.begin(), kRoles.end(),
                     [&](std::string_view role) { return name.starts_with(role); });
}

bool is_guard(pid_t pid) {
  std::ifstream in("/proc/" + std::to_string(pid) + "/cmdline");
  const std::string words{std::istreambuf_iterator<char>(in), {}};
  return words.find(std::string("\0--guard\0", 9)) != std::string::npos;
}

}  // namespace

bool hears_of_programs(pid_t guard) {
  std::ifstream in("/proc/" + std::to_string(guard) + "/status");
  constexpr std::string_view kBlocked = "SigBlk:";
  for (std::string line; std::getline(in, line);) {
    if (!line.starts_with(kBlocked)) continue;
    const auto mask = std::stoull(line.substr(kBlocked.size()), nullptr, 16);
    return is_guard(guard) && (mask >> (kGuardChangesAt - 1) & 1) != 0;
  }
  return false;
}

void ProgramChange::find_nodes() {
  nodes_.clear();
  std::error_code error;
  std::filesystem::directory_iterator entry(run_dir_, error);
  for (; !error && entry != std::filesystem::directory_iterator(); entry.increment(error)) {
    const auto& file = entry->path();
    if (file.extension() != ".lock" || !is_node(file.stem().string())) continue;
    const auto holder = lock_holder(file);
    if (!holder || !runs_another_program(holder->process.pid)) continue;
    if (auto process = WatchedProcess::adopt(holder->process))
      nodes_.push_back({file.stem().string(), std::move(*process)});
  }
}

void ProgramChange::begin(Ms now) {
  find_nodes();
  handover_.begin(now);
  for (const auto& node : nodes_)
    log_info(node.name + ": pid " + std::to_string(node.process.pid()) +
             " runs another program and gives way");
  on_timer(now);
}

OtherProgram ProgramChange::left() const {
  OtherProgram left;
  const pid_t parent = ::getppid();
  left.guard = runs_another_program(parent) && hears_of_programs(parent);
  for (const auto& node : nodes_) {
    if (node.process.ended()) continue;
    ++(node.name.starts_with("webapp-") ? left.webapps : left.others);
  }
  return left;
}

void ProgramChange::signal_nodes(int number, bool webapps_only) const {
  for (const auto& node : nodes_)
    if (!webapps_only || node.name.starts_with("webapp-")) node.process.signal(number);
}

void ProgramChange::on_timer(Ms now) {
  if (over()) return;
  switch (handover_.look(now, left())) {
    case ProgramHandover::Step::none:
      break;
    case ProgramHandover::Step::tell_guard:
      ::kill(::getppid(), kGuardChangesAt);
      break;
    case ProgramHandover::Step::end_webapps:
      signal_nodes(SIGTERM, true);
      break;
    case ProgramHandover::Step::kill_nodes:
      signal_nodes(SIGKILL, false);
      break;
  }
  if (over()) nodes_.clear();
}

}  // namespace stampede::actors
