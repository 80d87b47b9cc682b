#include "actors/auth/core/account_desk.h"

namespace stampede::actors {

AccountDesk::Admission AccountDesk::take_on(std::uint64_t tries_key) {
  Admission admission;
  admission.number = ++last_number_;
  waiting_.emplace(admission.number, tries_key);
  return admission;
}

// Who guesses is told so even when there is no room: he is to stay away.
AccountDesk::Admission AccountDesk::admit_login(std::string_view name, bool by_phone,
                                                std::uint64_t address, std::int64_t now_us) {
  const auto what = by_phone ? TriesOf::phone : TriesOf::user;
  const auto tries_key = tries_hash(key_, what, name, address);
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
