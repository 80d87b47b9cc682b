#pragma once

// What one more of each kind costs the book in memory: as its tables say, and as the kernel does.
// The second needs many of a kind to say anything, and a process that has done nothing else.

#include <cstdint>
#include <functional>
#include <string_view>
#include <vector>

#include "test/bench/recovery/sale_log.h"

namespace stampede::bench {

struct BookMemory {
  std::int64_t by_tables = 0;  // bytes
  std::int64_t by_kernel = 0;  // likewise, resident
};

// Of a book that a log of this shape gives.
BookMemory book_memory(const SaleShape& shape);

struct KindMemory {
  std::string_view kind;
  double by_tables = 0;  // bytes each
  double by_kernel = 0;
  double bound = 0;  // 0: none is promised
};

// `shape`: of the books that are compared; its own counts of orders and tickets are not used,
// and what is settled is settled soon.
// `book`: book_memory(), perhaps in a process of its own.
std::vector<KindMemory> kind_memory(SaleShape shape, std::uint64_t count,
                                    const std::function<BookMemory(const SaleShape&)>& book);

}  // namespace stampede::bench
