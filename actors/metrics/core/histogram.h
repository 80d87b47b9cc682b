#pragma once

// How long something took, counted in buckets: plain numbers, so that counting costs a few
// instructions and no allocation. Bounds in microseconds: 64, then two in each octave (96, 128,
// 192, 256, …) up to 2^30 (18 minutes), then whatever is longer. A bucket holds what is not longer
// than its bound. Pure; values; one writer.

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>

namespace stampede::actors {

inline constexpr std::size_t kHistogramBuckets = 50;
using HistogramCounts = std::array<std::uint64_t, kHistogramBuckets>;

constexpr std::size_t histogram_bucket(std::uint64_t us) {
  if (us <= 64) return 0;
  const auto last = us - 1;
  const auto shift = static_cast<unsigned>(std::bit_width(last)) - 2;  // two bits are left of it
  const auto at = std::size_t{2} * (shift - 5) + static_cast<std::size_t>(last >> shift) - 1;
  return at < kHistogramBuckets ? at : kHistogramBuckets - 1;
}

// Of the last bucket there is none: asked for one before it.
constexpr std::uint64_t histogram_bound_us(std::size_t bucket) {
  if (bucket == 0) return 64;
  const auto octave = (bucket - 1) / 2;
  return (bucket % 2 == 1 ? std::uint64_t{96} : std::uint64_t{128}) << octave;
}

struct Histogram {
  HistogramCounts counts{};
  std::uint64_t sum_us = 0;

  // `times` of them took `us` each; less than nothing counts as nothing.
  void add(std::int64_t us, std::uint64_t times = 1) {
    const auto taken = us > 0 ? static_cast<std::uint64_t>(us) : 0;
    counts[histogram_bucket(taken)] += times;
    sum_us += taken * times;
  }
  [[nodiscard]] std::uint64_t count() const {
    std::uint64_t sum = 0;
    for (const auto one : counts) sum += one;
    return sum;
  }
};

// What `share` (0 to 1) of all took at most, in microseconds: linear within its bucket, the last
// bound for what is longer than that; 0 of none.
double quantile_us(const HistogramCounts& counts, double share);

}  // namespace stampede::actors
