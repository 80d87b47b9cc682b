#include "tools/ask/clock.h"

#include <array>
#include <cstdio>
#include <nlohmann/json.hpp>

#include "tools/ask/operator_change.h"

namespace stampede::tools {
namespace {

using nlohmann::json;

std::string described_clock(const json& answer) {
  if (!answer.value("changed", false)) return "clock  it has not stepped: nothing to accept";
  std::array<char, 96> text;
  std::snprintf(text.data(), text.size(), "clock  the sale goes by the wall clock, %.3f s further",
                answer.value("stepped_s", 0.0));
  return text.data();
}

}  // namespace

int run_clock_accept(const ToolOptions& options, const std::string& request_id) {
  return run_operator_change(options, {"clock", described_clock}, {{"do", "clock_accept"}},
                             request_id);
}

}  // namespace stampede::tools
