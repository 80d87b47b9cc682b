#pragma once

// The files of the run directory that sessions rest on, all of mode 0600:
//
//   session.keys    the secret that the system signs its own tokens with, a JWK set. Made once;
//                   sessions outlive every restart for as long as it stays.
//   service.token   a token for the system's own tools, with which they may speak for every user.
//                   New at each start of the supervisor; there only where auth.mode is "required".
//
// The supervisor makes them before any node starts; webapps read the keys, tools the token
// (config::read_service_token). Reading and writing blocks. Errors are texts that name the file and
// what to do.

#include <cstdint>
#include <string>
#include <variant>

#include "actors/auth/core/token_keys.h"
#include "actors/auth/core/token_mint.h"
#include "config/settings/config.h"

namespace stampede::actors {

// What the configuration asks for: both files, made anew where needed and durable on return, or no
// service token. Also looks whether auth.keys_file can be used, so that a start fails early. Empty,
// or what went wrong.
[[nodiscard]] std::string prepare_key_files(const config::Config& config, std::int64_t now_ms);

// What prepare_key_files() would refuse; nothing is made. Empty: nothing.
[[nodiscard]] std::string fault_of_key_files(const config::Config& config);

// The keys of auth.keys_file and of session.keys; of these there is at least one.
[[nodiscard]] std::variant<TokenKeys, std::string> read_token_keys(const config::Config& config);

// What session.keys signs with; an error where it is not there.
[[nodiscard]] std::variant<TokenMint, std::string> read_session_mint(const config::Config& config);

}  // namespace stampede::actors
