#pragma once

// JSON objects of strangers: a text that another reader could understand otherwise is none. Pure.

#include <nlohmann/json.hpp>
#include <string_view>

namespace stampede::actors {

// The object that a text holds. Discarded (is_discarded) when it is no JSON object in UTF-8, or an
// object in it has a member twice. `text` is bounded by its caller.
nlohmann::json strict_object(std::string_view text);

// The member of that name, when it is there and a string; else null. Holds as long as the object.
const std::string* text_member(const nlohmann::json& object, const char* name);

}  // namespace stampede::actors
