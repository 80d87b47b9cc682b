#include "actors/webapp/core/rate_table.h"

#include <algorithm>

#include "config/process/invariant.h"

namespace stampede::actors {

RateTable::RateTable(const Rate& rate, std::size_t places)
    : interval_ns_(rate.interval_ns),
      tolerance_ns_((rate.burst - 1) * rate.interval_ns),
      ban_ns_(rate.ban_ns),
      sets_(places / kWays) {
  STAMPEDE_ASSERT(!sets_.empty() && (sets_.size() & (sets_.size() - 1)) == 0,
                  "the places of a table of rates must be a power of two");
  STAMPEDE_ASSERT(rate.interval_ns > 0 && rate.burst > 0, "a rate must let something pass");
}

// A clock that went back must not make it longer than it can be.
std::int64_t RateTable::lack(const Place& place, std::int64_t now_ns) const {
  if (!place.used || place.full_ns <= now_ns) return 0;
  const auto most = place.banned ? ban_ns_ : tolerance_ns_ + interval_ns_;
  return std::min(place.full_ns - now_ns, most);
}

std::int64_t RateTable::wait(const Place& place, std::int64_t now_ns) const {
  const auto lacks = lack(place, now_ns);
  if (lacks == 0) return 0;
  return place.banned ? lacks : std::max<std::int64_t>(0, lacks - tolerance_ns_);
}

// The place of the bucket that lacks least and is not empty; null: all are.
RateTable::Place* RateTable::room(Set& set, std::int64_t now_ns) const {
  auto* const least =
      std::min_element(set.begin(), set.end(), [&](const Place& left, const Place& right) {
        return lack(left, now_ns) < lack(right, now_ns);
      });
  return wait(*least, now_ns) == 0 ? least : nullptr;
}

std::int64_t RateTable::take(std::uint64_t key, std::int64_t now_ns) {
  auto& set = sets_[set_of(key)];
  auto* place = std::find_if(set.begin(), set.end(),
                             [&](const Place& other) { return other.used && other.key == key; });
  if (place == set.end()) {
    place = room(set, now_ns);
    if (place == nullptr) return 0;
    *place = Place{key, now_ns, false, true};
  }
  const auto lacks = lack(*place, now_ns);
  if (lacks == 0) place->banned = false;
  if (const auto waits = wait(*place, now_ns); waits > 0) {
    if (ban_ns_ == 0 || place->banned) return waits;
    place->banned = true;
    place->full_ns = now_ns + ban_ns_;
    return ban_ns_;
  }
  place->full_ns = now_ns + lacks + interval_ns_;
  return 0;
}

}  // namespace stampede::actors
