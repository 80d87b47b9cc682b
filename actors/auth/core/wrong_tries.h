#pragma once

// Who has tried to log in with a wrong password, and how often within a minute. Pure; one thread;
// no clock: microseconds of one monotonic clock come with each call. No errors.
//
// A key stands for a name and the address that tries it; it is a keyed hash, so nobody chooses its
// place. Its minute begins with the first wrong try; behind kWrongMax of them the key is refused
// until the minute is over, whether the next one would be right or not. Tries whose answer is open
// count as wrong ones meanwhile, so that a hundred at once are no way around.
//
// The table has a fixed size. A try costs tens of milliseconds of a processor and few are open at
// once, so one webapp cannot come to more keys a minute than there is room for (kPlaces); were a
// set full all the same, the key with the fewest tries in it would be forgotten.

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

namespace stampede::actors {

using TriesKey = std::array<std::uint64_t, 2>;  // random: places must not be guessed

enum class TriesOf : char { user = 'u', phone = 'p', account = 'a' };

// The key of a name and the address that tries it; never 0, which says that there are no tries.
[[nodiscard]] std::uint64_t tries_hash(const TriesKey& key, TriesOf what, std::string_view name,
                                       std::uint64_t address);

class WrongTries {
 public:
  static constexpr std::int64_t kMinuteUs = 60'000'000;
  static constexpr std::uint32_t kWrongMax = 10;          // in a minute
  static constexpr std::int64_t kOpenWaitUs = 1'000'000;  // while answers are open
  static constexpr std::size_t kWays = 8;
  static constexpr std::size_t kPlaces = 1U << 14U;  // 384 KiB

  explicit WrongTries(std::size_t places = kPlaces);  // a power of two, at least kWays

  // 0: it may try, and is open until end(). Else: microseconds that it has to wait.
  [[nodiscard]] std::int64_t begin(std::uint64_t key, std::int64_t now_us);
  // Of each begin() that gave 0.
  void end(std::uint64_t key, bool wrong, std::int64_t now_us);

 private:
  struct Place {
    std::uint64_t key = 0;
    std::int64_t ends_us = 0;  // of its minute
    std::uint32_t wrong = 0;   // within it
    std::uint32_t open = 0;
  };
  using Set = std::array<Place, kWays>;

  Place* find(std::uint64_t key, std::int64_t now_us);
  Place& take_place(std::uint64_t key, std::int64_t now_us);

  std::vector<Set> sets_;
};

}  // namespace stampede::actors
