// Units that users have unpaid of items and in promos: sums, and what they take in memory.

#include "actors/sale/unpaid_units.h"

#include <doctest/doctest.h>

#include <cstdint>
#include <vector>

#include "actors/memory/mix.h"

using namespace stampede::actors;

namespace {

struct Orders {
  [[nodiscard]] auto at() const {
    return [this](std::uint32_t position) { return all.at(position); };
  }
  std::uint32_t add(std::uint64_t on_item, std::uint64_t in_promo, std::uint32_t qty) {
    const auto position = static_cast<std::uint32_t>(all.size());
    all.push_back({mix(on_item), in_promo == 0 ? 0 : mix(in_promo), qty});
    units.add(position, all[position], at());
    return position;
  }
  void settle(std::uint32_t position) { units.subtract(position, all[position]); }
  [[nodiscard]] std::uint64_t on_item(std::uint64_t user) const {
    return units.on_item(mix(user), at());
  }
  [[nodiscard]] std::uint64_t in_promo(std::uint64_t user, std::uint64_t in_promo) const {
    return units.in_promo(mix(user), mix(in_promo), at());
  }

  std::vector<UnpaidUnits::Order> all;
  UnpaidUnits units;
};

}  // namespace

TEST_CASE("units are those of the user, of the item or in the promo") {
  Orders orders;
  CHECK(orders.on_item(1) == 0);
  const auto first = orders.add(1, 71, 2);
  const auto second = orders.add(1, 0, 3);
  orders.add(2, 72, 5);
  CHECK(orders.on_item(1) == 5);
  CHECK(orders.in_promo(1, 71) == 2);
  CHECK(orders.in_promo(1, 72) == 0);
  CHECK(orders.on_item(2) == 5);
  orders.settle(first);
  CHECK(orders.on_item(1) == 3);
  CHECK(orders.in_promo(1, 71) == 0);
  orders.settle(second);
  CHECK(orders.on_item(1) == 0);
  CHECK(orders.on_item(2) == 5);
}

TEST_CASE("a user's many orders are summed up, whichever of them is settled first") {
  Orders orders;
  for (const std::uint32_t count : {15U, 16U, 17U, 40U}) {
    std::vector<std::uint32_t> open;
    for (std::uint32_t i = 0; i < count; ++i) {
      open.push_back(orders.add(count, i % 3 == 0 ? 0 : count + i % 3, 1 + i));
      REQUIRE(orders.on_item(count) == (i + 1) * (i + 2) / 2);
    }
    orders.add(1000 + count, 7, 1);
    const auto of = [&](std::uint32_t promo) {  // the i-th has i + 1 units
      std::uint64_t units = 0;
      for (std::uint32_t i = promo; i < count; i += 3) units += i + 1;
      return units;
    };
    CHECK(orders.in_promo(count, count + 1) == of(1));
    CHECK(orders.in_promo(count, count + 2) == of(2));
    CHECK(orders.in_promo(count, count + 3) == 0);
    std::uint64_t left = orders.on_item(count);
    for (std::uint32_t i = 0; i < count; ++i) {  // 7 divides none of the counts
      const auto position = open[i * 7 % count];
      orders.settle(position);
      left -= orders.all[position].qty;
      REQUIRE(orders.on_item(count) == left);
    }
    CHECK(orders.in_promo(count, count + 1) == 0);
    CHECK(orders.on_item(1000 + count) == 1);
    orders.add(count, count + 1, 3);  // few again
    CHECK(orders.in_promo(count, count + 1) == 3);
  }
}

TEST_CASE("an unpaid order takes 24 bytes, whoever has how many") {
  constexpr std::uint64_t kOrders = 106'496;
  for (const std::uint64_t of_one : {1U, 16U, 17U, 1000U}) {
    Orders orders;
    for (std::uint64_t i = 0; i < kOrders; ++i) orders.add(1 + i / of_one, 1 + i / of_one, 1);
    CAPTURE(of_one);
    CHECK(orders.units.memory_bytes() <= 24 * kOrders);
    CHECK(orders.on_item(1) == of_one);
  }
}
