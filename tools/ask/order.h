#pragma once

// `stampede order …`: buys, or shows what became of an order. Block up to the time-out; one thread.
// Return the process's exit code: 0 confirmed (shown: or not decided yet), 1 an error code, 5 no
// answer in time (the outcome is unknown: ask again with the same request id), 7 nobody listens,
// 8 rejected.

#include <cstdint>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>

#include "tools/ask/tool_options.h"

namespace stampede::tools {

inline constexpr std::int64_t kOrderTimeoutMs = 10'000;

struct Order {
  std::uint64_t item = 0;
  std::string user;
  std::uint32_t qty = 1;
  std::optional<std::uint64_t> promo;
  std::string request_id;  // empty: minted
  std::int64_t timeout_ms = kOrderTimeoutMs;
};

int run_order(const ToolOptions& options, const Order& order);
int run_order_show(const ToolOptions& options, const std::string& request_id);

// The line for people, and the exit code, that an answer map means.
std::string describe_answer(const nlohmann::json& answer);
int exit_for(const nlohmann::json& answer);

}  // namespace stampede::tools
