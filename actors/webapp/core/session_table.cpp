#include "actors/webapp/core/session_table.h"

#include <sodium.h>

#include <utility>

namespace stampede::actors {

TokenKey token_key(const TokenHashKey& key, std::string_view token) {
  TokenKey hash;
  static_assert(sizeof hash == crypto_generichash_BYTES);
  static_assert(sizeof key >= crypto_generichash_KEYBYTES_MIN);
  crypto_generichash(reinterpret_cast<unsigned char*>(hash.data()), sizeof hash,
                     reinterpret_cast<const unsigned char*>(token.data()), token.size(),
                     reinterpret_cast<const unsigned char*>(key.data()), sizeof key);
  return hash;
}

const SessionTable::Entry* SessionTable::find(const TokenKey& key, std::int64_t now_us) {
  const auto found = entries_.find(key);
  if (found == entries_.end()) return nullptr;
  if (now_us < found->second.ends_us) return &found->second;
  entries_.erase(found);
  return nullptr;
}

void SessionTable::keep(const TokenKey& key, Verdict verdict, std::int64_t ends_us) {
  entries_[key] = {std::move(verdict), ends_us};
  order_.push_back(key);
  for (; order_.size() > entries_max_; order_.pop_front())
    if (order_.front() != key) entries_.erase(order_.front());
}

}  // namespace stampede::actors
