#pragma once

// Sums over all items, for comparing memory, log and database. They do not depend on the order in
// which items are added. Values; any thread.

#include <cstdint>

namespace stampede::actors {

struct Books {
  std::uint64_t confirmed = 0;  // orders
  std::uint64_t items = 0;
  std::uint64_t sold = 0;  // units
  std::uint64_t hash = 0;  // sum of books_hash(item, amount, sold)

  void add(std::uint64_t item, std::int64_t amount, std::int64_t units_sold);
};

std::uint64_t books_hash(std::uint64_t item, std::int64_t amount, std::int64_t sold);

}  // namespace stampede::actors
