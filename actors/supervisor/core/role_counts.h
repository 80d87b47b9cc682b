#pragma once

// How many nodes of each role: the texts of `--nodes` and `stampede nodes`. Pure.

#include <string>
#include <variant>
#include <vector>

namespace stampede::actors {

struct RoleCount {
  std::string role;  // "webapp", "broker", "backend"
  int count = 0;
  bool operator==(const RoleCount&) const = default;
};

inline constexpr int kWebappsMax = 16;

// "webapp=2,backend=1", those that are named, of each the last; or a text that says what is wrong
// and what is allowed.
std::variant<std::vector<RoleCount>, std::string> parse_counts(const std::string& text);

}  // namespace stampede::actors
