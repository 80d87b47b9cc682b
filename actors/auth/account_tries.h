#pragma once

// How often an account was tried with a wrong password from an address, whichever name was used:
// what AccountDesk cannot see, since who has a phone is found out behind it. Who has used up the
// tries of an account is told what any wrong password is, right or not: by `rate_limited` he would
// hear which names are of one account, and so that there is one. Thread-safe (both clerks ask). No
// clock: microseconds of one monotonic clock come with each call.

#include <cstdint>
#include <mutex>
#include <string_view>

#include "actors/auth/core/wrong_tries.h"

namespace stampede::actors {

class AccountTries {
 public:
  explicit AccountTries(const TriesKey& key) : key_(key) {}

  // False: it is wrong, whatever it is. Address 0: not known, and one of its own.
  [[nodiscard]] bool begin(std::string_view user, std::uint64_t address, std::int64_t now_us);
  // Of each begin() that gave true.
  void end(std::string_view user, std::uint64_t address, bool wrong, std::int64_t now_us);

 private:
  TriesKey key_;
  std::mutex lock_;
  WrongTries tries_;
};

}  // namespace stampede::actors
