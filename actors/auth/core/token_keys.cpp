#include "actors/auth/core/token_keys.h"

#include <cjose/cjose.h>
#include <sodium.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <nlohmann/json.hpp>
#include <utility>

#include "actors/auth/core/session.h"
#include "actors/auth/core/strict_json.h"

namespace stampede::actors {

namespace {

using nlohmann::json;

constexpr std::size_t kSecretBytesMin = 32;    // of HS256 (RFC 7518 §3.2)
constexpr std::size_t kModulusBytesMin = 256;  // 2048 bits (RFC 7518 §3.3)
constexpr std::size_t kModulusBytesMax = 1024;

struct Algorithm {
  std::string_view name;
  std::string_view kty;
};
constexpr std::array<Algorithm, 3> kAlgorithms{
    {{"HS256", "oct"}, {"RS256", "RSA"}, {"ES256", "EC"}}};

template <class T, class F, F release>
struct Release {
  void operator()(T* held) const { release(held); }
};
using Jwk = std::unique_ptr<cjose_jwk_t,
                            Release<cjose_jwk_t, decltype(&cjose_jwk_release), &cjose_jwk_release>>;
using Jws = std::unique_ptr<cjose_jws_t,
                            Release<cjose_jws_t, decltype(&cjose_jws_release), &cjose_jws_release>>;

// The algorithm of a key that is for us; null: it is of another kind, algorithm or use.
const Algorithm* algorithm_of(const json& key) {
  const auto* kty = text_member(key, "kty");
  const auto found = std::find_if(kAlgorithms.begin(), kAlgorithms.end(),
                                  [&](const Algorithm& one) { return kty && *kty == one.kty; });
  if (found == kAlgorithms.end()) return nullptr;
  const auto says = [&](const char* member, std::string_view expected) {
    const auto* text = text_member(key, member);
    return !key.contains(member) || (text && *text == expected);
  };
  const auto ops = key.find("key_ops");
  const bool verifies = ops == key.end() || (ops->is_array() && std::find(ops->begin(), ops->end(),
                                                                          "verify") != ops->end());
  const auto* crv = text_member(key, "crv");
  const bool curve = found->kty != "EC" || (crv && *crv == "P-256");
  return says("alg", found->name) && says("use", "sig") && verifies && curve ? &*found : nullptr;
}

// What a member's base64url says; nothing: it is no such text.
std::optional<std::string> decoded(const json& key, const char* member) {
  const auto* text = text_member(key, member);
  return text ? from_base64url(*text) : std::nullopt;
}

std::size_t bytes_of(const json& key, const char* member) {
  const auto bytes = decoded(key, member);
  return bytes ? bytes->size() : 0;
}

std::size_t signature_bytes_of(const json& key, const Algorithm& algorithm) {
  if (algorithm.kty == "RSA") return bytes_of(key, "n");
  return algorithm.kty == "EC" ? 64 : 32;
}

// The library verifies nothing by a modulus whose first octet is 1: of 2049 bits, 2057 and so on. A
// leading zero is no form of one (RFC 7518 section 6.3.1.1).
std::string modulus_fault(const json& key) {
  const auto modulus = decoded(key, "n");
  if (!modulus || modulus->size() < kModulusBytesMin || modulus->size() > kModulusBytesMax)
    return "its n is no modulus of 2048 to 8192 bits";
  const auto first = static_cast<unsigned char>(modulus->front());
  if (first == 0) return "its n begins with a zero octet";
  return first == 1 ? "its n has one bit more than whole octets; take a key of 2048 or 3072 bits"
                    : "";
}

// By 1 everything is its own signature; an even one has no private key. Of moduli over 3072 bits
// the library takes no longer ones than 64 bits.
std::string exponent_fault(const json& key) {
  constexpr std::size_t kExponentBytesMax = 8;
  const auto bytes = decoded(key, "e");
  if (!bytes || bytes->empty() || bytes->front() == 0)
    return "its e is no base64url of a number without leading zeros";
  const bool odd = static_cast<unsigned char>(bytes->back()) % 2 == 1;
  if (bytes->size() > kExponentBytesMax || !odd || *bytes == "\x01")
    return "its e is not odd, from 3 to 64 bits; take a key with e = 65537";
  return "";
}

// What is wrong with a key that is for us; empty: nothing.
std::string fault_of(const json& key, const Algorithm& algorithm) {
  if (key.contains("kid")) {
    const auto* kid = text_member(key, "kid");
    if (!kid || kid->empty() || kid->size() > TokenKeys::kKidBytesMax)
      return "its kid is no text of 1 to 256 bytes";
  }
  if (algorithm.kty == "oct")
    return bytes_of(key, "k") >= kSecretBytesMin
               ? ""
               : "its k is no base64url of 32 bytes or more, without padding";
  if (key.contains("d"))
    return "it is a private key; webapps need its public part only (leave out d, p, q, dp, dq, qi)";
  if (algorithm.kty == "EC")
    return bytes_of(key, "x") == 32 && bytes_of(key, "y") == 32
               ? ""
               : "its x or y is no base64url of 32 bytes";
  const auto exponent = exponent_fault(key);
  return exponent.empty() ? modulus_fault(key) : exponent;
}

// Three parts of base64url, each the only text that stands for its bytes: so one token has one
// form.
bool is_compact(std::string_view token) {
  if (std::count(token.begin(), token.end(), '.') != 2) return false;
  for (std::size_t from = 0; from <= token.size();) {
    const auto end = std::min(token.find('.', from), token.size());
    if (!from_base64url(token.substr(from, end - from))) return false;
    from = end + 1;
  }
  return true;
}

json header_of(std::string_view token) {
  const auto bytes = from_base64url(token.substr(0, token.find('.')));
  return bytes ? strict_object(*bytes) : json(json::value_t::discarded);
}

// What was signed, once the signature was found to be the key's.
std::optional<std::string> verified_payload(std::string_view token, const cjose_jwk_t* key) {
  cjose_err error{};
  const Jws jws(cjose_jws_import(token.data(), token.size(), &error));
  if (!jws || !cjose_jws_verify(jws.get(), key, &error)) return std::nullopt;
  std::uint8_t* bytes = nullptr;  // the signature's
  std::size_t size = 0;
  if (!cjose_jws_get_plaintext(jws.get(), &bytes, &size, &error)) return std::nullopt;
  return std::string(reinterpret_cast<const char*>(bytes), size);
}

}  // namespace

struct TokenKeys::Key {
  std::optional<std::string> kid;
  std::string_view alg;
  KeyOwner owner = KeyOwner::shop;
  std::size_t signature_bytes = 0;  // the library takes longer ones, too
  Jwk jwk;
};

TokenKeys::TokenKeys() = default;
TokenKeys::~TokenKeys() = default;
TokenKeys::TokenKeys(TokenKeys&&) noexcept = default;
TokenKeys& TokenKeys::operator=(TokenKeys&&) noexcept = default;

std::string TokenKeys::add(std::string_view jwk_set, KeyOwner owner) {
  const auto set = strict_object(jwk_set);
  if (set.is_discarded() || !set.contains("keys") || !set["keys"].is_array())
    return "is no JWK set: a JSON object with an array `keys`, no member twice";
  std::vector<Key> made;
  for (std::size_t place = 0; place < set["keys"].size(); ++place) {
    const auto& key = set["keys"][place];
    const auto wrong = [&](const std::string& what) {
      return "has a key that cannot be used, at place " + std::to_string(place) + ": " + what;
    };
    const auto* algorithm = key.is_object() ? algorithm_of(key) : nullptr;
    if (algorithm == nullptr) continue;
    if (const auto fault = fault_of(key, *algorithm); !fault.empty()) return wrong(fault);
    const auto* kid = text_member(key, "kid");
    const auto name = kid ? std::optional(*kid) : std::nullopt;
    const auto same = [&](const Key& other) { return other.kid == name; };
    if (std::any_of(made.begin(), made.end(), same) ||
        std::any_of(keys_.begin(), keys_.end(), same))
      return wrong(kid ? "another one has its kid, too" : "another one has no kid, either");
    const auto text = key.dump();
    cjose_err error{};
    made.push_back({name, algorithm->name, owner, signature_bytes_of(key, *algorithm),
                    Jwk(cjose_jwk_import(text.data(), text.size(), &error))});
    if (!made.back().jwk) return wrong("the library refuses its numbers");
  }
  if (made.empty())
    return "has no key for signatures of HS256, RS256 or ES256 (kty oct, RSA, or EC with P-256)";
  if (keys_.size() + made.size() > kKeysMax) return "has more than 64 keys; leave out old ones";
  std::move(made.begin(), made.end(), std::back_inserter(keys_));
  return {};
}

std::size_t TokenKeys::size() const {
  return keys_.size();
}

bool TokenKeys::secret() const {
  return std::any_of(keys_.begin(), keys_.end(), [](const Key& key) {
    return key.owner == KeyOwner::shop && key.alg == "HS256";
  });
}

// A key without a name is for tokens that name none; so is a shop's only one, whatever its name.
const TokenKeys::Key* TokenKeys::find(const std::optional<std::string>& kid) const {
  const auto named =
      std::find_if(keys_.begin(), keys_.end(), [&](const Key& key) { return key.kid == kid; });
  if (named != keys_.end()) return &*named;
  if (kid) return nullptr;
  const auto of_shop = [](const Key& key) { return key.owner == KeyOwner::shop; };
  if (std::count_if(keys_.begin(), keys_.end(), of_shop) != 1) return nullptr;
  return &*std::find_if(keys_.begin(), keys_.end(), of_shop);
}

TokenKeys::Opened TokenKeys::open(std::string_view token) const {
  const auto refused = [](std::string_view why) { return Opened{{}, why, KeyOwner::shop}; };
  if (token.size() > kTokenBytesMax || !is_compact(token)) return refused("no token");
  const auto header = header_of(token);
  if (header.is_discarded()) return refused("no token");
  if (header.contains("crit") || header.contains("b64")) return refused("extended header");
  const auto* kid = text_member(header, "kid");
  if (header.contains("kid") && kid == nullptr) return refused("no token");
  const auto* key = find(kid ? std::optional(*kid) : std::nullopt);
  if (key == nullptr) return refused(kUnknownKey);
  const auto* alg = text_member(header, "alg");
  if (alg == nullptr || *alg != key->alg) return refused("algorithm");
  const auto signature = from_base64url(token.substr(token.rfind('.') + 1));
  if (!signature || signature->size() != key->signature_bytes) return refused("signature");
  auto payload = verified_payload(token, key->jwk.get());
  if (!payload) return refused("signature");
  return {std::move(*payload), {}, key->owner};
}

std::optional<std::string> from_base64url(std::string_view text) {
  std::string bytes(text.size(), '\0');
  std::size_t size = 0;
  const char* end = nullptr;
  if (sodium_base642bin(reinterpret_cast<unsigned char*>(bytes.data()), bytes.size(), text.data(),
                        text.size(), nullptr, &size, &end,
                        sodium_base64_VARIANT_URLSAFE_NO_PADDING) != 0 ||
      end != text.data() + text.size())
    return std::nullopt;
  bytes.resize(size);
  return bytes;
}

std::string to_base64url(std::string_view bytes) {
  constexpr int kVariant = sodium_base64_VARIANT_URLSAFE_NO_PADDING;
  std::string text(sodium_base64_encoded_len(bytes.size(), kVariant), '\0');
  sodium_bin2base64(text.data(), text.size(), reinterpret_cast<const unsigned char*>(bytes.data()),
                    bytes.size(), kVariant);
  text.pop_back();  // its NUL
  return text;
}

}  // namespace stampede::actors
