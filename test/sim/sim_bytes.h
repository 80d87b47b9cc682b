#pragma once

// The bytes of a simulated file. Segments are made of zeros and filled from the front: the zeros
// behind the last byte written are not kept.

#include <algorithm>
#include <cstdint>
#include <string>
#include <string_view>

namespace stampede::sim {

class SimBytes {
 public:
  [[nodiscard]] std::uint64_t size() const { return size_; }
  // Cuts, or adds zeros.
  void resize(std::uint64_t size) {
    size_ = size;
    if (head_.size() > size) head_.resize(size);
  }
  void write(std::uint64_t offset, std::string_view bytes) {
    const auto end = offset + bytes.size();
    size_ = std::max(size_, end);
    if (head_.size() < offset) head_.resize(offset);
    const auto over = std::min(bytes.size(), head_.size() - offset);
    bytes.copy(head_.data() + offset, over);
    head_.append(bytes.substr(over));
  }
  // Makes [begin, end) as it is in `from`; both reach that far.
  void take(const SimBytes& from, std::uint64_t begin, std::uint64_t end) {
    const auto written = std::clamp<std::uint64_t>(from.head_.size(), begin, end);
    if (begin < written) write(begin, {from.head_.data() + begin, written - begin});
    const auto zeros_end = std::min<std::uint64_t>(end, head_.size());
    if (written < zeros_end) std::fill_n(head_.data() + written, zeros_end - written, '\0');
  }
  void read(std::uint64_t offset, std::uint64_t bytes_max, std::string& out) const {
    const auto begin = std::min(offset, size_);
    const auto written = std::max<std::uint64_t>(begin, head_.size()) - begin;
    const auto bytes = std::min(bytes_max, size_ - begin);
    out.assign(head_.data() + (written == 0 ? 0 : begin), std::min(written, bytes));
    out.resize(bytes);
  }
  [[nodiscard]] std::string all() const {
    std::string bytes;
    read(0, size_, bytes);
    return bytes;
  }
  void flip(std::uint64_t offset, unsigned bit) {
    if (offset >= size_) return;
    if (head_.size() <= offset) head_.resize(offset + 1);
    head_[offset] = static_cast<char>(head_[offset] ^ (1U << bit));
  }
  bool operator==(const SimBytes& other) const {
    const auto [shorter, longer] =
        std::minmax(head_, other.head_, [](auto& a, auto& b) { return a.size() < b.size(); });
    return size_ == other.size_ && longer.starts_with(shorter) &&
           longer.find_first_not_of('\0', shorter.size()) == std::string::npos;
  }

 private:
  std::string head_;
  std::uint64_t size_ = 0;  // with the zeros behind
};

}  // namespace stampede::sim
