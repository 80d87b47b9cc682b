#pragma once

// How many units each user has unpaid of each item, and in each promo, that has a bound for it. A
// user on an item or in a promo is a keyed hash of both, as in HeldOrders. Nothing of it is in a
// snapshot: HeldOrders says it all. Owned by OrderBook; pure, one thread. Memory: about 40 bytes
// for each user who has units unpaid.

#include <cstddef>
#include <cstdint>
#include <unordered_map>

#include "config/process/invariant.h"

namespace stampede::actors {

class UnpaidUnits {
 public:
  [[nodiscard]] std::uint64_t of(std::uint64_t user) const {
    const auto found = units_.find(user);
    return found == units_.end() ? 0 : found->second;
  }
  void add(std::uint64_t user, std::uint32_t qty) { units_[user] += qty; }
  void subtract(std::uint64_t user, std::uint32_t qty) {
    const auto found = units_.find(user);
    STAMPEDE_ASSERT(found != units_.end() && found->second >= qty,
                    "only what was unpaid is paid or given back");
    found->second -= qty;
    if (found->second == 0) units_.erase(found);
  }
  [[nodiscard]] std::size_t memory_bytes() const {
    constexpr std::size_t kNode = 40;  // with its place in the table
    return units_.size() * kNode;
  }

 private:
  std::unordered_map<std::uint64_t, std::uint64_t> units_;
};

}  // namespace stampede::actors
