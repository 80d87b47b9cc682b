#include "actors/webapp/core/rate_limits.h"

#include <sodium.h>

namespace stampede::actors {

namespace {

constexpr std::int64_t kSecond = 1'000'000'000;  // nanoseconds
constexpr std::int64_t kMinute = 60 * kSecond;
constexpr std::int64_t kMsNs = 1'000'000;

std::int64_t ns(std::int64_t us) {
  return us * 1000;
}

std::int64_t whole_ms(std::int64_t wait_ns) {
  return (wait_ns + kMsNs - 1) / kMsNs;
}

Rate rate_of(std::int64_t time_ns, std::int64_t requests, std::int64_t burst, std::int64_t ban_s) {
  return {(time_ns + requests - 1) / requests, burst, ban_s * kSecond};
}

}  // namespace

RateLimits::RateLimits(const RateSettings& settings, const HashKey& key, std::size_t places)
    : key_(key) {
  if (settings.user_per_s > 0)
    users_.emplace(rate_of(kSecond, settings.user_per_s, settings.user_burst, 0), places);
  if (settings.address_per_min > 0)
    addresses_.emplace(rate_of(kMinute, settings.address_per_min, settings.address_per_min,
                               settings.address_ban_s),
                       places);
}

std::uint64_t RateLimits::hash(const void* data, std::size_t size) const {
  static_assert(sizeof key_ == crypto_shorthash_KEYBYTES);
  std::uint64_t hash = 0;
  static_assert(sizeof hash == crypto_shorthash_BYTES);
  crypto_shorthash(reinterpret_cast<unsigned char*>(&hash), static_cast<const unsigned char*>(data),
                   size, reinterpret_cast<const unsigned char*>(key_.data()));
  return hash;
}

std::int64_t RateLimits::take_address(std::uint64_t address, std::int64_t now_us) {
  if (address == 0 || !addresses_) return 0;
  const std::lock_guard lock(lock_);
  return whole_ms(addresses_->take(hash(&address, sizeof address), ns(now_us)));
}

std::int64_t RateLimits::take_user(std::string_view user, std::int64_t now_us) {
  if (user.empty() || !users_) return 0;
  const std::lock_guard lock(lock_);
  return whole_ms(users_->take(hash(user.data(), user.size()), ns(now_us)));
}

}  // namespace stampede::actors
