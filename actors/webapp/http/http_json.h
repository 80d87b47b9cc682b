#pragma once

// JSON of the webapp's HTTP side: writing answers. Pure functions.

#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

#include "actors/protocol/node_messages.h"
#include "actors/webapp/http/http_mail.h"

namespace stampede::actors {

using Json = nlohmann::ordered_json;

std::string to_text(const Json& json);  // bytes that are no UTF-8 become U+FFFD

// The members of an answer as SF1 names them.
Json answer_json(std::string_view id, const Answer& answer);
Json queued_json(std::string_view id);
Json item_json(const HttpItem& item);

}  // namespace stampede::actors
