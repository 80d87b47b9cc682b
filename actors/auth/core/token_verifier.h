#pragma once

// What a token says of who asks: JSON Web Tokens (RFC 7519) whose signature TokenKeys verifies.
//
// A session needs `sub` (the user) and `exp`. `nbf`, when it is there, must have come; `iss` and
// `aud` must be what the rules name. A token that is for somebody (`aud`) when the rules name
// nobody is not for us. `scope` with the word "service" makes a caller that may speak for every
// user. What the system's own key has signed is its own: it needs neither issuer nor audience.
//
// One thread, no clock: Unix time comes with each call. A token is refused with one code for all
// faults (not_logged_in), so that a stranger learns nothing, and a word for the operator; one whose
// only fault is its age with session_expired.

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

#include "actors/auth/core/session.h"
#include "actors/auth/core/token_keys.h"

namespace stampede::actors {

struct TokenRules {
  std::string issuer;         // empty: any
  std::string audience;       // empty: tokens name none
  std::int64_t leeway_s = 5;  // that clocks may differ by
};

// What stands in `iss` of the system's own tokens.
inline constexpr std::string_view kOwnIssuer = "stampede";
inline constexpr std::string_view kServiceScope = "service";

class TokenVerifier {
 public:
  TokenVerifier(TokenKeys keys, TokenRules rules)
      : keys_(std::move(keys)), rules_(std::move(rules)) {}

  // `token` may be any bytes.
  [[nodiscard]] Verdict verify(std::string_view token, std::int64_t now_ms) const;

 private:
  TokenKeys keys_;
  TokenRules rules_;
};

}  // namespace stampede::actors
