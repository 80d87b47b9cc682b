#include "actors/supervisor/request_line.h"

#include <set>
#include <string>
#include <vector>

namespace stampede::actors {

using nlohmann::json;

namespace {

// Sees names that an object has twice: the library keeps the last of them.
class DoubledNames {
 public:
  bool operator()(json::parse_event_t event, const json& parsed) {
    using Event = json::parse_event_t;
    if (event == Event::object_start) open_.emplace_back();
    if (event == Event::object_end) open_.pop_back();
    if (event == Event::key) seen_ |= !open_.back().insert(parsed.get<std::string>()).second;
    return true;
  }
  [[nodiscard]] bool seen() const { return seen_; }

 private:
  std::vector<std::set<std::string>> open_;
  bool seen_ = false;
};

}  // namespace

std::optional<json> read_request_line(std::string_view line) {
  // The library takes a NUL for the end of the text.
  if (line.find('\0') != std::string_view::npos) return std::nullopt;
  DoubledNames doubled;
  const auto see = [&](int, json::parse_event_t event, json& parsed) {
    return doubled(event, parsed);
  };
  json request = json::parse(line, see, false);
  if (!request.is_object() || doubled.seen()) return std::nullopt;
  return request;
}

}  // namespace stampede::actors
