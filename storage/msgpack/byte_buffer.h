#pragma once

// Bytes that grow at their end, like those of a string, but new ones are left as they are until
// somebody writes them: a string would fill with zeros first what is written for every order.
// Thread-compatible.

#include <algorithm>
#include <cstddef>
#include <cstring>
#include <memory>
#include <string_view>

#include "config/process/invariant.h"

namespace stampede::storage {

class ByteBuffer {
 public:
  [[nodiscard]] std::string_view view() const { return {bytes_.get(), size_}; }
  [[nodiscard]] const char* data() const { return bytes_.get(); }
  [[nodiscard]] std::size_t size() const { return size_; }
  [[nodiscard]] std::size_t capacity() const { return capacity_; }
  void clear() { size_ = 0; }
  void cut_back(std::size_t size) {
    STAMPEDE_ASSERT(size <= size_, "bytes are cut off, not made up");
    size_ = size;
  }
  void append(std::string_view bytes) {
    if (bytes.empty()) return;
    std::memcpy(room(bytes.size()), bytes.data(), bytes.size());
    size_ += bytes.size();
  }

  // What was written, to be written once more.
  [[nodiscard]] char* at(std::size_t begin, std::size_t bytes) {
    STAMPEDE_ASSERT(begin <= size_ && bytes <= size_ - begin, "only what is there is rewritten");
    return bytes_.get() + begin;
  }

  // Room for so many bytes at the end; extend_to() then says how far it was used. Valid until the
  // next call.
  [[nodiscard]] char* room(std::size_t bytes) {
    if (capacity_ - size_ < bytes) grow(bytes);
    return bytes_.get() + size_;
  }
  void extend_to(const char* end) {
    const auto size = static_cast<std::size_t>(end - bytes_.get());
    STAMPEDE_ASSERT(size <= capacity_, "no more is written than there was room for");
    size_ = size;
  }

 private:
  void grow(std::size_t bytes) {
    const auto capacity = std::max(size_ + bytes, 2 * capacity_);
    auto larger = std::make_unique_for_overwrite<char[]>(capacity);
    if (size_ > 0) std::memcpy(larger.get(), bytes_.get(), size_);
    bytes_ = std::move(larger);
    capacity_ = capacity;
  }

  std::unique_ptr<char[]> bytes_;
  std::size_t size_ = 0;
  std::size_t capacity_ = 0;
};

}  // namespace stampede::storage
