#pragma once

// The bodies of the messages between supervisor and nodes: one msgpack map. Pure; any thread.

#include <cstddef>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

namespace stampede::actors {

inline constexpr std::size_t kControlDepthMax = 16;  // nested containers; ours have 5

std::string pack_control(const nlohmann::json& map);

// What a body holds; a discarded value (is_discarded()) when it is no msgpack, has bytes left over,
// or is nested deeper than kControlDepthMax: the library reads nested values by recursion, so a
// stranger's megabyte of opened arrays would end the process.
nlohmann::json unpack_control(std::string_view bytes);

}  // namespace stampede::actors
