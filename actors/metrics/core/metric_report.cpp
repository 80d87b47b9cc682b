#include "actors/metrics/core/metric_report.h"

namespace stampede::actors {

using nlohmann::json;

void MetricReport::add(std::string_view metric, std::string_view label, std::uint64_t value) {
  if (value == 0) return;
  auto& sum = out_[std::string(metric)][std::string(label)];
  sum = (sum.is_null() ? 0 : sum.get<std::uint64_t>()) + value;
}

void MetricReport::set(std::string_view metric, const Histogram& histogram) {
  auto size = kHistogramBuckets;
  while (size > 0 && histogram.counts[size - 1] == 0) --size;
  json counts = json::array();
  for (std::size_t bucket = 0; bucket < size; ++bucket) counts.push_back(histogram.counts[bucket]);
  out_[std::string(metric)] = {{"sum_us", histogram.sum_us}, {"counts", std::move(counts)}};
}

bool read_histogram(const json& reported, Histogram& histogram) {
  if (!reported.is_object() || !reported.contains("counts")) return false;
  const auto& counts = reported.at("counts");
  const auto sum = reported.value("sum_us", json());
  if (!counts.is_array() || counts.size() > kHistogramBuckets || !sum.is_number_unsigned())
    return false;
  histogram = {};
  histogram.sum_us = sum.get<std::uint64_t>();
  for (std::size_t bucket = 0; bucket < counts.size(); ++bucket) {
    if (!counts[bucket].is_number_unsigned()) return false;
    histogram.counts[bucket] = counts[bucket].get<std::uint64_t>();
  }
  return true;
}

}  // namespace stampede::actors
