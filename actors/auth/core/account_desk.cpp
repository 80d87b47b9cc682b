#include "actors/auth/core/account_desk.h"

#include <sodium.h>

#include <algorithm>
#include <string>

namespace stampede::actors {

// Never 0, which says that there are no tries.
std::uint64_t AccountDesk::hash(std::string_view name, bool by_phone, std::uint64_t address) const {
  static_assert(sizeof key_ == crypto_shorthash_KEYBYTES);
  std::string text(reinterpret_cast<const char*>(&address), sizeof address);
  text += by_phone ? 'p' : 'u';
  text += name;
  std::uint64_t hash = 0;
  static_assert(sizeof hash == crypto_shorthash_BYTES);
  crypto_shorthash(reinterpret_cast<unsigned char*>(&hash),
                   reinterpret_cast<const unsigned char*>(text.data()), text.size(),
                   reinterpret_cast<const unsigned char*>(key_.data()));
  return std::max<std::uint64_t>(hash, 1);
}

AccountDesk::Admission AccountDesk::take_on(std::uint64_t tries_key) {
  Admission admission;
  admission.number = ++last_number_;
  waiting_.emplace(admission.number, tries_key);
  return admission;
}

// Who guesses is told so even when there is no room: he is to stay away.
AccountDesk::Admission AccountDesk::admit_login(std::string_view name, bool by_phone,
                                                std::uint64_t address, std::int64_t now_us) {
  const auto tries_key = hash(name, by_phone, address);
  const auto wait_us = tries_.begin(tries_key, now_us);
  if (wait_us > 0) return {Code::rate_limited, (wait_us + 999) / 1000, 0};
  if (waiting_.size() < kWaitingMax) return take_on(tries_key);
  tries_.end(tries_key, false, now_us);
  return {Code::overloaded, 0, 0};
}

AccountDesk::Admission AccountDesk::admit_sign_up() {
  if (waiting_.size() >= kWaitingMax) return {Code::overloaded, 0, 0};
  return take_on(0);
}

void AccountDesk::answered(std::uint64_t number, Code code, std::int64_t now_us) {
  const auto found = waiting_.find(number);
  if (found == waiting_.end()) return;
  if (found->second != 0) tries_.end(found->second, code == Code::not_logged_in, now_us);
  waiting_.erase(found);
}

}  // namespace stampede::actors
