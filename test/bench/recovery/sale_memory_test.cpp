#include "test/bench/recovery/sale_memory.h"

#include <doctest/doctest.h>

namespace stampede::bench {

namespace {

// Whole blocks of all tables. Their indexes, of 256 parts, have all just grown to 1024 slots for
// each part: they take nearly the most for an entry then.
constexpr std::uint64_t kCount = std::uint64_t{26} * 4096;

// What a table takes for a few, which is none of theirs; less than a byte for each.
constexpr double kFewBytes = 32 << 10;
static_assert(kFewBytes < kCount);

void check_bounds(const SaleShape& shape) {
  for (const auto& one : kind_memory(shape, kCount, book_memory)) {
    CAPTURE(one.kind);
    CHECK(one.by_tables > 0);
    CHECK(one.by_tables * kCount <= one.bound * kCount + kFewBytes);
  }
}

}  // namespace

TEST_CASE("sale memory: an order, its hold, its payment and a ticket take what is promised") {
  check_bounds({.items = 512, .promos = 512});
}

TEST_CASE("sale memory: likewise where item and promo bound what a user has unpaid") {
  check_bounds({.items = 512, .promos = 512, .bounded = true});
}

TEST_CASE("sale memory: likewise when a ticket's id is a UUID with its dashes") {
  check_bounds({.items = 512, .promos = 512, .long_ids = true});
}

}  // namespace stampede::bench
