#pragma once

// Whoever mints tokens elsewhere: keys made for the test, signatures by the library, and tokens put
// together by hand that no honest minter would make.

#include <cjose/cjose.h>
#include <doctest/doctest.h>
#include <sodium.h>

#include <memory>
#include <nlohmann/json.hpp>
#include <string>

#include "actors/auth/core/token_keys.h"

namespace stampede::actors {

using nlohmann::json;

class Signer {
 public:
  static Signer hs256(const std::string& kid) {
    return {kid, "HS256", cjose_jwk_create_oct_random(256, nullptr)};
  }
  static Signer rs256(const std::string& kid) {
    static const std::uint8_t exponent[] = {1, 0, 1};
    return {kid, "RS256", cjose_jwk_create_RSA_random(2048, exponent, sizeof exponent, nullptr)};
  }
  static Signer es256(const std::string& kid) {
    return {kid, "ES256", cjose_jwk_create_EC_random(CJOSE_JWK_EC_P_256, nullptr)};
  }

  // As it stands in a set; a secret key as it is, of the others the public part.
  [[nodiscard]] json key(bool with_private = false) const {
    char* text = cjose_jwk_to_json(jwk_.get(), alg_ == "HS256" || with_private, nullptr);
    REQUIRE(text != nullptr);
    auto key = json::parse(text);
    cjose_get_dealloc()(text);
    key["kid"] = kid_;
    key["alg"] = alg_;
    return key;
  }
  [[nodiscard]] std::string sign(const std::string& payload) const {
    const std::unique_ptr<cjose_header_t, decltype(&cjose_header_release)> header(
        cjose_header_new(nullptr), &cjose_header_release);
    REQUIRE(cjose_header_set(header.get(), "alg", alg_.c_str(), nullptr));
    if (!kid_.empty()) REQUIRE(cjose_header_set(header.get(), "kid", kid_.c_str(), nullptr));
    const std::unique_ptr<cjose_jws_t, decltype(&cjose_jws_release)> jws(
        cjose_jws_sign(jwk_.get(), header.get(),
                       reinterpret_cast<const std::uint8_t*>(payload.data()), payload.size(),
                       nullptr),
        &cjose_jws_release);
    REQUIRE(jws != nullptr);
    const char* token = nullptr;
    REQUIRE(cjose_jws_export(jws.get(), &token, nullptr));
    return token;
  }
  [[nodiscard]] std::string sign_claims(const json& claims) const { return sign(claims.dump()); }

 private:
  Signer(std::string kid, std::string alg, cjose_jwk_t* jwk)
      : kid_(std::move(kid)), alg_(std::move(alg)), jwk_(jwk, &cjose_jwk_release) {
    REQUIRE(jwk != nullptr);
  }

  std::string kid_;
  std::string alg_;
  std::unique_ptr<cjose_jwk_t, decltype(&cjose_jwk_release)> jwk_;
};

inline std::string jwk_set(const std::vector<json>& keys) {
  return json{{"keys", keys}}.dump();
}

inline std::string hmac(const std::string& secret, const std::string& text) {
  std::string mac(crypto_auth_hmacsha256_BYTES, '\0');
  crypto_auth_hmacsha256_state state;
  const auto bytes = [](const std::string& of) {
    return reinterpret_cast<const unsigned char*>(of.data());
  };
  crypto_auth_hmacsha256_init(&state, bytes(secret), secret.size());
  crypto_auth_hmacsha256_update(&state, bytes(text), text.size());
  crypto_auth_hmacsha256_final(&state, reinterpret_cast<unsigned char*>(mac.data()));
  return mac;
}

// HS256 under any header: the header's text as it is.
inline std::string by_hand(const std::string& header, const std::string& payload,
                           const std::string& secret) {
  const auto text = to_base64url(header) + "." + to_base64url(payload);
  return text + "." + to_base64url(hmac(secret, text));
}

}  // namespace stampede::actors
