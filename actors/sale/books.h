#pragma once

// Sums over all items and promos, for comparing memory, log and database. They do not depend on the
// order in which they are added. Values; any thread.

#include <cstdint>

#include "storage/commands/sale_commands.h"

namespace stampede::actors {

struct Books {
  std::uint64_t confirmed = 0;  // orders
  std::uint64_t items = 0;
  std::uint64_t sold = 0;  // units
  std::uint64_t hash = 0;  // sum of books_hash(item, amount, sold)
  std::uint64_t promos = 0;
  std::uint64_t promo_hash = 0;  // sum of promo_hash(put, put_lsn, granted)
  std::uint64_t held = 0;        // orders that need payment, or needed it
  std::uint64_t held_hash = 0;   // sum of held_hash(order, fulfilment)

  void add(std::uint64_t item, std::int64_t amount, std::int64_t units_sold);
  void add(const storage::PromoPut& put, storage::Lsn put_lsn, std::uint64_t granted);
  void add(storage::Lsn order, storage::Fulfilment fulfilment);
};

std::uint64_t books_hash(std::uint64_t item, std::int64_t amount, std::int64_t sold);
// Of the terms of a promo, of which command said them last, and of how many tickets it gave.
std::uint64_t promo_hash(const storage::PromoPut& put, storage::Lsn put_lsn, std::uint64_t granted);
std::uint64_t held_hash(storage::Lsn order, storage::Fulfilment fulfilment);

}  // namespace stampede::actors
