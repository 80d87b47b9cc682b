#pragma once

// How many units each user has unpaid of each item, and in each promo, where there is a bound for
// it. What is kept is which orders they are, by position in HeldOrders, so that one entry serves
// both bounds; of a user with many unpaid orders of one item it is the sums instead. Nothing of it
// is in a snapshot: HeldOrders says it all. Owned by OrderBook; pure, one thread. Memory: 12 to 24
// bytes for each unpaid order.

#include <cstddef>
#include <cstdint>
#include <unordered_map>
#include <vector>

#include "actors/memory/dense_index.h"
#include "config/process/invariant.h"

namespace stampede::actors {

class UnpaidUnits {
 public:
  // What it is asked by: a user on an item, and in a promo, are keyed hashes as in HeldOrders.
  struct Order {
    std::uint64_t user_on_item = 0;
    std::uint64_t user_in_promo = 0;  // 0: in none
    std::uint32_t qty = 0;
  };

  // `order_at(position)`: the Order of one that was added before, here and below.
  template <class OrderAt>
  [[nodiscard]] std::uint64_t on_item(std::uint64_t user_on_item, OrderAt&& order_at) const {
    if (const auto* many = many_of(user_on_item)) return many->units;
    std::uint64_t units = 0;
    each(user_on_item, order_at, [&](std::uint32_t, const Order& order) { units += order.qty; });
    return units;
  }
  template <class OrderAt>
  [[nodiscard]] std::uint64_t in_promo(std::uint64_t user_on_item, std::uint64_t user_in_promo,
                                       OrderAt&& order_at) const {
    if (many_of(user_on_item) != nullptr) {
      const auto found = many_in_promo_.find(user_in_promo);
      return found == many_in_promo_.end() ? 0 : found->second;
    }
    std::uint64_t units = 0;
    each(user_on_item, order_at, [&](std::uint32_t, const Order& order) {
      if (order.user_in_promo == user_in_promo) units += order.qty;
    });
    return units;
  }

  template <class OrderAt>
  void add(std::uint32_t position, const Order& order, OrderAt&& order_at) {
    if (many_of(order.user_on_item) == nullptr) {
      std::uint32_t others = 0;
      each(order.user_on_item, order_at, [&](std::uint32_t, const Order&) { ++others; });
      if (others < kFew) return index_.insert(order.user_on_item, position);
      sum_up(order.user_on_item, order_at);
    }
    add_to_sums(order);
  }
  void subtract(std::uint32_t position, const Order& order) {
    if (many_of(order.user_on_item) == nullptr) return index_.erase(order.user_on_item, position);
    take_from_sums(order);
  }

  [[nodiscard]] std::size_t memory_bytes() const {
    constexpr std::size_t kNode = 32;  // with its place in the table, beside its value
    return index_.memory_bytes() + many_.size() * (kNode + sizeof(Sums)) +
           many_in_promo_.size() * (kNode + sizeof(std::uint64_t));
  }

 private:
  // So many orders of a user on an item stand side by side in the index, which is searched one by
  // one.
  static constexpr std::uint32_t kFew = 16;
  struct Sums {
    std::uint64_t orders = 0;
    std::uint64_t units = 0;
  };

  [[nodiscard]] const Sums* many_of(std::uint64_t user_on_item) const {
    if (many_.empty()) return nullptr;
    const auto found = many_.find(user_on_item);
    return found == many_.end() ? nullptr : &found->second;
  }
  template <class OrderAt, class Visit>
  void each(std::uint64_t user_on_item, OrderAt&& order_at, Visit&& visit) const {
    (void)index_.find(user_on_item, [&](std::uint32_t position) {
      const Order order = order_at(position);
      if (order.user_on_item == user_on_item) visit(position, order);
      return false;
    });
  }
  template <class OrderAt>
  void sum_up(std::uint64_t user_on_item, OrderAt&& order_at) {
    std::vector<std::uint32_t> positions;
    each(user_on_item, order_at, [&](std::uint32_t position, const Order& order) {
      positions.push_back(position);
      add_to_sums(order);
    });
    for (const auto position : positions) index_.erase(user_on_item, position);
  }
  void add_to_sums(const Order& order) {
    auto& sums = many_[order.user_on_item];
    ++sums.orders;
    sums.units += order.qty;
    if (order.user_in_promo != 0) many_in_promo_[order.user_in_promo] += order.qty;
  }
  void take_from_sums(const Order& order) {
    const auto sums = many_.find(order.user_on_item);
    STAMPEDE_ASSERT(sums->second.units >= order.qty, "only what was unpaid is paid or given back");
    sums->second.units -= order.qty;
    if (--sums->second.orders == 0) many_.erase(sums);
    if (order.user_in_promo == 0) return;
    const auto in_promo = many_in_promo_.find(order.user_in_promo);
    STAMPEDE_ASSERT(in_promo != many_in_promo_.end() && in_promo->second >= order.qty,
                    "what is unpaid in a promo is unpaid of its item");
    in_promo->second -= order.qty;
    if (in_promo->second == 0) many_in_promo_.erase(in_promo);
  }

  DenseIndex index_;                                                // by user on item
  std::unordered_map<std::uint64_t, Sums> many_;                    // likewise
  std::unordered_map<std::uint64_t, std::uint64_t> many_in_promo_;  // units of these users
};

}  // namespace stampede::actors
