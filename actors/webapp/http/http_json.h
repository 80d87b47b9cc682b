#pragma once

// JSON of the webapp's HTTP side: reading order bodies strictly, writing answers. Pure functions.

#include <cstdint>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>

#include "actors/protocol/node_messages.h"
#include "actors/webapp/http/http_mail.h"

namespace stampede::actors {

using Json = nlohmann::ordered_json;

std::string to_text(const Json& json);  // bytes that are no UTF-8 become U+FFFD

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

// The members of an answer as SF1 names them.
Json answer_json(std::string_view id, const Answer& answer);
Json queued_json(std::string_view id);
Json item_json(const HttpItem& item);

}  // namespace stampede::actors
