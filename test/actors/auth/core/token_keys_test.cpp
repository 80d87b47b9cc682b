// Which signatures are believed: the examples of the RFCs, and every way to forge one.

#include "actors/auth/core/token_keys.h"

#include <doctest/doctest.h>

#include "actors/auth/core/session.h"
#include "test/actors/auth/core/signer.h"

using namespace stampede::actors;

namespace {

// RFC 7515, A.1 to A.3: one payload, three algorithms.
const std::string kRfcPayload =
    "{\"iss\":\"joe\",\r\n \"exp\":1300819380,\r\n \"http://example.com/is_root\":true}";
const std::string kRfcPart =
    ".eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVl"
    "fQ.";
const std::string kRfcHs256 = "eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9" + kRfcPart +
                              "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
const std::string kRfcRs256 =
    "eyJhbGciOiJSUzI1NiJ9" + kRfcPart +
    "cC4hiUPoj9Eetdgtv3hF80EGrhuB__dzERat0XF9g2VtQgr9PJbu3XOiZj5RZmh7AAuHIm4Bh-0Qc_lF5YKt_O8W2Fp5ju"
    "jGbds9uJdbF9CUAr7t1dnZcAcQjbKBYNX4BAynRFdiuB--f_nZLgrnbyTyWzO75vRK5h6xBArLIARNPvkSjtQBMHlb1L07"
    "Qe7K0GarZRmB_eSN9383LcOLn6_dO--xi12jzDwusC-eOkHWEsqtFZESc6BfI7noOPqvhJ1phCnvWh6IeYI2w9QOYEUipU"
    "TI8np6LbgGY9Fs98rqVt5AXLIhWkWywlVmtVrBp0igcN_IoypGlUPQGe77Rw";
const std::string kRfcEs256 =
    "eyJhbGciOiJFUzI1NiJ9" + kRfcPart +
    "DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q";
const json kRfcSecret{
    {"kty", "oct"},
    {"k",
     "AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow"}};
const json kRfcRsa{
    {"kty", "RSA"},
    {"n",
     "ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_wWJcyQoTbji9k0l8W26mPddxHmfHQp-Vaw-4qPCJrcS2mJPMEzP1Pt0Bm4d"
     "4QlL-yRT-SFd2lZS-pCgNMsD1W_YpRPEwOWvG6b32690r2jZ47soMZo9wGzjb_7OMg0LOL-bSf63kpaSHSXndS5z5rexM"
     "dbBYUsLA9e-KXBdQOS-UTo7WTBEMa2R2CapHg665xsmtdVMTBQY4uDZlxvb3qCo5ZwKh9kG4LT6_I5IhlJH7aGhyxXFvU"
     "K-DWNmoudF8NAco9_h9iaGNj8q2ethFkMLs91kzk2PAcDTW9gb54h4FRWyuXpoQ"},
    {"e", "AQAB"}};
const json kRfcEc{{"kty", "EC"},
                  {"crv", "P-256"},
                  {"x", "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU"},
                  {"y", "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"}};
// RFC 7520, 4.4
const json kFrodoSecret{{"kty", "oct"},
                        {"kid", "018c0ae5-4d9b-471b-bfd6-eef314bc7037"},
                        {"use", "sig"},
                        {"alg", "HS256"},
                        {"k", "hJtXIZ2uSN5kbQfbtTNWbpdmhkV8FJG-Onbc6mxCcYg"}};
const std::string kFrodo =
    "eyJhbGciOiJIUzI1NiIsImtpZCI6IjAxOGMwYWU1LTRkOWItNDcxYi1iZmQ2LWVlZjMxNGJjNzAzNyJ9."
    "SXTigJlzIGEgZGFuZ2Vyb3VzIGJ1c2luZXNzLCBGcm9kbywgZ29pbmcgb3V0IHlvdXIgZG9vci4gWW91IHN0ZXAgb250by"
    "B0aGUgcm9hZCwgYW5kIGlmIHlvdSBkb24ndCBrZWVwIHlvdXIgZmVldCwgdGhlcmXigJlzIG5vIGtub3dpbmcgd2hlcmUg"
    "eW91IG1pZ2h0IGJlIHN3ZXB0IG9mZiB0by4.s0h6KThzkfBBBkLspW1h84VsJZFTsPPqMDA7g1Md7p0";

TokenKeys keys_of(const std::vector<json>& keys) {
  TokenKeys made;
  REQUIRE(made.add(jwk_set(keys), KeyOwner::shop) == "");
  return made;
}

std::string why(const TokenKeys& keys, const std::string& token) {
  const auto opened = keys.open(token);
  CHECK(opened.why.empty() != opened.payload.empty());
  return std::string(opened.why);
}

std::string fault(const std::string& set) {
  TokenKeys keys;
  const auto fault = keys.add(set, KeyOwner::shop);
  CHECK((keys.size() == 0) == !fault.empty());
  return fault;
}

}  // namespace

