#pragma once

// The steps that the chaos commands are made of. All block up to the named time. One thread.
// Members of a ChaosError: what went wrong and the tool's exit code.

#include <cstdint>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>

#include "tools/ask/tool_options.h"

namespace stampede::tools {

struct ChaosError {
  std::string message;
  int exit;
};

// Steps throw ChaosError; this runs a command's body and turns one into message and exit code.
template <class Body>
int run_chaos_body(Body&& body);
int report_chaos_error(const ChaosError& error);

nlohmann::json chaos_ask(const config::Config& config, const nlohmann::json& request);
void require_dev(const config::Config& config);

// The node's entry in status; null while nobody answers.
nlohmann::json chaos_node(const config::Config& config, const std::string& node);
// Its process id; throws (exit 2 or 3) when there is no such node or it has no process.
std::int64_t chaos_pid(const config::Config& config, const std::string& node);
inline constexpr std::int64_t kBackMs = 60'000;  // for a node that was ended, replay included

// Waits until it is ready in another process than `old_pid` (0: in any). False: not in time.
bool await_ready(const config::Config& config, const std::string& node, std::int64_t old_pid,
                 std::int64_t wait_ms);
bool await_end(const config::Config& config, const std::string& node, std::int64_t pid,
               std::int64_t wait_ms);

// Something for a crash point to be passed by when nobody buys: one unit more of an item of its
// own, "chaos probe", and an order for it, as anybody's. Blocks for a second at most.
inline constexpr std::uint64_t kProbeItem = 9'223'372'036'854'775'807;
void nudge(const config::Config& config);

// The system's private database, known by <run>/db/server.pid.
class PrivateDatabase {
 public:
  // Throws (exit 6) when there is none that runs.
  explicit PrivateDatabase(const config::Config& config);
  static std::optional<PrivateDatabase> find(const config::Config& config);
  void stop() const;   // SIGSTOP
  void go_on() const;  // SIGCONT

 private:
  explicit PrivateDatabase(std::int64_t pid) : pid_(pid) {}
  std::int64_t pid_;
};

// Sleeps; false when Ctrl-C or SIGTERM came, so that what was done can be undone first.
bool chaos_pause(std::int64_t ms);

template <class Body>
int run_chaos_body(Body&& body) {
  try {
    return body();
  } catch (const ChaosError& error) {
    return report_chaos_error(error);
  }
}

}  // namespace stampede::tools
