#include "actors/supervisor/core/role_counts.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <optional>
#include <string_view>

namespace stampede::actors {
namespace {

struct Role {
  std::string_view name;
  int max;
};
constexpr std::array<Role, 3> kRoles{Role{"webapp", kWebappsMax}, {"broker", 1}, {"backend", 1}};

std::string wrong_counts(const std::string& text) {
  return "--nodes " + text +
         ": give a list like webapp=2,broker=1,backend=1 (webapp 0 to 16, the others 0 or 1)";
}

// "webapp=2".
std::optional<RoleCount> parse_one(std::string_view part) {
  const auto equals = part.find('=');
  const auto role = std::find_if(kRoles.begin(), kRoles.end(), [&](const Role& one) {
    return one.name == part.substr(0, equals);
  });
  if (equals == std::string_view::npos || role == kRoles.end()) return std::nullopt;
  const char* first = part.data() + equals + 1;
  const char* last = part.data() + part.size();
  RoleCount found{std::string(role->name), 0};
  const auto [rest, error] = std::from_chars(first, last, found.count);
  const bool number = error == std::errc{} && rest == last && first != last;
  if (!number || found.count < 0 || found.count > role->max) return std::nullopt;
  return found;
}

}  // namespace

std::variant<std::vector<RoleCount>, std::string> parse_counts(const std::string& text) {
  std::vector<RoleCount> counts;
  std::size_t begin = 0;
  while (begin <= text.size()) {
    const auto end = std::min(text.find(',', begin), text.size());
    auto one = parse_one(std::string_view(text).substr(begin, end - begin));
    if (!one) return wrong_counts(text);
    std::erase_if(counts, [&](const RoleCount& other) { return other.role == one->role; });
    counts.push_back(std::move(*one));
    begin = end + 1;
  }
  return counts;
}

}  // namespace stampede::actors
