#include "actors/auth/core/wrong_tries.h"

#include <sodium.h>

#include <algorithm>
#include <string>

#include "config/process/invariant.h"

namespace stampede::actors {

std::uint64_t tries_hash(const TriesKey& key, TriesOf what, std::string_view name,
                         std::uint64_t address) {
  static_assert(sizeof key == crypto_shorthash_KEYBYTES);
  std::string text(reinterpret_cast<const char*>(&address), sizeof address);
  text += static_cast<char>(what);
  text += name;
  std::uint64_t hash = 0;
  static_assert(sizeof hash == crypto_shorthash_BYTES);
  crypto_shorthash(reinterpret_cast<unsigned char*>(&hash),
                   reinterpret_cast<const unsigned char*>(text.data()), text.size(),
                   reinterpret_cast<const unsigned char*>(key.data()));
  return std::max<std::uint64_t>(hash, 1);
}

WrongTries::WrongTries(std::size_t places) : sets_(places / kWays) {
  STAMPEDE_ASSERT(!sets_.empty() && (sets_.size() & (sets_.size() - 1)) == 0,
                  "the places of a table of tries must be a power of two");
}

// Null: nothing is known of it. A minute that is over is forgotten.
WrongTries::Place* WrongTries::find(std::uint64_t key, std::int64_t now_us) {
  auto& set = sets_[key & (sets_.size() - 1)];
  for (auto& place : set)
    if (place.ends_us <= now_us) place.wrong = 0;
  const auto found = std::find_if(set.begin(), set.end(), [&](const Place& place) {
    return place.key == key && (place.wrong > 0 || place.open > 0);
  });
  return found == set.end() ? nullptr : &*found;
}

WrongTries::Place& WrongTries::take_place(std::uint64_t key, std::int64_t now_us) {
  if (auto* known = find(key, now_us)) return *known;
  auto& set = sets_[key & (sets_.size() - 1)];
  auto& least =
      *std::min_element(set.begin(), set.end(), [](const Place& left, const Place& right) {
        return left.wrong + left.open < right.wrong + right.open;
      });
  return least = Place{key, 0, 0, 0};
}

std::int64_t WrongTries::begin(std::uint64_t key, std::int64_t now_us) {
  auto& place = take_place(key, now_us);
  if (place.wrong >= kWrongMax) return std::min(place.ends_us - now_us, kMinuteUs);
  if (place.wrong + place.open >= kWrongMax) return kOpenWaitUs;
  ++place.open;
  return 0;
}

void WrongTries::end(std::uint64_t key, bool wrong, std::int64_t now_us) {
  auto* place = find(key, now_us);
  if (place != nullptr && place->open > 0) --place->open;
  if (!wrong) return;
  if (place == nullptr) place = &take_place(key, now_us);
  if (place->wrong == 0) place->ends_us = now_us + kMinuteUs;
  place->key = key;
  ++place->wrong;
}

}  // namespace stampede::actors
