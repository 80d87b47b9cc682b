#include "tools/latency.h"

#include <algorithm>
#include <bit>
#include <cmath>

namespace stampede::tools {

// Below 2^7 every value has a bucket of its own; above, the 7 bits after the leading one choose it.
std::size_t Latency::bucket_of(std::uint64_t ns) {
  if (ns < kSub) return static_cast<std::size_t>(ns);
  if (ns >= std::uint64_t{1} << kExponentMax) return kBuckets - 1;
  const auto shift = static_cast<unsigned>(std::bit_width(ns)) - 1 - kSubBits;
  return static_cast<std::size_t>((shift + 1) * kSub + ((ns >> shift) & (kSub - 1)));
}

std::uint64_t Latency::middle_of(std::size_t bucket) {
  if (bucket < kSub) return bucket;
  const auto shift = bucket / kSub - 1;
  const std::uint64_t lowest = (kSub + bucket % kSub) << shift;
  return lowest + ((std::uint64_t{1} << shift) >> 1);
}

void Latency::add(const Latency& other) {
  for (std::size_t i = 0; i < kBuckets; ++i) counts_[i] += other.counts_[i];
  count_ += other.count_;
  max_ns_ = std::max(max_ns_, other.max_ns_);
}

void Latency::clear() {
  counts_.fill(0);
  count_ = max_ns_ = 0;
}

std::uint64_t Latency::percentile_ns(double share) const {
  if (count_ == 0) return 0;
  const auto wanted = static_cast<std::uint64_t>(std::ceil(share * static_cast<double>(count_)));
  const std::uint64_t rank = std::clamp<std::uint64_t>(wanted, 1, count_);
  if (rank == count_) return max_ns_;
  std::uint64_t seen = 0;
  for (std::size_t i = 0; i < kBuckets; ++i) {
    seen += counts_[i];
    if (seen >= rank) return std::min(middle_of(i), max_ns_);
  }
  return max_ns_;
}

}  // namespace stampede::tools
