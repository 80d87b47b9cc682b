#pragma once

// What the supervisor says about the system: the document of `status --json`, and its read-only
// HTTP answers (contract §4: /status, and /healthz, /readyz, /version with ?node=). Pure functions.

#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "actors/http/http_server.h"
#include "actors/supervisor/status_page.h"

namespace stampede::actors {

// Assembles the document of contract §8 from the nodes' entries and the backend's system members.
// `drained_ms`: since when (since 1970) an operator has orders refused; 0: he has not.
nlohmann::json system_status(std::vector<nlohmann::json> nodes, const nlohmann::json& system_view,
                             std::int64_t drained_ms = 0);

bool is_health_path(std::string_view path);
HttpReply answer_http(const HttpRequest& request, const StatusPage& page);

// The refusal of a request that is no question; nothing: it is one.
std::optional<HttpReply> refuse_write(const HttpRequest& request);

}  // namespace stampede::actors