TEST_CASE("the examples of RFC 7515 and RFC 7520 are opened") {
  CHECK(keys_of({kRfcSecret}).open(kRfcHs256).payload == kRfcPayload);
  CHECK(keys_of({kRfcRsa}).open(kRfcRs256).payload == kRfcPayload);
  CHECK(keys_of({kRfcEc}).open(kRfcEs256).payload == kRfcPayload);
  CHECK(keys_of({kFrodoSecret}).open(kFrodo).payload.starts_with("It\u2019s a dangerous business"));
}

TEST_CASE("a token with any other character in any place is refused") {
  const std::pair<json, std::string> all[] = {
      {kRfcSecret, kRfcHs256}, {kRfcRsa, kRfcRs256}, {kRfcEc, kRfcEs256}};
  for (const auto& [key, token] : all) {
    const auto keys = keys_of({key});
    for (std::size_t at = 0; at < token.size(); ++at) {
      for (const char other : {'A', 'k', '_', '.', '=', ' ', '\0'}) {
        if (other == token[at]) continue;
        auto forged = token;
        forged[at] = other;
        INFO(at);
        CHECK(why(keys, forged) != "");
      }
    }
    for (std::size_t size = 0; size < token.size(); ++size)
      CHECK(why(keys, token.substr(0, size)) != "");
    CHECK(why(keys, token + "A") != "");
    CHECK(why(keys, token + ".") != "");
  }
}

TEST_CASE("each algorithm is believed with its own key alone") {
  const Signer signers[] = {Signer::hs256("h"), Signer::rs256("r"), Signer::es256("e")};
  const auto keys = keys_of({signers[0].key(), signers[1].key(), signers[2].key()});
  for (const auto& signer : signers) CHECK(keys.open(signer.sign("{}")).payload == "{}");
  const Signer others[] = {Signer::hs256("h"), Signer::rs256("r"), Signer::es256("e")};
  for (const auto& other : others) CHECK(why(keys, other.sign("{}")) == "signature");
  CHECK(why(keys, Signer::es256("x").sign("{}")) == "unknown key");
}

TEST_CASE("the token does not choose the algorithm") {
  const auto rsa = Signer::rs256("k");
  const auto keys = keys_of({rsa.key()});
  const auto token = rsa.sign("{}");
  const auto payload_and_signature = token.substr(token.find('.'));
  // `none`, with and without a signature.
  for (const char* none : {"none", "None", "NONE", ""}) {
    const auto header = to_base64url(R"({"alg":")" + std::string(none) + R"(","kid":"k"})");
    CHECK(why(keys, header + payload_and_signature) == "algorithm");
    CHECK(why(keys, header + ".e30.") == "algorithm");
  }
  // The public key for a secret, in every form that somebody could have hashed.
  for (const auto& secret : {rsa.key().dump(), rsa.key()["n"].get<std::string>(),
                             from_base64url(rsa.key()["n"].get<std::string>()).value()})
    CHECK(why(keys, by_hand(R"({"alg":"HS256","kid":"k"})", "{}", secret)) == "algorithm");
  // The secret of a shop for a public key's token, and a stronger sort of the same.
  const std::string secret(32, 's');
  const auto shared = keys_of({{{"kty", "oct"}, {"kid", "k"}, {"k", to_base64url(secret)}}});
  CHECK(shared.open(by_hand(R"({"alg":"HS256","kid":"k"})", "{}", secret)).payload == "{}");
  for (const char* alg : {"HS384", "HS512", "RS256", "ES256", "PS256", "hs256"})
    CHECK(why(shared, by_hand(R"({"alg":")" + std::string(alg) + R"(","kid":"k"})", "{}",
                              secret)) == "algorithm");
}

