#include "actors/auth/core/token_mint.h"

#include <sodium.h>

#include <nlohmann/json.hpp>
#include <utility>

#include "actors/auth/core/strict_json.h"
#include "actors/auth/core/token_keys.h"
#include "actors/auth/core/token_verifier.h"
#include "config/process/invariant.h"

namespace stampede::actors {

namespace {

using nlohmann::json;

std::string hmac_sha256(const std::string& secret, const std::string& text) {
  const auto bytes = [](const std::string& of) {
    return reinterpret_cast<const unsigned char*>(of.data());
  };
  crypto_auth_hmacsha256_state state;
  std::string mac(crypto_auth_hmacsha256_BYTES, '\0');
  crypto_auth_hmacsha256_init(&state, bytes(secret), secret.size());
  crypto_auth_hmacsha256_update(&state, bytes(text), text.size());
  crypto_auth_hmacsha256_final(&state, reinterpret_cast<unsigned char*>(mac.data()));
  return mac;
}

}  // namespace

TokenMint::TokenMint(std::string kid, std::string secret)
    : kid_(std::move(kid)), secret_(std::move(secret)) {
  STAMPEDE_ASSERT(secret_.size() == kSecretBytes, "a secret is as long as what it signs with");
}

std::optional<TokenMint> TokenMint::read(std::string_view jwk_set) {
  const auto set = strict_object(jwk_set);
  const auto keys = set.is_object() ? set.find("keys") : set.end();
  if (keys == set.end() || !keys->is_array() || keys->size() != 1 || !keys->front().is_object())
    return std::nullopt;
  const auto* kid = text_member(keys->front(), "kid");
  const auto* text = text_member(keys->front(), "k");
  auto secret = text ? from_base64url(*text) : std::nullopt;
  if (!kid || !secret || secret->size() != kSecretBytes) return std::nullopt;
  return TokenMint(*kid, std::move(*secret));
}

std::string TokenMint::jwk_set() const {
  return json{{"keys",
               {{{"kty", "oct"},
                 {"alg", "HS256"},
                 {"use", "sig"},
                 {"kid", kid_},
                 {"k", to_base64url(secret_)}}}}}
      .dump();
}

std::string TokenMint::mint(const Session& session, std::int64_t opened_ms) const {
  const json header{{"alg", "HS256"}, {"typ", "JWT"}, {"kid", kid_}};
  json claims{{"iss", kOwnIssuer},
              {"sub", session.user},
              {"iat", static_cast<double>(opened_ms) / 1000},
              {"exp", session.expires_ms / 1000}};
  if (!session.id.empty()) claims["jti"] = session.id;
  if (session.service) claims["scope"] = kServiceScope;
  const auto text = to_base64url(header.dump()) + "." + to_base64url(claims.dump());
  return text + "." + to_base64url(hmac_sha256(secret_, text));
}

}  // namespace stampede::actors
