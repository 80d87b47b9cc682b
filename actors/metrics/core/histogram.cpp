#include "actors/metrics/core/histogram.h"

namespace stampede::actors {

double quantile_us(const HistogramCounts& counts, double share) {
  std::uint64_t all = 0;
  for (const auto one : counts) all += one;
  if (all == 0) return 0;
  const double wanted = share * static_cast<double>(all);
  double before = 0;
  for (std::size_t bucket = 0; bucket + 1 < kHistogramBuckets; ++bucket) {
    const auto here = static_cast<double>(counts[bucket]);
    if (here > 0 && before + here >= wanted) {
      const auto low = bucket == 0 ? 0.0 : static_cast<double>(histogram_bound_us(bucket - 1));
      const auto high = static_cast<double>(histogram_bound_us(bucket));
      return low + (high - low) * ((wanted - before) / here);
    }
    before += here;
  }
  return static_cast<double>(histogram_bound_us(kHistogramBuckets - 2));
}

}  // namespace stampede::actors
