#include "actors/sale/request_hash.h"

#include <sodium.h>

#include <cstring>
#include <string>

#include "actors/sale/request.h"
#include "config/process/invariant.h"

namespace stampede::actors {

namespace {

std::uint64_t short_hash(const LogUuid& key, const void* data, std::size_t size) {
  std::uint64_t hash = 0;
  static_assert(sizeof hash == crypto_shorthash_BYTES);
  crypto_shorthash(reinterpret_cast<unsigned char*>(&hash), static_cast<const unsigned char*>(data),
                   size, key.data());
  return hash;
}

// A tag, two numbers and a bounded text in one flat buffer: what is hashed never runs together.
struct Keyed {
  std::uint64_t tag;
  std::uint64_t item;
  std::uint64_t qty;
  char text[kUserBytesMax];
};

std::uint64_t hash_keyed(const LogUuid& key, std::uint64_t tag, std::uint64_t item,
                         std::uint64_t qty, std::string_view text) {
  STAMPEDE_ASSERT(text.size() <= kUserBytesMax, "users are bounded at the edge");
  Keyed keyed{tag, item, qty, {}};
  std::memcpy(keyed.text, text.data(), text.size());
  return short_hash(key, &keyed, offsetof(Keyed, text) + text.size());
}

}  // namespace

storage::RequestHash RequestHasher::id(std::string_view request_id) const {
  storage::RequestHash hash;
  static_assert(sizeof hash == crypto_shorthash_siphashx24_BYTES);
  crypto_shorthash_siphashx24(reinterpret_cast<unsigned char*>(hash.data()),
                              reinterpret_cast<const unsigned char*>(request_id.data()),
                              request_id.size(), key_.data());
  return hash;
}

std::uint64_t RequestHasher::order_content(std::uint64_t item, std::string_view user,
                                           std::uint32_t qty) const {
  return hash_keyed(key_, 1, item, qty, user);
}

std::uint64_t RequestHasher::user_on_item(std::uint64_t item, std::string_view user) const {
  return hash_keyed(key_, 2, item, 0, user);
}

std::uint64_t RequestHasher::change_content(std::uint8_t what, std::uint64_t item,
                                            std::string_view name, std::int64_t a, std::int64_t b,
                                            std::int64_t c, std::int64_t d) const {
  const std::int64_t numbers[] = {100 + what, static_cast<std::int64_t>(item), a, b, c, d};
  std::string buffer(reinterpret_cast<const char*>(numbers), sizeof numbers);
  buffer += name;
  return short_hash(key_, buffer.data(), buffer.size());
}

}  // namespace stampede::actors
