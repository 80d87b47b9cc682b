#pragma once

// Which log-ins and sign-ups a webapp takes on: a bounded line of them, and nobody who guesses
// (wrong_tries.h). Pure; one thread; no clock: microseconds of one monotonic clock come with each
// call. What is taken on gets a number and holds its place until it is answered.
//
// The line is shared by address. A few are worked on; of the others each address has its turn, its
// oldest first. When the line is full a newcomer takes the place of the newest in line of the
// address that has most, if it has less even with it. So one address may have the whole line while
// nobody else comes, and nobody who asks again and again keeps others out.

#include <cstddef>
#include <cstdint>
#include <deque>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "actors/auth/core/wrong_tries.h"
#include "actors/sale/codes.h"

namespace stampede::actors {

class AccountDesk {
 public:
  static constexpr std::size_t kWaitingMax = 100;  // log-ins and sign-ups together
  // Of these, worked on at once: two clerks compute, and each finds the next one looked up.
  static constexpr std::size_t kAtWorkMax = 4;
  // Whatever waits longer is answered `overloaded`: nobody listens any more.
  static constexpr std::int64_t kWaitUs = 10'000'000;
  explicit AccountDesk(const TriesKey& key, std::size_t places = WrongTries::kPlaces)
      : key_(key), tries_(places) {}

  struct Admission {
    Code code = Code::none;           // none: it is taken on; else rate_limited or overloaded
    std::int64_t retry_after_ms = 0;  // of a refusal; 0: what the code says
    std::uint64_t number = 0;         // of what is taken on, never 0
    // Of what stood in line and lost its place to it: to be answered `overloaded`. 0: nothing.
    std::uint64_t turned_away = 0;
  };
  // A name by user and the same by phone are two here; of one account, see AccountTries. Address 0:
  // not known, and one of its own.
  [[nodiscard]] Admission admit_login(std::string_view name, bool by_phone, std::uint64_t address,
                                      std::int64_t now_us);
  [[nodiscard]] Admission admit_sign_up(std::uint64_t address, std::int64_t now_us);

  // What is to be worked on now; ask behind each admission and each answer. 0: nothing more.
  [[nodiscard]] std::uint64_t take_next(std::int64_t now_us);
  // `code`: what it is told. Of a log-in not_logged_in is a wrong try.
  void answered(std::uint64_t number, Code code, std::int64_t now_us);

  [[nodiscard]] std::size_t waiting() const { return waiting_.size(); }

 private:
  struct Waiting {
    std::uint64_t number = 0;
    std::uint64_t tries_key = 0;  // 0: none
    std::uint64_t address = 0;
    std::int64_t since_us = 0;
    bool at_work = false;
  };
  using Place = std::vector<Waiting>::iterator;

  [[nodiscard]] Admission take_on(std::uint64_t tries_key, std::uint64_t address,
                                  std::int64_t now_us);
  [[nodiscard]] Place whose_place_is_for(std::uint64_t address);
  [[nodiscard]] Place next_in_turn(std::int64_t now_us);
  void leave(Place place);

  TriesKey key_;
  WrongTries tries_;
  std::vector<Waiting> waiting_;                               // in the order of their coming
  std::unordered_map<std::uint64_t, std::size_t> of_address_;  // how many of them
  std::deque<std::uint64_t> turns_;  // addresses of those in line, each once
  std::size_t at_work_ = 0;
  std::uint64_t last_number_ = 0;
};

}  // namespace stampede::actors
