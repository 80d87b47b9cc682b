// What a token has to say before somebody is believed to be who he says he is.

#include "actors/auth/core/token_verifier.h"

#include <doctest/doctest.h>

#include "test/actors/auth/core/signer.h"

using namespace stampede::actors;

namespace {

constexpr std::int64_t kNow = 1'800'000'000;  // seconds

class Tokens {
 public:
  explicit Tokens(TokenRules rules = {}) : verifier_(keys(), std::move(rules)) {}

  [[nodiscard]] Verdict verify(const json& claims, std::int64_t now_ms = kNow * 1000) const {
    return verifier_.verify(signer_.sign_claims(claims), now_ms);
  }
  [[nodiscard]] std::string why(const json& claims) const {
    return std::string(verify(claims).why);
  }
  [[nodiscard]] Verdict verify_text(const std::string& payload) const {
    return verifier_.verify(signer_.sign(payload), kNow * 1000);
  }

 private:
  TokenKeys keys() {
    TokenKeys keys;
    REQUIRE(keys.add(jwk_set({signer_.key()}), KeyOwner::shop) == "");
    return keys;
  }

  Signer signer_ = Signer::hs256("k");
  TokenVerifier verifier_;
};

json ann(json more = {}) {
  json claims{{"sub", "ann"}, {"exp", kNow + 60}};
  if (more.is_object()) claims.update(more);
  return claims;
}

}  // namespace

TEST_CASE("a token says who asks, until when, and by which name it can be taken back") {
  const Tokens tokens;
  const auto verdict = tokens.verify(ann({{"jti", "t-1"}, {"scope", "read write"}}));
  CHECK(verdict.code == Code::none);
  CHECK(verdict.session.user == "ann");
  CHECK(verdict.session.id == "t-1");
  CHECK(verdict.session.expires_ms == (kNow + 60) * 1000);
  CHECK_FALSE(verdict.session.service);
  CHECK(verdict.session.may_end());
  CHECK(verdict.session.hash == session_hash("ann", "t-1"));
  CHECK(verdict.session.bar == bar_hash("ann"));
  CHECK_FALSE(tokens.verify(ann()).session.may_end());
  CHECK_FALSE(tokens.verify(ann({{"jti", ""}})).session.may_end());
  CHECK_FALSE(tokens.verify(ann({{"jti", "t-1"}, {"scope", "service"}})).session.may_end());
}

