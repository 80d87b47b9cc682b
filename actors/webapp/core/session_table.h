#pragma once

// What is known of tokens that were shown: whom they are of, or why they are refused, each for a
// while. A token is known by a keyed hash of 256 bits, whose key nobody outside has.
//
// Owned by LoginDesk; pure, one thread, no clock: microseconds of one monotonic clock come with
// each call. Bounded: of more entries than may be kept the oldest goes. Pointers hold until the
// next keep(), or find() of the same token.

#include <array>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <string_view>
#include <unordered_map>

#include "actors/auth/core/session.h"

namespace stampede::actors {

using TokenKey = std::array<std::uint64_t, 4>;
using TokenHashKey = std::array<std::uint64_t, 2>;  // random

TokenKey token_key(const TokenHashKey& key, std::string_view token);

class SessionTable {
 public:
  struct Entry {
    Verdict verdict;
    std::int64_t ends_us = 0;  // then it is not known any more
  };

  explicit SessionTable(std::size_t entries_max) : entries_max_(entries_max) {}

  // Null: not known, or not any more.
  [[nodiscard]] const Entry* find(const TokenKey& key, std::int64_t now_us);
  void keep(const TokenKey& key, Verdict verdict, std::int64_t ends_us);
  [[nodiscard]] std::size_t size() const { return entries_.size(); }

 private:
  struct FirstBits {  // they are random enough
    std::size_t operator()(const TokenKey& key) const { return key[0]; }
  };

  std::size_t entries_max_;
  std::unordered_map<TokenKey, Entry, FirstBits> entries_;
  std::deque<TokenKey> order_;  // as they came; of some the entry is gone
};

}  // namespace stampede::actors
