#pragma once

#include <cstddef>

namespace stampede::actors {

// Zeroed memory straight from the kernel, which gives real pages only as they are touched, huge
// ones where it can (2 MiB and more; madvise(2), MADV_HUGEPAGE). For tables that are read all over:
// with small pages nearly every look costs a walk through the page tables, which a busy machine's
// cache does not hold. 2 million reads of a 128 MiB table, prefetched in groups of 64, while 512
// bytes are copied beside each: 80 ns a read on small pages, 33 on huge ones.
class PageMemory {
 public:
  PageMemory() = default;
  explicit PageMemory(std::size_t bytes);  // throws std::bad_alloc
  ~PageMemory();
  PageMemory(PageMemory&& other) noexcept;
  PageMemory& operator=(PageMemory&& other) noexcept;

  [[nodiscard]] void* data() const { return data_; }

 private:
  void* data_ = nullptr;
  std::size_t bytes_ = 0;
};

}  // namespace stampede::actors
