#pragma once

// JSON of the webapp's HTTP side: reading order bodies strictly, writing answers. Pure functions.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "actors/protocol/node_messages.h"

namespace stampede::actors {

// Appends `text` as a JSON string with quotes. `text` must be UTF-8.
void append_json_text(std::string& out, std::string_view text);

struct OrderBody {
  std::string id;  // empty: none
  std::string user;
  std::uint64_t item = 0;
  std::uint32_t qty = 1;
};

struct BodyFault {
  std::string field;  // the member at fault; empty: the body is no JSON object
  std::string text;   // for people
};

// {"item":1,"user":"ann","qty":1,"id":"…"}: unknown, doubled, missing and wrong members are faults.
std::optional<BodyFault> parse_order_body(std::string_view body, OrderBody& order);

// The members of an answer as SF1 names them, as a JSON object.
std::string answer_json(std::string_view id, const Answer& answer);
std::string queued_json(std::string_view id);

// "items":[…],"next":…  without braces; one row alone with item_json.
std::string items_members(const std::vector<ItemRow>& rows, std::optional<std::uint64_t> next);

}  // namespace stampede::actors
