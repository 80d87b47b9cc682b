#include "actors/sale/books.h"

#include "actors/memory/mix.h"

namespace stampede::actors {

std::uint64_t books_hash(std::uint64_t item, std::int64_t amount, std::int64_t sold) {
  return mix(mix(mix(item) ^ static_cast<std::uint64_t>(amount)) ^
             static_cast<std::uint64_t>(sold));
}

void Books::add(std::uint64_t item, std::int64_t amount, std::int64_t units_sold) {
  ++items;
  sold += static_cast<std::uint64_t>(units_sold);
  hash += books_hash(item, amount, units_sold);
}

}  // namespace stampede::actors
