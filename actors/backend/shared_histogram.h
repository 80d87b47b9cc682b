#pragma once

// A Histogram that several threads add to and another reads: each number is an atomic of its own,
// so what is read may miss a part of what is being added. For what happens some thousand times a
// second at most.

#include <array>
#include <atomic>
#include <cstdint>

#include "actors/metrics/core/histogram.h"

namespace stampede::actors {

class SharedHistogram {
 public:
  void add(std::int64_t us) {
    const auto taken = us > 0 ? static_cast<std::uint64_t>(us) : 0;
    counts_[histogram_bucket(taken)].fetch_add(1, std::memory_order_relaxed);
    sum_us_.fetch_add(taken, std::memory_order_relaxed);
  }
  [[nodiscard]] Histogram read() const {
    Histogram read;
    for (std::size_t bucket = 0; bucket < kHistogramBuckets; ++bucket)
      read.counts[bucket] = counts_[bucket].load(std::memory_order_relaxed);
    read.sum_us = sum_us_.load(std::memory_order_relaxed);
    return read;
  }

 private:
  std::array<std::atomic<std::uint64_t>, kHistogramBuckets> counts_{};
  std::atomic<std::uint64_t> sum_us_{0};
};

}  // namespace stampede::actors
