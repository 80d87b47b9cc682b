#pragma once

// Token buckets of many keys in a table of fixed size. Pure; one thread; no clock: nanoseconds of
// one monotonic clock come with each call (one that stands still or goes back locks nobody for
// longer than the bounds say). No errors.
//
// A bucket is one number: when it will be full again. Who has a full bucket needs no place, so a
// key takes a place with its first request and leaves it, unseen, when its bucket is full.
//
// When the places run out (docs/decisions/rate-limits.md): a newcomer takes the place of the bucket
// that lacks least, never of an empty one: who is limited stays so. Where all that could go are
// empty the newcomer passes and is not counted: nobody is refused for what others do. Whoever wants
// that has to keep eight empty buckets in each set that he cannot choose, by a keyed hash: as many
// as there are places, each with its own full rate of requests.

#include <array>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace stampede::actors {

struct Rate {
  std::int64_t interval_ns = 0;  // between two requests, in the long run
  std::int64_t burst = 1;        // that may come at once
  std::int64_t ban_ns = 0;       // who goes over it waits so long; 0: until there is a token
};

class RateTable {
 public:
  static constexpr std::size_t kWays = 8;

  RateTable(const Rate& rate, std::size_t places);  // a power of two, at least kWays

  // Takes a token for the key, a keyed hash. 0: it had one. Else: nanoseconds until it has.
  std::int64_t take(std::uint64_t key, std::int64_t now_ns);

 private:
  struct Place {
    std::uint64_t key = 0;
    std::int64_t full_ns = 0;  // when the bucket is full, or the ban ends
    bool banned = false;
    bool used = false;
  };
  using Set = std::array<Place, kWays>;

  [[nodiscard]] std::size_t set_of(std::uint64_t key) const { return key & (sets_.size() - 1); }
  // How long from now the bucket needs to be full, or the ban lasts.
  [[nodiscard]] std::int64_t lack(const Place& place, std::int64_t now_ns) const;
  [[nodiscard]] std::int64_t wait(const Place& place, std::int64_t now_ns) const;
  Place* room(Set& set, std::int64_t now_ns) const;

  std::int64_t interval_ns_;
  std::int64_t tolerance_ns_;  // what a bucket may lack to have a token
  std::int64_t ban_ns_;
  std::vector<Set> sets_;
};

}  // namespace stampede::actors
