#pragma once

#include <cstddef>
#include <vector>

namespace stampede::actors {

// Append-only storage in blocks: growing never moves what is there and never doubles the memory.
template <class T, std::size_t kBlock = 4096>
class BlockVector {
 public:
  T& operator[](std::size_t i) { return blocks_[i / kBlock][i % kBlock]; }
  const T& operator[](std::size_t i) const { return blocks_[i / kBlock][i % kBlock]; }
  [[nodiscard]] std::size_t size() const { return size_; }
  T& push_back(const T& value) {
    if (size_ == room()) blocks_.emplace_back().reserve(kBlock);
    return blocks_[size_++ / kBlock].emplace_back(value);
  }
  // Elements that it holds before it needs another block.
  [[nodiscard]] std::size_t room() const { return blocks_.size() * kBlock; }
  // Room for kBlock elements more; the kernel has given all its pages then.
  void make_room() {
    auto& block = blocks_.emplace_back();
    block.resize(kBlock);
    block.clear();
  }
  [[nodiscard]] std::size_t memory_bytes() const { return room() * sizeof(T); }

 private:
  std::vector<std::vector<T>> blocks_;
  std::size_t size_ = 0;
};

}  // namespace stampede::actors
