#pragma once

// Values of a reply as people read them.

#include <nlohmann/json.hpp>
#include <string>

namespace stampede::tools {

// A text that stays within its line and column, whoever chose it. The other control characters are
// escaped wherever something is printed (tools/output).
inline std::string within_line(const std::string& text) {
  std::string out;
  for (const char c : text) {
    if (c == '\n') {
      out += "\\u000a";
    } else if (c == '\t') {
      out += "\\u0009";
    } else {
      out += c;
    }
  }
  return out;
}

// Texts without quotes and within a line, "-" for null, anything else as JSON.
inline std::string text_of(const nlohmann::json& value) {
  if (value.is_null()) return "-";
  return value.is_string() ? within_line(value.get_ref<const std::string&>()) : value.dump();
}

// Of a member; "-" when there is none.
inline std::string text_of(const nlohmann::json& map, const char* name) {
  const auto value = map.find(name);
  return value == map.end() ? "-" : text_of(*value);
}

}  // namespace stampede::tools
