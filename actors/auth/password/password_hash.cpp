#include "actors/auth/password/password_hash.h"

#include <sodium.h>

#include <array>
#include <cerrno>
#include <string>

#include "config/process/invariant.h"

namespace stampede::actors {

namespace {

static_assert(kPasswordHashBytesMax >= crypto_pwhash_STRBYTES);

// Chooses the code for this processor; a second call does nothing.
void prepare() {
  STAMPEDE_ASSERT(sodium_init() >= 0, "libsodium cannot be initialised");
}

bool is_hash(std::string_view text) {
  return text.starts_with(crypto_pwhash_STRPREFIX) && text.size() < crypto_pwhash_STRBYTES;
}

// Of no password that anybody knows, at the same cost (t and m are INTERACTIVE's).
constexpr std::string_view kNobodys =
    "$argon2id$v=19$m=65536,t=2,p=1$c3RhbXBlZGVub2JvZHlzYQ"
    "$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
static_assert(crypto_pwhash_OPSLIMIT_INTERACTIVE == 2);
static_assert(crypto_pwhash_MEMLIMIT_INTERACTIVE == 65536 * 1024);

}  // namespace

std::optional<std::string> hash_password(std::string_view password) {
  prepare();
  std::array<char, crypto_pwhash_STRBYTES> text{};
  const int made = crypto_pwhash_str_alg(
      text.data(), password.data(), password.size(), crypto_pwhash_OPSLIMIT_INTERACTIVE,
      crypto_pwhash_MEMLIMIT_INTERACTIVE, crypto_pwhash_ALG_ARGON2ID13);
  if (made != 0) return std::nullopt;
  return std::string(text.data());
}

PasswordCheck check_password(std::string_view hash, std::string_view password) {
  prepare();
  const bool real = is_hash(hash);
  const std::string against(real ? hash : kNobodys);
  errno = 0;
  const int made = crypto_pwhash_str_verify(against.c_str(), password.data(), password.size());
  if (made != 0 && errno == ENOMEM) return PasswordCheck::no_memory;
  return made == 0 && real ? PasswordCheck::right : PasswordCheck::wrong;
}

}  // namespace stampede::actors