TEST_CASE("headers that change what a token means, or mean two things, are refused") {
  const std::string secret(32, 's');
  const auto keys = keys_of({{{"kty", "oct"}, {"kid", "k"}, {"k", to_base64url(secret)}}});
  const auto header = [&](const std::string& text) {
    return why(keys, by_hand(text, "{}", secret));
  };
  CHECK(header(R"({"alg":"HS256","kid":"k","typ":"JWT","x":[{"a":1}]})") == "");
  CHECK(header(R"({"alg":"HS256","kid":"k","crit":["exp"],"exp":1})") == "extended header");
  CHECK(header(R"({"alg":"HS256","kid":"k","crit":[]})") == "extended header");
  CHECK(header(R"({"alg":"HS256","kid":"k","b64":false})") == "extended header");
  CHECK(header(R"({"alg":"HS256","alg":"HS256","kid":"k"})") == "no token");
  CHECK(header(R"({"alg":"HS256","kid":"j","kid":"k"})") == "no token");
  CHECK(header(R"({"alg":"HS256","kid":7})") == "no token");
  CHECK(header(R"({"alg":["HS256"],"kid":"k"})") == "algorithm");
  CHECK(header(R"({"kid":"k"})") == "algorithm");
  CHECK(header(R"(["HS256"])") == "no token");
  CHECK(header("") == "no token");
  CHECK(header("{\"alg\":\"HS256\",\"kid\":\"\xff\"}") == "no token");
  CHECK(header(std::string(R"({"alg":"HS256","kid":"k"})") + '\0') == "no token");
}

TEST_CASE("a token without a kid is for the key without one, else for a shop's only key") {
  const std::string secret(32, 's'), own(32, 'o');
  const json named{{"kty", "oct"}, {"kid", "k"}, {"k", to_base64url(secret)}};
  const json nameless{{"kty", "oct"}, {"k", to_base64url(secret)}};
  const auto token = by_hand(R"({"alg":"HS256"})", "{}", secret);
  CHECK(why(keys_of({named}), token) == "");
  CHECK(why(keys_of({nameless, Signer::es256("e").key()}), token) == "");
  CHECK(why(keys_of({named, Signer::es256("e").key()}), token) == "unknown key");
  CHECK(why(keys_of({nameless}), by_hand(R"({"alg":"HS256","kid":"k"})", "{}", secret)) ==
        "unknown key");
  TokenKeys with_own = keys_of({named});
  REQUIRE(with_own.add(jwk_set({{{"kty", "oct"}, {"kid", "own"}, {"k", to_base64url(own)}}}),
                       KeyOwner::system) == "");
  CHECK(with_own.open(token).owner == KeyOwner::shop);
  CHECK(with_own.open(by_hand(R"({"alg":"HS256","kid":"own"})", "{}", own)).owner ==
        KeyOwner::system);
  CHECK(why(with_own, by_hand(R"({"alg":"HS256"})", "{}", own)) == "signature");
}

