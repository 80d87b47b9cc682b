#pragma once

// What an operator may make of a promo. Pure: looks and changes nothing; a change becomes true
// through OrderBook::apply_promo().

#include <cstdint>
#include <string>

#include "actors/sale/codes.h"
#include "actors/sale/promo_table.h"

namespace stampede::actors {

enum class PromoAction : std::uint8_t { invalid = 0, add = 1, set = 2, end = 3 };

struct PromoRequest {
  // Bits: this time of `put` counts from the decision on. A repeat is the same request then, though
  // it comes later.
  static constexpr std::uint32_t kStartsFromNow = 1, kEndsFromNow = 2;

  PromoAction action = PromoAction::invalid;
  storage::PromoPut put;    // request_id, promo, and the terms that are given
  std::uint32_t given = 0;  // set: bit n: term n of each_promo_term()
  std::uint32_t from_now = 0;
};

struct PromoDecision {
  Code error = Code::none;
  std::string field;      // what is wrong, or in the way
  bool known = false;     // the same request id was decided before
  bool changed = false;   // false: the promo is so already; nothing to apply
  Lsn lsn = 0;            // of the earlier decision, when known
  storage::PromoPut put;  // the promo as it shall be; views point into the request or the table
  storage::RequestHash request_hash{};
  std::uint32_t item_position = 0;
};

// What the promo would be after the request at `now_ms`, whatever its request id: error, field,
// changed and the terms of `put`. The item itself is not looked up.
PromoDecision judge_promo(const PromoTable& promos, const PromoRequest& request,
                          std::int64_t now_ms);

// Whether a gate lets through what was given already; `total`: of the promo's item.
[[nodiscard]] bool gate_holds(const PromoTable& promos, const storage::PromoPut& put,
                              std::int64_t total);

}  // namespace stampede::actors
