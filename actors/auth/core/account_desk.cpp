#include "actors/auth/core/account_desk.h"

#include <algorithm>

namespace stampede::actors {

// Who guesses is told so even when there is no room: he is to stay away.
AccountDesk::Admission AccountDesk::admit_login(std::string_view name, bool by_phone,
                                                std::uint64_t address, std::int64_t now_us) {
  const auto what = by_phone ? TriesOf::phone : TriesOf::user;
  const auto tries_key = tries_hash(key_, what, name, address);
  const auto wait_us = tries_.begin(tries_key, now_us);
  if (wait_us > 0) return {Code::rate_limited, (wait_us + 999) / 1000, 0, 0};
  const auto admission = take_on(tries_key, address, now_us);
  if (admission.code != Code::none) tries_.end(tries_key, false, now_us);
  return admission;
}

AccountDesk::Admission AccountDesk::admit_sign_up(std::uint64_t address, std::int64_t now_us) {
  return take_on(0, address, now_us);
}

AccountDesk::Admission AccountDesk::take_on(std::uint64_t tries_key, std::uint64_t address,
                                            std::int64_t now_us) {
  Admission admission;
  if (waiting_.size() >= kWaitingMax) {
    const auto place = whose_place_is_for(address);
    if (place == waiting_.end()) return {Code::overloaded, 0, 0, 0};
    if (place->tries_key != 0) tries_.end(place->tries_key, false, now_us);
    admission.turned_away = place->number;
    leave(place);
  }
  admission.number = ++last_number_;
  waiting_.push_back({admission.number, tries_key, address, now_us});
  ++of_address_[address];
  if (std::find(turns_.begin(), turns_.end(), address) == turns_.end()) turns_.push_back(address);
  return admission;
}

// Of the line, the newest of the address that has most; the end: none of them has more than this
// address would have.
AccountDesk::Place AccountDesk::whose_place_is_for(std::uint64_t address) {
  const auto found = of_address_.find(address);
  const auto own = found == of_address_.end() ? 1 : found->second + 1;
  std::size_t most = 0;
  auto worst = waiting_.end();
  for (auto place = waiting_.begin(); place != waiting_.end(); ++place) {
    const auto has = of_address_.at(place->address);
    if (place->at_work || has <= own || has < most) continue;
    most = has;
    worst = place;
  }
  return worst;
}

std::uint64_t AccountDesk::take_next(std::int64_t now_us) {
  if (at_work_ >= kAtWorkMax) return 0;
  const auto next = next_in_turn(now_us);
  if (next == waiting_.end()) return 0;
  next->at_work = true;
  ++at_work_;
  return next->number;
}

// Who has waited for too long costs no work, and nobody's turn.
AccountDesk::Place AccountDesk::next_in_turn(std::int64_t now_us) {
  const auto oldest = std::find_if(waiting_.begin(), waiting_.end(),
                                   [](const Waiting& one) { return !one.at_work; });
  if (oldest == waiting_.end() || now_us - oldest->since_us > kWaitUs) return oldest;
  for (auto turns = turns_.size(); turns-- > 0;) {
    const auto address = turns_.front();
    turns_.pop_front();
    const auto next = std::find_if(oldest, waiting_.end(), [&](const Waiting& one) {
      return one.address == address && !one.at_work;
    });
    if (next == waiting_.end()) continue;  // its last one has left the line
    turns_.push_back(address);
    return next;
  }
  return waiting_.end();
}

void AccountDesk::answered(std::uint64_t number, Code code, std::int64_t now_us) {
  const auto found = std::find_if(waiting_.begin(), waiting_.end(),
                                  [&](const Waiting& one) { return one.number == number; });
  if (found == waiting_.end()) return;
  if (found->tries_key != 0) tries_.end(found->tries_key, code == Code::not_logged_in, now_us);
  leave(found);
}

void AccountDesk::leave(Place place) {
  const auto of_address = of_address_.find(place->address);
  if (--of_address->second == 0) of_address_.erase(of_address);
  if (place->at_work) --at_work_;
  waiting_.erase(place);
}

}  // namespace stampede::actors
