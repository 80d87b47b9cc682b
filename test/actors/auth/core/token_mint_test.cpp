// The system's own tokens: what it signs it knows again.

#include "actors/auth/core/token_mint.h"

#include <doctest/doctest.h>

#include "actors/auth/core/token_verifier.h"
#include "test/actors/auth/core/signer.h"

using namespace stampede::actors;

namespace {

constexpr std::int64_t kNowMs = 1'800'000'000'000;

TokenVerifier verifier_of(const TokenMint& mint) {
  TokenKeys keys;
  REQUIRE(keys.add(mint.jwk_set(), KeyOwner::system) == "");
  return {std::move(keys), {.issuer = "login", .audience = "shop"}};
}

}  // namespace

TEST_CASE("a token that was minted is verified, by the set that was written down, too") {
  const TokenMint mint("own-1", std::string(TokenMint::kSecretBytes, 's'));
  Session session;
  session.user = "stampede";
  session.id = "j";
  session.service = true;
  session.expires_ms = kNowMs + 60'000;
  const auto token = mint.mint(session, kNowMs);
  const auto verdict = verifier_of(mint).verify(token, kNowMs);
  CHECK(verdict.session.opened_ms == kNowMs);
  for (const auto ms : {1, 7, 123, 999}) {  // never later than it was
    const auto opened =
        verifier_of(mint).verify(mint.mint(session, kNowMs + ms), kNowMs).session.opened_ms;
    CHECK((opened == kNowMs + ms || opened == kNowMs + ms - 1));
  }
  CHECK(verdict.code == Code::none);
  CHECK(verdict.session.user == "stampede");
  CHECK(verdict.session.id == "j");
  CHECK(verdict.session.service);
  CHECK(verdict.session.expires_ms == session.expires_ms);
  const auto again = TokenMint::read(mint.jwk_set());
  REQUIRE(again);
  CHECK(again->mint(session, kNowMs) == token);
  const TokenMint other("own-1", std::string(TokenMint::kSecretBytes, 't'));
  CHECK(verifier_of(other).verify(token, kNowMs).code == Code::not_logged_in);
}

TEST_CASE("a customer's token is no service's") {
  const TokenMint mint("own-1", std::string(TokenMint::kSecretBytes, 's'));
  Session session;
  session.user = "ann";
  session.expires_ms = kNowMs + 60'000;
  const auto verdict = verifier_of(mint).verify(mint.mint(session, kNowMs), kNowMs);
  CHECK(verdict.code == Code::none);
  CHECK_FALSE(verdict.session.service);
}

TEST_CASE("a text that is no such set makes no mint") {
  const auto k = to_base64url(std::string(32, 'k'));
  for (const auto& text : {std::string("{}"), std::string("no JSON"), std::string(R"({"keys":[]})"),
                           jwk_set({{{"kid", "a"}}}), jwk_set({{{"k", k}}}), jwk_set({7}),
                           jwk_set({{{"kid", "a"}, {"k", to_base64url("short")}}}),
                           jwk_set({{{"kid", "a"}, {"k", k}}, {{"kid", "b"}, {"k", k}}})})
    CHECK_FALSE(TokenMint::read(text));
  CHECK(TokenMint::read(jwk_set({{{"kid", "a"}, {"k", k}}})));
}
