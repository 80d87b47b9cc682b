#include "actors/auth/account_tries.h"

namespace stampede::actors {

bool AccountTries::begin(std::string_view user, std::uint64_t address, std::int64_t now_us) {
  const std::lock_guard lock(lock_);
  return tries_.begin(tries_hash(key_, TriesOf::account, user, address), now_us) == 0;
}

void AccountTries::end(std::string_view user, std::uint64_t address, bool wrong,
                       std::int64_t now_us) {
  const std::lock_guard lock(lock_);
  tries_.end(tries_hash(key_, TriesOf::account, user, address), wrong, now_us);
}

}  // namespace stampede::actors
