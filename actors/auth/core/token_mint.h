#pragma once

// Signs the system's own tokens, with a secret of its own (HS256). Values in, values out; any
// thread.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "actors/auth/core/session.h"

namespace stampede::actors {

class TokenMint {
 public:
  static constexpr std::size_t kSecretBytes = 32;

  // `kid` names the secret, of kSecretBytes bytes.
  TokenMint(std::string kid, std::string secret);
  // Of what jwk_set() made; nothing when the text is no such set.
  static std::optional<TokenMint> read(std::string_view jwk_set);

  // The JWK set that verifies what is signed here; as secret as the secret.
  [[nodiscard]] std::string jwk_set() const;
  // Its `iat` is to the millisecond: a session that was opened behind a bar is none of before.
  [[nodiscard]] std::string mint(const Session& session, std::int64_t opened_ms) const;

 private:
  std::string kid_;
  std::string secret_;
};

}  // namespace stampede::actors
