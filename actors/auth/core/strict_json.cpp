#include "actors/auth/core/strict_json.h"

#include <set>
#include <string>
#include <vector>

namespace stampede::actors {

using nlohmann::json;

json strict_object(std::string_view text) {
  std::vector<std::set<std::string>> open;  // the names in each object that is open
  bool twice = false;
  const auto look = [&](int, json::parse_event_t event, json& value) {
    if (event == json::parse_event_t::object_start) open.emplace_back();
    if (event == json::parse_event_t::object_end) open.pop_back();
    if (event == json::parse_event_t::key && !open.back().insert(value.get<std::string>()).second)
      twice = true;
    return true;
  };
  auto parsed = json::parse(text.begin(), text.end(), look, false);
  // The library takes a NUL for the end of the text.
  const bool cut = text.find('\0') != std::string_view::npos;
  return parsed.is_object() && !twice && !cut ? parsed : json(json::value_t::discarded);
}

const std::string* text_member(const json& object, const char* name) {
  const auto found = object.find(name);
  return found == object.end() ? nullptr : found->get_ptr<const std::string*>();
}

}  // namespace stampede::actors
