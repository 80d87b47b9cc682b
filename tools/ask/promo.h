#pragma once

// `stampede promo …`: promos are changed by logged commands that the backend carries out; an answer
// means the change is durable. Block; one thread. Return the process's exit code as those of
// `stampede item` do (tools/ask/item.h).

#include <cstdint>
#include <optional>
#include <string>

#include "tools/ask/moment.h"
#include "tools/ask/tool_options.h"

namespace stampede::tools {

struct PromoChange {
  std::uint64_t promo = 0;
  // What is not given stays as it is; of a new promo the first five are.
  std::optional<std::uint64_t> item;
  std::optional<std::string> name;
  std::optional<std::int64_t> price_cents;
  std::optional<Moment> starts;
  std::optional<Moment> ends;
  std::optional<std::uint32_t> limit_per_user;
  std::optional<std::uint32_t> hold_s;
  std::optional<std::uint32_t> hold_low_s;
  std::optional<std::uint32_t> low_stock_percent;
  std::optional<std::uint32_t> unpaid_per_user_max;
  std::optional<std::uint32_t> ticket;  // 1: an order needs one
  std::optional<std::uint32_t> gate_factor;
  std::string request_id;  // empty: minted
};

int run_promo_add(const ToolOptions& options, const PromoChange& change);
int run_promo_set(const ToolOptions& options, const PromoChange& change);
int run_promo_end(const ToolOptions& options, const PromoChange& change);
int run_promo_list(const ToolOptions& options);
int run_promo_show(const ToolOptions& options, std::uint64_t promo);

}  // namespace stampede::tools
