#pragma once

// Which log-ins and sign-ups a webapp takes on: a bounded line of them, and nobody who guesses
// (wrong_tries.h). Pure; one thread; no clock: microseconds of one monotonic clock come with each
// call. What is taken on gets a number and holds its place until it is answered.

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <unordered_map>

#include "actors/auth/core/wrong_tries.h"
#include "actors/sale/codes.h"

namespace stampede::actors {

class AccountDesk {
 public:
  static constexpr std::size_t kWaitingMax = 100;  // log-ins and sign-ups together
  // Whatever waits longer is answered `overloaded`: nobody listens any more.
  static constexpr std::int64_t kWaitUs = 10'000'000;
  explicit AccountDesk(const TriesKey& key, std::size_t places = WrongTries::kPlaces)
      : key_(key), tries_(places) {}

  struct Admission {
    Code code = Code::none;           // none: it is taken on; else rate_limited or overloaded
    std::int64_t retry_after_ms = 0;  // of a refusal; 0: what the code says
    std::uint64_t number = 0;         // of what is taken on, never 0
  };
  // A name by user and the same by phone are two here; of one account, see AccountTries. Address 0:
  // not known, and one of its own.
  [[nodiscard]] Admission admit_login(std::string_view name, bool by_phone, std::uint64_t address,
                                      std::int64_t now_us);
  [[nodiscard]] Admission admit_sign_up();

  // `code`: what it is told. Of a log-in not_logged_in is a wrong try.
  void answered(std::uint64_t number, Code code, std::int64_t now_us);

  [[nodiscard]] std::size_t waiting() const { return waiting_.size(); }

 private:
  [[nodiscard]] Admission take_on(std::uint64_t tries_key);

  TriesKey key_;
  WrongTries tries_;
  std::unordered_map<std::uint64_t, std::uint64_t> waiting_;  // number, key of its tries; 0: none
  std::uint64_t last_number_ = 0;
};

}  // namespace stampede::actors
