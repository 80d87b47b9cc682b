#include "tools/bench/latency.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdio>

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

double Latency::mean_ns() const {
  double sum = 0;
  for (std::size_t i = 0; i < kBuckets; ++i)
    sum += static_cast<double>(counts_[i]) * static_cast<double>(middle_of(i));
  return count_ == 0 ? 0 : sum / static_cast<double>(count_);
}

double Latency::deviation_ns() const {
  const double mean = mean_ns();
  double sum = 0;
  for (std::size_t i = 0; i < kBuckets; ++i) {
    const double away = static_cast<double>(middle_of(i)) - mean;
    sum += static_cast<double>(counts_[i]) * away * away;
  }
  return count_ == 0 ? 0 : std::sqrt(sum / static_cast<double>(count_));
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

std::string hdr_text(const Latency& latency) {
  constexpr double kTicksPerHalf = 5;
  std::string out = "       Value     Percentile TotalCount 1/(1-Percentile)\n\n";
  char line[128];
  const auto count = static_cast<double>(latency.count());
  double share = 0;
  while (latency.count() > 0) {
    const auto rank = std::max(1.0, std::ceil(share * count));
    const auto ms = static_cast<double>(latency.percentile_ns(share)) / 1e6;
    const bool last = rank >= count;
    const int size = last
                         ? std::snprintf(line, sizeof line, "%12.6f %.12f %10.0f\n", ms, 1.0, count)
                         : std::snprintf(line, sizeof line, "%12.6f %.12f %10.0f %14.2f\n", ms,
                                         share, rank, 1 / (1 - share));
    out.append(line, static_cast<std::size_t>(size));
    if (last) break;
    // Steps shrink by half each time the distance to 1 does.
    share += std::exp2(-std::floor(std::log2(1 / (1 - share))) - 1) / kTicksPerHalf;
  }
  const int size =
      std::snprintf(line, sizeof line, "#[Mean    = %12.3f, StdDeviation   = %12.3f]\n",
                    latency.mean_ns() / 1e6, latency.deviation_ns() / 1e6);
  out.append(line, static_cast<std::size_t>(size));
  const int end = std::snprintf(line, sizeof line, "#[Max     = %12.3f, Total count    = %12llu]\n",
                                static_cast<double>(latency.max_ns()) / 1e6,
                                static_cast<unsigned long long>(latency.count()));
  return out.append(line, static_cast<std::size_t>(end));
}

}  // namespace stampede::tools