TEST_CASE(
    "a session is over five seconds behind its exp, and says so only when all else is right") {
  const Tokens tokens;
  const auto at = [&](std::int64_t exp_s, std::int64_t now_ms, const json& more = {}) {
    auto claims = ann(more);
    claims["exp"] = exp_s;
    return tokens.verify(claims, now_ms).code;
  };
  CHECK(at(kNow, kNow * 1000 + 4'999) == Code::none);
  CHECK(at(kNow, kNow * 1000 + 5'000) == Code::session_expired);
  CHECK(at(0, kNow * 1000) == Code::session_expired);
  CHECK(at(kNow, (kNow + 5) * 1000, {{"aud", "others"}}) == Code::not_logged_in);
  CHECK(at(kNow, (kNow + 5) * 1000, {{"nbf", kNow + 100}}) == Code::not_logged_in);
  CHECK(at(kNow, (kNow + 5) * 1000, {{"sub", ""}}) == Code::not_logged_in);
  // Fractions count.
  auto claims = ann();
  claims["exp"] = static_cast<double>(kNow) + 0.5;
  CHECK(tokens.verify(claims, kNow * 1000 + 5'499).code == Code::none);
  CHECK(tokens.verify(claims, kNow * 1000 + 5'500).code == Code::session_expired);
}

TEST_CASE("claims that are missing or no such claims refuse the token") {
  const Tokens tokens;
  const auto without = [](const char* name) {
    auto claims = ann();
    claims.erase(name);
    return claims;
  };
  CHECK(tokens.why(without("exp")) == "exp");
  CHECK(tokens.why(without("sub")) == "sub");
  for (const json& exp : {json("1800000060"), json(nullptr), json(-1), json(1e300), json(true),
                          json::array({kNow + 60})})
    CHECK(tokens.why(ann({{"exp", exp}})) == "exp");
  for (const json& sub : {json(""), json(7), json("a\nb"), json(std::string(65, 'u'))})
    CHECK(tokens.why(ann({{"sub", sub}})) == "sub");
  CHECK(tokens.why(ann({{"sub", std::string(64, 'u')}})) == "");
  CHECK(tokens.why(ann({{"nbf", "1"}})) == "nbf");
  CHECK(tokens.why(ann({{"nbf", kNow + 6}})) == "nbf");
  CHECK(tokens.why(ann({{"nbf", kNow + 5}})) == "");
  CHECK(tokens.why(ann({{"jti", 7}})) == "jti");
  CHECK(tokens.why(ann({{"jti", std::string(257, 'j')}})) == "jti");
  for (const char* payload :
       {"", "[]", "7", R"({"sub":"ann","sub":"bob","exp":1800000060})", "{\"sub\":\"\xff\"}"}) {
    const auto verdict = tokens.verify_text(payload);
    CHECK(verdict.code == Code::not_logged_in);
    CHECK(verdict.session.user == "");
  }
}

TEST_CASE("issuer and audience are what the rules name") {
  const Tokens free;
  CHECK(free.why(ann({{"iss", "anybody"}})) == "");
  CHECK(free.why(ann({{"aud", "shop"}})) == "audience");
  CHECK(free.why(ann({{"aud", json::array()}})) == "audience");
  const Tokens bound({.issuer = "https://login.example", .audience = "shop"});
  const auto why = [&](const json& iss, const json& aud) {
    return bound.why(ann({{"iss", iss}, {"aud", aud}}));
  };
  const json iss = "https://login.example";
  CHECK(why(iss, "shop") == "");
  CHECK(why(iss, json::array({"bank", "shop"})) == "");
  CHECK(why(iss, "bank") == "audience");
  CHECK(why(iss, json::array({"bank"})) == "audience");
  CHECK(why(iss, json::array()) == "audience");
  CHECK(why(iss, 7) == "audience");
  CHECK(why(iss, json::object({{"shop", "shop"}})) == "audience");
  CHECK(why("https://login.example/", "shop") == "issuer");
  CHECK(why(json::array({iss}), "shop") == "issuer");
  CHECK(bound.why(ann({{"aud", "shop"}})) == "issuer");
  CHECK(bound.why(ann({{"iss", iss}})) == "audience");
}

TEST_CASE("a service is whose scope has the word, as a word") {
  const Tokens tokens;
  const auto service = [&](const json& scope) {
    return tokens.verify(ann({{"scope", scope}})).session.service;
  };
  CHECK(service("service"));
  CHECK(service("read service write"));
  CHECK(service(" service "));
  for (const json& other : {json(""), json("services"), json("Service"), json("no-service"),
                            json::array({"service"}), json(true), json("service,")})
    CHECK_FALSE(service(other));
}

TEST_CASE("what the system's own key has signed needs neither issuer nor audience of a shop") {
  const auto own = Signer::hs256("own"), shop = Signer::hs256("shop");
  TokenKeys keys;
  REQUIRE(keys.add(jwk_set({own.key()}), KeyOwner::system) == "");
  REQUIRE(keys.add(jwk_set({shop.key()}), KeyOwner::shop) == "");
  const TokenVerifier verifier(std::move(keys), {.issuer = "login", .audience = "shop"});
  const auto why = [&](const Signer& signer, const json& more) {
    return std::string(verifier.verify(signer.sign_claims(ann(more)), kNow * 1000).why);
  };
  CHECK(why(own, {{"iss", "stampede"}}) == "");
  CHECK(why(own, {{"iss", "login"}, {"aud", "shop"}}) == "issuer");
  CHECK(why(shop, {{"iss", "stampede"}}) == "issuer");
  CHECK(why(shop, {{"iss", "login"}, {"aud", "shop"}}) == "");
}
