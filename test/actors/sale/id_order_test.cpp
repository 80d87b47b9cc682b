// Positions in the order of ids that come in any order.

#include "actors/sale/id_order.h"

#include <doctest/doctest.h>

#include <cstdint>
#include <functional>
#include <vector>

using namespace stampede::actors;

namespace {

struct Things {
  void add(std::uint64_t id) {
    ids.push_back(id);
    order.add(id, static_cast<std::uint32_t>(ids.size() - 1), id_of());
  }
  [[nodiscard]] std::function<std::uint64_t(std::uint32_t)> id_of() const {
    return [this](std::uint32_t at) {
      ++looks;
      return ids.at(at);
    };
  }
  [[nodiscard]] std::vector<std::uint64_t> from(std::uint64_t id, std::size_t count) const {
    std::vector<std::uint64_t> seen;
    order.each_from(id, id_of(), [&](std::uint32_t at) {
      if (seen.size() < count) seen.push_back(ids[at]);
      return seen.size() < count;
    });
    return seen;
  }

  std::vector<std::uint64_t> ids;
  mutable std::uint64_t looks = 0;
  IdOrder order;
};

constexpr std::uint64_t kThings = 20'000;

// All of 10, 20 … 10 * kThings are there.
void check_order(const Things& things) {
  const auto all = things.from(0, kThings + 1);
  REQUIRE(all.size() == kThings);
  for (std::uint64_t i = 0; i < kThings; ++i) REQUIRE(all[i] == 10 * (i + 1));
  for (std::uint64_t i = 1; i < kThings; i += 97) {
    REQUIRE(things.from(10 * i, 2) == std::vector<std::uint64_t>{10 * i, 10 * i + 10});
    REQUIRE(things.from(10 * i - 9, 1) == std::vector<std::uint64_t>{10 * i});
  }
  CHECK(things.from(10 * kThings, 2) == std::vector<std::uint64_t>{10 * kThings});
  CHECK(things.from(10 * kThings + 1, 1).empty());
}

}  // namespace

TEST_CASE("things that came in order are seen in it, and take four bytes each") {
  Things things;
  CHECK(things.from(0, 1).empty());
  for (std::uint64_t i = 1; i <= kThings; ++i) things.add(10 * i);
  check_order(things);
  CHECK(things.order.memory_bytes() <= 5 * kThings);
}

TEST_CASE("things that came in any order are seen in that of their ids") {
  Things mixed;  // 7919 is prime and does not divide kThings
  for (std::uint64_t i = 0; i < kThings; ++i) mixed.add(10 * (1 + i * 7919 % kThings));
  CHECK(mixed.looks < 10 * kThings);
  CHECK(mixed.order.memory_bytes() <= 9 * kThings);
  check_order(mixed);
  Things falling;
  for (std::uint64_t i = kThings; i > 0; --i) falling.add(10 * i);
  CHECK(falling.looks < 10 * kThings);
  CHECK(falling.order.memory_bytes() <= 9 * kThings);
  check_order(falling);
}
