#include "actors/metrics/core/histogram.h"

#include <doctest/doctest.h>

#include <cstdint>

using namespace stampede::actors;

TEST_CASE("a bucket holds what is not longer than its bound, and is longer than the one before") {
  for (std::size_t bucket = 0; bucket + 1 < kHistogramBuckets; ++bucket) {
    const auto bound = histogram_bound_us(bucket);
    CHECK(histogram_bucket(bound) == bucket);
    CHECK(histogram_bucket(bound + 1) == bucket + 1);
    if (bucket > 0) CHECK(bound > histogram_bound_us(bucket - 1));
  }
  CHECK(histogram_bucket(0) == 0);
  CHECK(histogram_bucket(~std::uint64_t{0}) == kHistogramBuckets - 1);
  CHECK(histogram_bound_us(kHistogramBuckets - 2) == std::uint64_t{1} << 30U);
}

TEST_CASE("what took less than nothing took nothing") {
  Histogram histogram;
  histogram.add(-5);
  histogram.add(100, 3);
  CHECK(histogram.counts[0] == 1);
  CHECK(histogram.counts[histogram_bucket(100)] == 3);
  CHECK(histogram.sum_us == 300);
  CHECK(histogram.count() == 4);
}

TEST_CASE("quantiles lie in the bucket of what they speak of") {
  Histogram histogram;
  CHECK(quantile_us(histogram.counts, 0.5) == 0);
  histogram.add(1'000, 98);
  histogram.add(1'000'000, 2);
  CHECK(quantile_us(histogram.counts, 0.5) > 768);
  CHECK(quantile_us(histogram.counts, 0.5) <= 1024);
  CHECK(quantile_us(histogram.counts, 0.99) > 786'432);
  CHECK(quantile_us(histogram.counts, 0.99) <= 1'048'576);
  histogram.add(std::int64_t{1} << 40, 1'000'000);
  CHECK(quantile_us(histogram.counts, 0.99) == std::uint64_t{1} << 30U);
}
