#pragma once

// How many requests one user and one address may send: the contract's limits.*, over both doors of
// a webapp together. Thread-safe (the port and the HTTP actor ask); the lock is held for a look at
// eight places. No clock: microseconds of one monotonic clock come with each call. It exists only
// where a limit is set.

#include <array>
#include <cstdint>
#include <mutex>
#include <optional>
#include <string_view>

#include "actors/sale/codes.h"
#include "actors/webapp/core/rate_table.h"

namespace stampede::actors {

struct RateSettings {  // 0: no such limit
  std::int64_t user_per_s = 0;
  std::int64_t user_burst = 1;
  std::int64_t address_per_min = 0;
  std::int64_t address_ban_s = 0;
  [[nodiscard]] bool any() const { return user_per_s > 0 || address_per_min > 0; }
};

using HashKey = std::array<std::uint64_t, 2>;  // random: places must not be guessed

class RateLimits {
 public:
  static constexpr std::size_t kPlaces = 1U << 17U;  // 4 MiB

  RateLimits(const RateSettings& settings, const HashKey& key, std::size_t places = kPlaces);

  [[nodiscard]] bool of_addresses() const { return addresses_.has_value(); }

  // Milliseconds that the asker has to wait; 0: it may come, and that was counted. An address 0 or
  // a user without a name has no limit.
  std::int64_t take_address(std::uint64_t address, std::int64_t now_us);
  std::int64_t take_user(std::string_view user, std::int64_t now_us);

 private:
  [[nodiscard]] std::uint64_t hash(const void* data, std::size_t size) const;

  HashKey key_;
  std::mutex lock_;
  std::optional<RateTable> users_;
  std::optional<RateTable> addresses_;
};

}  // namespace stampede::actors
