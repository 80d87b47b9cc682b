#pragma once

// 1234567 as people read it: "1,234,567". Pure.

#include <concepts>
#include <string>

namespace stampede::tools {

std::string grouped(std::integral auto number) {
  std::string text = std::to_string(number);
  const std::size_t first = number < 0 ? 1 : 0;
  for (std::size_t at = text.size(); at > first + 3; at -= 3) text.insert(at - 3, ",");
  return text;
}

}  // namespace stampede::tools
