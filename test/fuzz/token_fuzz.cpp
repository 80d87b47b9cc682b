// Session tokens and key sets. The first byte says what follows: a token as it was shown (0); the
// header and, behind a NUL, the claims of one that is signed here, so that the fuzzer gets behind
// the signature (1); a JWK set (2). Checked: what is believed was signed by us, holds allowed
// values only, and is the same when it is asked again; a refusal says why; a set that is refused
// leaves no key behind.

#include <sodium.h>

#include <nlohmann/json.hpp>
#include <string>

#include "actors/auth/core/token_verifier.h"
#include "actors/sale/request.h"
#include "test/fuzz/fuzz.h"

namespace {

using namespace stampede::actors;

const std::string kSecret(32, 's');
// Of RFC 7515, A.2 and A.3.
constexpr std::string_view kPublicKeys =
    R"({"kty":"RSA","kid":"r","e":"AQAB","n":")"
    "ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_wWJcyQoTbji9k0l8W26mPddxHmfHQp-Vaw-4qPCJrcS2mJPMEzP1Pt"
    "0Bm4d4QlL-yRT-SFd2lZS-pCgNMsD1W_YpRPEwOWvG6b32690r2jZ47soMZo9wGzjb_7OMg0LOL-bSf63kpaSHSX"
    "ndS5z5rexMdbBYUsLA9e-KXBdQOS-UTo7WTBEMa2R2CapHg665xsmtdVMTBQY4uDZlxvb3qCo5ZwKh9kG4LT6_I5"
    "IhlJH7aGhyxXFvUK-DWNmoudF8NAco9_h9iaGNj8q2ethFkMLs91kzk2PAcDTW9gb54h4FRWyuXpoQ"
    R"("},{"kty":"EC","kid":"e","crv":"P-256",)"
    R"("x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU",)"
    R"("y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"})";
constexpr std::int64_t kNowMs = 1'800'000'000'000;

std::string mac_of(const std::string& text) {
  std::string mac(crypto_auth_hmacsha256_BYTES, '\0');
  crypto_auth_hmacsha256(reinterpret_cast<unsigned char*>(mac.data()),
                         reinterpret_cast<const unsigned char*>(text.data()), text.size(),
                         reinterpret_cast<const unsigned char*>(kSecret.data()));
  return mac;
}

const TokenVerifier& verifier() {
  static const TokenVerifier made = [] {
    TokenKeys keys;
    const auto set = R"({"keys":[{"kty":"oct","kid":"h","k":")" + to_base64url(kSecret) + "\"}," +
                     std::string(kPublicKeys) + "]}";
    FUZZ_CHECK(keys.add(set, KeyOwner::shop).empty());
    return TokenVerifier(std::move(keys), {});
  }();
  return made;
}

Verdict verify(std::string_view token) {
  auto verdict = verifier().verify(token, kNowMs);
  const auto again = verifier().verify(token, kNowMs);
  FUZZ_CHECK(again.code == verdict.code && again.why == verdict.why);
  FUZZ_CHECK(again.session.user == verdict.session.user);
  FUZZ_CHECK((verdict.code == Code::none) == verdict.why.empty());
  FUZZ_CHECK(verdict.code == Code::none || verdict.code == Code::not_logged_in ||
             verdict.code == Code::session_expired);
  if (verdict.code == Code::not_logged_in) return verdict;
  FUZZ_CHECK(token.size() <= kTokenBytesMax);
  FUZZ_CHECK(valid_user(verdict.session.user));
  FUZZ_CHECK(verdict.session.expires_ms >= 0 && verdict.session.expires_ms <= kTimeMsMax);
  FUZZ_CHECK((verdict.session.expires_ms + 5000 <= kNowMs) ==
             (verdict.code == Code::session_expired));
  return verdict;
}

// Nobody outside has a private key or the secret: what is believed has our own signature.
void check_shown(std::string_view token) {
  if (verify(token).code == Code::not_logged_in) return;
  const auto end = token.rfind('.');
  FUZZ_CHECK(to_base64url(mac_of(std::string(token.substr(0, end)))) == token.substr(end + 1));
}

void check_signed(std::string_view input) {
  const auto end = std::min(input.find('\0'), input.size());
  const auto header = input.substr(0, end);
  input.remove_prefix(std::min(end + 1, input.size()));
  const auto text = to_base64url(header) + "." + to_base64url(input);
  const auto verdict = verify(text + "." + to_base64url(mac_of(text)));
  if (verdict.code == Code::not_logged_in) return;
  const auto says = nlohmann::json::parse(header);
  FUZZ_CHECK(says.at("alg") == "HS256" && says.at("kid") == "h");
  FUZZ_CHECK(nlohmann::json::parse(input).at("sub") == verdict.session.user);
}

void check_set(std::string_view set) {
  TokenKeys keys;
  FUZZ_CHECK(keys.add(set, KeyOwner::shop).empty() == (keys.size() > 0));
  FUZZ_CHECK(keys.size() <= TokenKeys::kKeysMax);
  FUZZ_CHECK(!keys.open("e30.e30.AAAA").why.empty());
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const std::string_view input(reinterpret_cast<const char*>(data) + 1, size - 1);
  if (data[0] == 0) check_shown(input);
  if (data[0] == 1) check_signed(input);
  if (data[0] == 2) check_set(input);
  return 0;
}
