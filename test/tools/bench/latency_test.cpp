#include "tools/bench/latency.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <random>
#include <sstream>
#include <string>
#include <vector>

using stampede::tools::hdr_text;
using stampede::tools::Latency;

TEST_CASE("no value gives zeros") {
  const Latency latency;
  CHECK(latency.count() == 0);
  CHECK(latency.percentile_ns(0.5) == 0);
  CHECK(latency.max_ns() == 0);
}

TEST_CASE("small values and the greatest are exact") {
  Latency latency;
  for (std::uint64_t ns = 0; ns < 100; ++ns) latency.record(ns);
  CHECK(latency.percentile_ns(0.5) == 49);
  CHECK(latency.percentile_ns(0.99) == 98);
  CHECK(latency.percentile_ns(1) == 99);
  latency.record(123'456'789);
  CHECK(latency.percentile_ns(1) == 123'456'789);
  latency.record(~std::uint64_t{0});
  CHECK(latency.max_ns() == ~std::uint64_t{0});
}

TEST_CASE("every percentile is within one percent of the sorted values") {
  const char* given = std::getenv("STAMPEDE_TEST_SEED");
  const auto seed = given != nullptr ? std::strtoull(given, nullptr, 10) : 20'261'121ULL;
  CAPTURE(seed);
  std::mt19937_64 random(seed);
  std::uniform_real_distribution<double> exponent(0, 38);
  std::vector<std::uint64_t> values;
  Latency latency;
  for (int i = 0; i < 20'000; ++i) {
    values.push_back(static_cast<std::uint64_t>(std::exp2(exponent(random))));
    latency.record(values.back());
  }
  std::sort(values.begin(), values.end());
  for (const double share : {0.001, 0.1, 0.5, 0.9, 0.99, 0.999, 1.0}) {
    CAPTURE(share);
    const auto rank = static_cast<std::size_t>(std::ceil(share * 20'000)) - 1;
    const auto exact = static_cast<double>(values[rank]);
    CHECK(static_cast<double>(latency.percentile_ns(share)) ==
          doctest::Approx(exact).epsilon(0.01));
  }
}

TEST_CASE("adding keeps all values and clearing none") {
  Latency one;
  Latency two;
  one.record(10);
  two.record(5'000'000);
  one.add(two);
  CHECK(one.count() == 2);
  CHECK(one.max_ns() == 5'000'000);
  one.clear();
  CHECK(one.count() == 0);
  CHECK(one.percentile_ns(0.99) == 0);
}

TEST_CASE("mean and deviation follow the recorded values") {
  Latency latency;
  for (const std::uint64_t ns : {1'000'000U, 3'000'000U}) latency.record(ns);
  CHECK(latency.mean_ns() == doctest::Approx(2e6).epsilon(0.01));
  CHECK(latency.deviation_ns() == doctest::Approx(1e6).epsilon(0.01));
}

TEST_CASE("the distribution has HdrHistogram's form: rising percentiles that end at 1") {
  Latency latency;
  for (std::uint64_t i = 1; i <= 10'000; ++i) latency.record(i * 1000);
  std::istringstream text(hdr_text(latency));
  std::string line;
  std::getline(text, line);
  CHECK(line == "       Value     Percentile TotalCount 1/(1-Percentile)");
  std::getline(text, line);
  CHECK(line.empty());
  double value = 0, share = -1, last_value = 0, last_share = -1;
  std::uint64_t count = 0, last_count = 0;
  int lines = 0;
  while (std::getline(text, line) && !line.starts_with('#')) {
    std::istringstream fields(line);
    REQUIRE((fields >> value >> share >> count));
    CHECK(value >= last_value);
    CHECK(share > last_share);
    CHECK(count >= last_count);
    CHECK(value == doctest::Approx(static_cast<double>(count) / 1000).epsilon(0.01));
    last_value = value, last_share = share, last_count = count;
    ++lines;
  }
  CHECK(lines > 40);
  CHECK(share == 1.0);
  CHECK(count == 10'000);
  CHECK(value == 10.0);
  CHECK(line.starts_with("#[Mean    ="));
  std::getline(text, line);
  CHECK(line == "#[Max     =       10.000, Total count    =        10000]");
}

TEST_CASE("no values make a distribution without lines") {
  const auto text = hdr_text(Latency{});
  CHECK(std::count(text.begin(), text.end(), '\n') == 4);
}
