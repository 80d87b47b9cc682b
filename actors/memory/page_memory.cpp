#include "actors/memory/page_memory.h"

#include <sys/mman.h>

#include <cstdint>
#include <new>
#include <utility>

namespace stampede::actors {

namespace {

constexpr std::size_t kHugePage = std::size_t{2} << 20;

std::byte* map(std::size_t bytes) {
  constexpr int kAccess = PROT_READ | PROT_WRITE;
  void* got = ::mmap(nullptr, bytes, kAccess, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (got == MAP_FAILED) throw std::bad_alloc();
  return static_cast<std::byte*>(got);
}

void unmap(void* data, std::size_t bytes) {
  if (bytes > 0) ::munmap(data, bytes);
}

// The kernel aligns to small pages: maps more and gives back what is not needed.
std::byte* map_huge(std::size_t bytes) {
  std::byte* const start = map(bytes + kHugePage);
  const auto head = (kHugePage - reinterpret_cast<std::uintptr_t>(start) % kHugePage) % kHugePage;
  unmap(start, head);
  unmap(start + head + bytes, kHugePage - head);
  static_cast<void>(::madvise(start + head, bytes, MADV_HUGEPAGE));  // without them it works, too
  return start + head;
}

}  // namespace

PageMemory::PageMemory(std::size_t bytes)
    : data_(bytes < kHugePage ? map(bytes) : map_huge(bytes)), bytes_(bytes) {}

PageMemory::~PageMemory() {
  unmap(data_, bytes_);
}

PageMemory::PageMemory(PageMemory&& other) noexcept
    : data_(std::exchange(other.data_, nullptr)), bytes_(std::exchange(other.bytes_, 0)) {}

PageMemory& PageMemory::operator=(PageMemory&& other) noexcept {
  std::swap(data_, other.data_);
  std::swap(bytes_, other.bytes_);
  return *this;
}

}  // namespace stampede::actors
