#pragma once

// Topics that are really published under, as far as a few bits tell: of those that are not, one in
// some dozens passes for one when there are ten thousand. A topic's letters are taken in one by
// one, so that a stream of bytes can be asked about without keeping them.
//
// Every thread; no lock.

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace stampede::transport {

class KnownTopics {
 public:
  // Once, before anything else: what nobody outside can foresee, so that nobody makes up topics
  // that pass for known ones.
  void set_secret(std::uint32_t secret) { start_ = secret; }

  // The hash of no letters, and of one more.
  [[nodiscard]] std::uint32_t start() const { return start_; }
  [[nodiscard]] static std::uint32_t with(std::uint32_t hash, unsigned char letter) {
    return (hash ^ letter) * 16777619U;  // FNV-1a
  }

  // And the topics that it begins with, up to a slash.
  void add(std::string_view topic) {
    std::uint32_t hash = start_;
    mark(hash);
    for (const char letter : topic) {
      hash = with(hash, static_cast<unsigned char>(letter));
      if (letter == '/') mark(hash);
    }
    mark(hash);
  }
  [[nodiscard]] bool has(std::uint32_t hash) const {
    return (bits_[word(hash)].load(std::memory_order_relaxed) & bit(hash)) != 0;
  }

 private:
  static constexpr std::size_t kWords = 1U << 12U;

  void mark(std::uint32_t hash) {
    if (!has(hash)) bits_[word(hash)].fetch_or(bit(hash), std::memory_order_relaxed);
  }
  static std::size_t word(std::uint32_t hash) { return hash >> 20U; }
  static std::uint64_t bit(std::uint32_t hash) { return std::uint64_t{1} << (hash >> 14U & 63U); }

  std::uint32_t start_ = 0;
  std::array<std::atomic<std::uint64_t>, kWords> bits_{};
};

}  // namespace stampede::transport
