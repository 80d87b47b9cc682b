#pragma once

// Values of a reply as people read them.

#include <nlohmann/json.hpp>
#include <string>

namespace stampede::tools {

// Texts without quotes, "-" for null, anything else as JSON.
inline std::string text_of(const nlohmann::json& value) {
  if (value.is_null()) return "-";
  return value.is_string() ? value.get<std::string>() : value.dump();
}

// Of a member; "-" when there is none.
inline std::string text_of(const nlohmann::json& map, const char* name) {
  const auto value = map.find(name);
  return value == map.end() ? "-" : text_of(*value);
}

}  // namespace stampede::tools
