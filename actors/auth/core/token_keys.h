#pragma once

// The keys that tokens are signed with: JSON Web Keys (RFC 7517) that verify compact JSON Web
// Signatures (RFC 7515) by HS256, RS256 or ES256.
//
// A token says by `kid` which key it is signed with, and nothing else about how: the algorithm is
// the key's (its `alg`, or the only one that its `kty` has here). A token that names another one,
// `none` among them, is refused before anything is computed, as is one with header members that
// change what its bytes mean (crit, b64). Signatures are verified by libcjose.
//
// One thread (libcjose counts its users without a lock); movable. Nothing is durable; errors are
// texts for people.

#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace stampede::actors {

enum class KeyOwner : unsigned char {
  system,  // this system's own: what it signed is believed as it stands
  shop,    // of auth.keys_file
};

// Why a token is refused whose key is not, or not yet, among those that are known.
inline constexpr std::string_view kUnknownKey = "unknown key";

class TokenKeys {
 public:
  static constexpr std::size_t kKeysMax = 64;
  static constexpr std::size_t kKidBytesMax = 256;

  TokenKeys();
  ~TokenKeys();
  TokenKeys(TokenKeys&&) noexcept;
  TokenKeys& operator=(TokenKeys&&) noexcept;

  // Takes the keys of a JWK set, {"keys":[…]}. Those of other kinds, algorithms and uses are passed
  // over, but one at least must be left. What is wrong with the set, naming the key by its place
  // (the first is 0); empty: nothing. A set that is wrong leaves nothing behind.
  [[nodiscard]] std::string add(std::string_view jwk_set, KeyOwner owner);

  [[nodiscard]] std::size_t size() const;
  [[nodiscard]] bool secret() const;  // one of the shop's verifies by a secret, not a public part

  struct Opened {
    std::string payload;        // what was signed; set when `why` is empty
    std::string_view why = {};  // why the token is refused: one or two words, a literal
    KeyOwner owner = KeyOwner::shop;
  };
  // `token` may be any bytes.
  [[nodiscard]] Opened open(std::string_view token) const;

 private:
  struct Key;
  [[nodiscard]] const Key* find(const std::optional<std::string>& kid) const;

  std::vector<Key> keys_;
};

// The bytes behind unpadded base64url; nothing when the text is none.
std::optional<std::string> from_base64url(std::string_view text);
std::string to_base64url(std::string_view bytes);

}  // namespace stampede::actors
