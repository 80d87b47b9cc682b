#include "actors/sale/session_notice.h"

#include <sodium.h>

#include "actors/sale/request.h"
#include "config/process/invariant.h"

namespace stampede::actors {

// The length of the user stands first, so that user and id never run into each other.
SessionHash session_hash(std::string_view user, std::string_view id) {
  STAMPEDE_ASSERT(user.size() <= kUserBytesMax, "users are bounded at the edge");
  const auto bytes = [](std::string_view text) {
    return reinterpret_cast<const unsigned char*>(text.data());
  };
  const auto size = static_cast<unsigned char>(user.size());
  SessionHash hash;
  static_assert(sizeof hash == crypto_generichash_BYTES_MIN);
  crypto_generichash_state state;
  crypto_generichash_init(&state, nullptr, 0, sizeof hash);
  crypto_generichash_update(&state, &size, sizeof size);
  crypto_generichash_update(&state, bytes(user), user.size());
  crypto_generichash_update(&state, bytes(id), id.size());
  crypto_generichash_final(&state, reinterpret_cast<unsigned char*>(hash.data()), sizeof hash);
  return hash;
}

SessionHash bar_hash(std::string_view user) {
  return session_hash(user, {});
}

}  // namespace stampede::actors
