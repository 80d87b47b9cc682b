#pragma once

// Passwords as they are stored: Argon2id in the text form of libsodium ($argon2id$v=19$…), with a
// random salt, at its INTERACTIVE cost: 64 MiB of memory and some 50 ms of a processor a call.
// Thread-safe; calls block for as long as they compute.

#include <optional>
#include <string>
#include <string_view>

namespace stampede::actors {

inline constexpr std::size_t kPasswordHashBytesMax = 128;

// Nothing: there was no memory.
[[nodiscard]] std::optional<std::string> hash_password(std::string_view password);

enum class PasswordCheck { right, wrong, no_memory };
// A hash that is none costs as much as one that is: for an account that does not exist give any
// text.
[[nodiscard]] PasswordCheck check_password(std::string_view hash, std::string_view password);

}  // namespace stampede::actors