TEST_CASE("a set that cannot be used is refused naming the key") {
  const std::string k = to_base64url(std::string(32, 'k'));
  const json good{{"kty", "oct"}, {"kid", "a"}, {"k", k}};
  CHECK(fault("") != "");
  CHECK(fault("[]") != "");
  CHECK(fault("{}") != "");
  CHECK(fault(R"({"keys":{}})") != "");
  CHECK(fault(R"({"keys":[],"keys":[]})") != "");
  CHECK(fault(R"({"keys":[]})") != "");
  CHECK(fault(good.dump()) != "");  // a key alone
  const auto second = [&](json key) {
    const auto text = fault(jwk_set({good, key}));
    CHECK(text.find("at place 1") != std::string::npos);
    return text;
  };
  CHECK(second({{"kty", "oct"}, {"kid", "b"}, {"k", to_base64url(std::string(31, 'k'))}})
            .find("32 bytes") != std::string::npos);
  CHECK(second({{"kty", "oct"}, {"kid", "b"}, {"k", k + "="}}).find("its k") != std::string::npos);
  CHECK(second({{"kty", "oct"}, {"kid", "b"}}).find("its k") != std::string::npos);
  CHECK(second(good).find("kid") != std::string::npos);
  CHECK(second({{"kty", "oct"}, {"kid", ""}, {"k", k}}).find("kid") != std::string::npos);
  CHECK(second({{"kty", "oct"}, {"kid", 7}, {"k", k}}).find("kid") != std::string::npos);
  CHECK(second(Signer::rs256("b").key(true)).find("private") != std::string::npos);
  CHECK(second(Signer::es256("b").key(true)).find("private") != std::string::npos);
  auto short_rsa = Signer::rs256("b").key();
  short_rsa["n"] = to_base64url(std::string(128, '\xA5'));
  CHECK(second(short_rsa).find("2048") != std::string::npos);
  for (const auto& [first, words] : {std::pair{'\x00', "zero octet"}, {'\x01', "one bit more"}}) {
    auto odd_rsa = Signer::rs256("b").key();
    odd_rsa["n"] = to_base64url(first + std::string(256, '\xA5'));
    CHECK(second(odd_rsa).find(words) != std::string::npos);
  }
  // 65537 behind a zero octet, nothing, 1, 4, 65536, and 65 bits.
  for (const char* exponent : {"AAEAAQ", "", "AQ", "BA", "AQAA", "AQAAAAAAAAAB"}) {
    auto weak_rsa = Signer::rs256("b").key();
    weak_rsa["e"] = exponent;
    CHECK(second(weak_rsa).find("its e is") != std::string::npos);
  }
  auto no_point = Signer::es256("b").key();
  no_point["y"] = to_base64url(std::string(32, '\x01'));
  second(no_point);
}

TEST_CASE("keys for something else are passed over") {
  const std::string k = to_base64url(std::string(64, 'k'));
  const std::vector<json> others{{{"kty", "OKP"}, {"crv", "Ed25519"}, {"x", k}},
                                 {{"kty", "EC"}, {"crv", "P-384"}, {"x", k}, {"y", k}},
                                 {{"kty", "oct"}, {"alg", "HS512"}, {"k", k}},
                                 {{"kty", "oct"}, {"use", "enc"}, {"k", k}},
                                 {{"kty", "oct"}, {"key_ops", {"sign"}}, {"k", k}},
                                 {{"k", k}},
                                 7};
  CHECK(fault(jwk_set(others)).find("no key for signatures") != std::string::npos);
  auto with_one = others;
  with_one.push_back({{"kty", "oct"}, {"kid", "a"}, {"key_ops", {"sign", "verify"}}, {"k", k}});
  const auto keys = keys_of(with_one);
  CHECK(keys.size() == 1);
  CHECK(keys.secret());
  CHECK_FALSE(keys_of({kRfcEc}).secret());
}

TEST_CASE("a token that is too long is none") {
  const std::string secret(32, 's');
  const auto keys = keys_of({{{"kty", "oct"}, {"kid", "k"}, {"k", to_base64url(secret)}}});
  const auto of_size = [&](std::size_t payload) {
    return by_hand(R"({"alg":"HS256","kid":"k"})", std::string(payload, ' '), secret);
  };
  CHECK(of_size(2995).size() <= kTokenBytesMax);
  CHECK(why(keys, of_size(2995)) == "");
  CHECK(why(keys, of_size(3100)) == "no token");
}
