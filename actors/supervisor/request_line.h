#pragma once

// A line at admin.sock: one object of JSON, no member twice, nothing before or behind it. Values
// in, values out; any thread.

#include <nlohmann/json.hpp>
#include <optional>
#include <string_view>

namespace stampede::actors {

std::optional<nlohmann::json> read_request_line(std::string_view line);

}  // namespace stampede::actors
