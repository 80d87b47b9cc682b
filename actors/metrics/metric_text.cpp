#include "actors/metrics/metric_text.h"

#include <prometheus/metric_family.h>
#include <prometheus/text_serializer.h>

#include <limits>
#include <sstream>
#include <vector>

namespace stampede::actors {

namespace {

using prometheus::ClientMetric;
using prometheus::MetricFamily;

prometheus::MetricType type_of(MetricKind kind) {
  switch (kind) {
    case MetricKind::counter:
      return prometheus::MetricType::Counter;
    case MetricKind::gauge:
      return prometheus::MetricType::Gauge;
    case MetricKind::histogram:
      return prometheus::MetricType::Histogram;
  }
  return prometheus::MetricType::Untyped;
}

void add_buckets(ClientMetric& metric, const MetricSample& sample) {
  auto& out = metric.histogram;
  for (std::size_t bucket = 0; bucket < kHistogramBuckets; ++bucket) {
    out.sample_count += sample.histogram.counts[bucket];
    const bool last = bucket + 1 == kHistogramBuckets;
    const double bound =
        last ? std::numeric_limits<double>::infinity()
             : static_cast<double>(histogram_bound_us(bucket)) * sample.metric->unit;
    out.bucket.push_back({out.sample_count, bound});
  }
  out.sample_sum = static_cast<double>(sample.histogram.sum_us) * sample.metric->unit;
}

ClientMetric metric_of(const MetricSample& sample) {
  ClientMetric metric;
  if (!sample.node.empty()) metric.label.push_back({"node", sample.node});
  if (!sample.metric->label.empty())
    metric.label.push_back({std::string(sample.metric->label), sample.label});
  if (sample.metric->kind == MetricKind::counter) metric.counter.value = sample.value;
  if (sample.metric->kind == MetricKind::gauge) metric.gauge.value = sample.value;
  if (sample.metric->kind == MetricKind::histogram) add_buckets(metric, sample);
  return metric;
}

}  // namespace

std::string metric_text(std::span<const MetricSample> samples) {
  const auto table = metric_table();
  std::vector<MetricFamily> families(table.size());
  for (std::size_t i = 0; i < table.size(); ++i) {
    families[i].name = table[i].name;
    families[i].help = table[i].help;
    families[i].type = type_of(table[i].kind);
  }
  for (const auto& sample : samples)
    families[static_cast<std::size_t>(sample.metric - table.data())].metric.push_back(
        metric_of(sample));
  std::erase_if(families, [](const MetricFamily& family) { return family.metric.empty(); });
  std::ostringstream out;
  prometheus::TextSerializer().Serialize(out, families);
  return std::move(out).str();
}

}  // namespace stampede::actors
