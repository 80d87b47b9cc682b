// operator new and delete for a process that allocates small blocks all the time and must be quick:
// a list of free blocks for each size, per thread; nothing small is ever given back. Memory of
// large blocks is malloc's.

#include <cstddef>
#include <cstdlib>
#include <new>

namespace {

constexpr std::size_t kStep = 16;
constexpr std::size_t kLists = 1024;  // up to 16 KiB, with the header
constexpr std::size_t kChunk = 256 * 1024;

// Before each block. As large as the alignment that operator new owes.
struct alignas(__STDCPP_DEFAULT_NEW_ALIGNMENT__) Header {
  std::size_t list;  // kLists: malloc's
};

struct Free {
  Free* next;
};

thread_local Free* lists[kLists];
thread_local char* chunk = nullptr;
thread_local std::size_t chunk_left = 0;

void* more(std::size_t bytes) {
  void* block = std::malloc(bytes);
  if (block == nullptr) throw std::bad_alloc();
  return block;
}

Header* carve(std::size_t bytes) {
  if (chunk_left < bytes) {
    chunk = static_cast<char*>(more(kChunk));
    chunk_left = kChunk;
  }
  auto* block = reinterpret_cast<Header*>(chunk);
  chunk += bytes;
  chunk_left -= bytes;
  return block;
}

}  // namespace

void* operator new(std::size_t bytes) {
  const auto list = (bytes + sizeof(Header) + kStep - 1) / kStep;
  if (list >= kLists) {
    auto* block = static_cast<Header*>(more(bytes + sizeof(Header)));
    block->list = kLists;
    return block + 1;
  }
  if (auto* free = lists[list]; free != nullptr) {
    lists[list] = free->next;
    return free;  // its header still stands before it
  }
  auto* block = carve(list * kStep);
  block->list = list;
  return block + 1;
}

void operator delete(void* pointer) noexcept {
  if (pointer == nullptr) return;
  auto* block = static_cast<Header*>(pointer) - 1;
  if (block->list == kLists) return std::free(block);
  auto* free = static_cast<Free*>(pointer);
  free->next = lists[block->list];
  lists[block->list] = free;
}

void operator delete(void* pointer, std::size_t) noexcept {
  operator delete(pointer);
}
