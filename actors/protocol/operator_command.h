#pragma once

// An operator's commands to the backend, one map each: read and bounded by one set of rules, at
// admin.sock and again where they arrive. Pure; any thread.
//
//   {"do":"item_put", request_id, item, …the terms of an item and of its sale}
//   {"do":"item_set", request_id, item [, …some of them, but for total and closed]}
//   {"do":"item_open"|"item_close", request_id, item}
//   {"do":"stock_change", request_id, item, delta}
//   {"do":"promo_add", request_id, promo, …the terms of a promo; instead of starts_at_ms and
//    ends_at_ms also starts_in_ms and ends_in_ms, counted from the decision on}
//   {"do":"promo_set", request_id, promo [, …some of them]}
//   {"do":"promo_end", request_id, promo}
//   {"do":"items" [, from, limit]}
//   {"do":"promos" [, from, limit]}
//   {"do":"books"}
//   {"do":"clock_accept", request_id}
//   {"do":"sessions_end", user, at_ms}       of the user all that were opened up to then
//
// Texts are UTF-8 without control characters within their bounds, numbers whole and in range.
// A member that the command does not have is at fault, too.

#include <cstdint>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "actors/sale/item_request.h"
#include "actors/sale/promo_rules.h"
#include "actors/sale/request.h"
#include "actors/sale/session_notice.h"

namespace stampede::actors {

// Reads the members of a map and remembers the first that does not fit. Views point into the map.
class CommandMembers {
 public:
  explicit CommandMembers(const nlohmann::json& map) : map_(map) {}

  // 1 to bytes_max bytes; empty when it does not fit or, not being required, is not there.
  std::string_view text(std::string_view name, std::size_t bytes_max, bool required = true);
  // `otherwise`: when it is not there, or null.
  std::int64_t number(std::string_view name, std::int64_t min, std::int64_t max,
                      std::optional<std::int64_t> otherwise = {});
  std::string_view request_id();                                 // "request_id"
  bool flag(std::string_view name);                              // false when it is not there
  void fail(std::string_view name, const std::string& what);     // … it must be
  void knows(std::string_view name) { known_.push_back(name); }  // it may be there
  // Call it last: the first member that none of the above has asked for does not fit.
  void refuse_others();

  [[nodiscard]] const std::string& error() const { return error_; }  // empty: none
  [[nodiscard]] const std::string& field() const { return field_; }  // … the member's name

 private:
  [[nodiscard]] const nlohmann::json* find(std::string_view name);

  const nlohmann::json& map_;
  std::vector<std::string_view> known_;  // what was asked for
  std::string error_;
  std::string field_;
};

// `request` of kind stock_change, items or promos (item: from, qty: limit) or session (user,
// valid_until_ms: of the bar), its views into the map; invalid for books and where `item` or
// `promo` has an action. `error` says which member is missing, of a wrong type or out of bounds,
// `field` names it.
struct OperatorCommand {
  Request request;
  ItemRequest item;
  PromoRequest promo;
  bool accepts_clock = false;  // under request.id
  std::string error;
  std::string field;
};
[[nodiscard]] bool is_operator_command(std::string_view what);  // the value of "do"
OperatorCommand read_operator_command(const nlohmann::json& map);

// The map of a command without error, of known members only.
nlohmann::json operator_command_map(std::string_view what, const OperatorCommand& command);

}  // namespace stampede::actors
