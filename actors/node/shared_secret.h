#pragma once

// Secrets that the nodes of one system share, in files of the run directory: 32 random bytes as a
// line of hex digits, mode 0600. The supervisor makes them before it starts a node; whoever else
// comes first makes them as well, and all get the same. Blocks on the disk; any thread.

#include <array>
#include <cstdint>
#include <filesystem>
#include <string>
#include <variant>

namespace stampede::actors {

using SharedSecret = std::array<std::uint8_t, 32>;

// What the file holds; it is made, durably, where there is none, and never overwritten. Else what
// is wrong, for people: it cannot be read or made, is open to others, or holds something else.
[[nodiscard]] std::variant<SharedSecret, std::string> shared_secret(
    const std::filesystem::path& file);

// Of the tickets of webapps (actors/protocol/ticket_text.h).
[[nodiscard]] std::filesystem::path ticket_key_file(const std::filesystem::path& run_dir);

}  // namespace stampede::actors
