#pragma once

// Asks the supervisor on <run>/admin.sock: one request, one answer. Blocks up to the time-out; one
// connection per call; no state. Thread-safe.

#include <nlohmann/json.hpp>
#include <string>
#include <variant>

#include "config/settings/config.h"

namespace stampede::tools {

struct AdminFailure {
  std::string message;  // what went wrong and what to do
  int exit;             // 7: nobody listens; 5: no answer in time; 1: the connection broke
  std::string code{};   // the supervisor's word for it; empty: it said none
};

// The answer as it came. The supervisor's own time-out for what it asks the backend is 30 s.
std::variant<nlohmann::json, AdminFailure> ask_admin(const config::Config& config,
                                                     const nlohmann::json& request,
                                                     int timeout_ms = 35'000);

// The same, with an answer that holds "error" turned into a failure with its message and exit code.
std::variant<nlohmann::json, AdminFailure> ask_admin_or_fail(const config::Config& config,
                                                             const nlohmann::json& request,
                                                             int timeout_ms = 35'000);

// The system's status, for a tool that has something to say without one, too: null when nobody
// answers within 2 s.
nlohmann::json status_or_null(const config::Config& config);

// ask_admin_or_fail() for a command that somebody has typed. A supervisor that was killed is back a
// moment later: while a node's lock in the run directory is held, this waits for it, up to 5 s.
std::variant<nlohmann::json, AdminFailure> ask_admin_for_operator(const config::Config& config,
                                                                  const nlohmann::json& request,
                                                                  int timeout_ms = 35'000);

// A request id that nobody used before: 32 hex digits.
std::string mint_request_id();

}  // namespace stampede::tools
