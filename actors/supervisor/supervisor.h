#pragma once

// The supervisor: starts the nodes as child processes, sees their ends and hangs, restarts them,
// repeats the wanted state and the operator's commands to them, and answers on admin.sock and HTTP.
//
// One port thread does it all (policy: restart_policy; processes: process_watch; requests:
// command_desk). Nodes outlive it: a new supervisor adopts the ones that run.

#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "actors/supervisor/core/role_counts.h"
#include "config/settings/config.h"

namespace stampede::actors {

using NodeCount = RoleCount;

// "webapp=2,broker=1,backend=1", 0 of those that are not named; or a text that says what is wrong
// and what is allowed.
std::variant<std::vector<NodeCount>, std::string> parse_nodes(const std::string& text);
inline constexpr const char* kNodesDefault = "webapp=1,broker=1,backend=1";

// What `stampede supervisor` was told.
struct SupervisorWords {
  std::vector<NodeCount> nodes;
  bool again = false;  // its predecessor did not stop the system, so what operators wanted holds
  std::vector<std::string> arguments;  // as typed, behind argv[0], for a program that comes after
  std::string ended{};  // when (ms since 1970) and how the one before ended, as its guard says:
                        // "1795257721203 SIGKILL"; empty: not known
};

// Runs until SIGTERM, which stops the nodes first (webapps, broker, backend; at most 35 s each,
// then SIGKILL). A second SIGTERM kills them and ends at once. SIGHUP: accepts the configuration
// anew, as `config reload`. Returns the exit code.
int run_supervisor(const config::Config& config, const SupervisorWords& words);

}  // namespace stampede::actors
