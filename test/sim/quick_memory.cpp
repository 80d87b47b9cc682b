// operator new and delete for a process that has one thread, allocates small blocks all the time
// and must be quick: a list of free blocks for each size; nothing is ever given back. All blocks
// lie in one range of addresses, in large pages where the kernel has them: a seed touches blocks
// all over it, and would pay for the translation of their addresses. A block's span tells its size,
// so nothing stands before it. What is larger than the largest list is malloc's, and what finds the
// range full, too.

#include <sys/mman.h>

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <new>

namespace {

constexpr std::size_t kStep = 16;
constexpr std::size_t kSmallMax = 1024;  // up to here a list each step, above one each power of two
constexpr std::size_t kLargeMax = std::size_t{512} << 10;
constexpr std::size_t kSmallLists = kSmallMax / kStep + 1;
constexpr std::size_t kLists = kSmallLists + std::bit_width(kLargeMax / kSmallMax) - 1;
constexpr std::size_t kSpan = std::size_t{32}
                              << 10;  // begins with a block, holds those of one list
constexpr std::size_t kRange = std::size_t{1} << 30;
constexpr std::size_t kLargePage = std::size_t{2} << 20;

struct Free {
  Free* next;
};
struct Fresh {  // the part of a list's newest span that was never used
  char* at;
  std::size_t bytes;
};

Free* lists[kLists];
Fresh fresh[kLists];
char* range = nullptr;
std::size_t range_used = 0;
std::uint8_t list_of_span[kRange / kSpan];
static_assert(kLists <= 256);

std::size_t list_for(std::size_t bytes) {
  if (bytes <= kSmallMax) return (bytes + kStep - 1) / kStep;
  return kSmallLists + std::bit_width((bytes - 1) / kSmallMax) - 1;
}

std::size_t block_bytes(std::size_t list) {
  if (list == 0) return kStep;
  return list < kSmallLists ? list * kStep : kSmallMax << (list - kSmallLists + 1);
}

void* from_malloc(std::size_t bytes) {
  void* block = std::malloc(bytes);
  if (block == nullptr) throw std::bad_alloc();
  return block;
}

bool make_range() {
  void* all = ::mmap(nullptr, kRange + kLargePage, PROT_READ | PROT_WRITE,
                     MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (all == MAP_FAILED) return false;
  const auto beyond = reinterpret_cast<std::uintptr_t>(all) % kLargePage;
  range = static_cast<char*>(all) + (beyond == 0 ? 0 : kLargePage - beyond);
  (void)::madvise(range, kRange, MADV_HUGEPAGE);
  return true;
}

bool make_span(std::size_t list) {
  const auto bytes = (block_bytes(list) + kSpan - 1) / kSpan * kSpan;
  if ((range == nullptr && !make_range()) || range_used + bytes > kRange) return false;
  fresh[list] = {range + range_used, bytes};
  list_of_span[range_used / kSpan] = static_cast<std::uint8_t>(list);
  range_used += bytes;
  return true;
}

[[gnu::noinline]] void* carve(std::size_t list) {
  const auto bytes = block_bytes(list);
  if (fresh[list].bytes < bytes && !make_span(list)) return from_malloc(bytes);
  void* block = fresh[list].at;
  fresh[list].at += bytes;
  fresh[list].bytes -= bytes;
  return block;
}

}  // namespace

void* operator new(std::size_t bytes) {
  if (bytes > kLargeMax) return from_malloc(bytes);
  const auto list = list_for(bytes);
  if (auto* free = lists[list]; free != nullptr) {
    lists[list] = free->next;
    return free;
  }
  return carve(list);
}

void operator delete(void* pointer) noexcept {
  if (pointer == nullptr) return;
  const auto offset =
      reinterpret_cast<std::uintptr_t>(pointer) - reinterpret_cast<std::uintptr_t>(range);
  if (offset >= kRange) return std::free(pointer);
  const auto list = list_of_span[offset / kSpan];
  auto* free = static_cast<Free*>(pointer);
  free->next = lists[list];
  lists[list] = free;
}

void operator delete(void* pointer, std::size_t) noexcept {
  operator delete(pointer);
}
