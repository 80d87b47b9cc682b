#include "actors/metrics/core/metric_sums.h"

#include "actors/metrics/core/metric_report.h"

namespace stampede::actors {

using nlohmann::json;

namespace {

std::size_t place_of(std::string_view name) {
  const auto* found = find_metric(name);
  return found == nullptr ? metric_table().size()
                          : static_cast<std::size_t>(found - metric_table().data());
}

MetricSample sample_of(std::size_t metric, const std::string& node, const std::string& label) {
  MetricSample sample;
  sample.metric = &metric_table()[metric];
  if (sample.metric->by_node) sample.node = node;
  sample.label = label;
  return sample;
}

// What came since; a process does not count backwards.
std::uint64_t more(std::uint64_t now, std::uint64_t before) {
  return now > before ? now - before : 0;
}

}  // namespace

void MetricSums::take(const std::string& node, std::uint64_t instance, bool ran_before,
                      const json& report) {
  if (!report.is_object()) return;
  auto& process = processes_[node];
  if (process.instance != instance) begin(node, process, instance, ran_before);
  baseline_ = std::exchange(process.baseline, false);
  for (const auto& [name, value] : report.items()) {
    const auto metric = place_of(name);
    if (metric == metric_table().size())
      ++passed_over_;
    else
      take_metric(node, metric, value);
  }
}

void MetricSums::begin(const std::string& node, Process& process, std::uint64_t instance,
                       bool ran_before) {
  process = {instance, ran_before};
  for (auto& [key, counter] : counters_)
    if (key.node == node) counter.last = 0;
  for (auto& [key, histogram] : histograms_)
    if (key.node == node) histogram.last = {};
  for (std::size_t metric = 0; metric < metric_table().size(); ++metric) {
    const auto& info = metric_table()[metric];
    if (!info.labels.empty() && node.starts_with(info.counted_by))
      for (const auto label : info.labels)
        counters_.try_emplace({metric, node, std::string(label)});
  }
}

void MetricSums::take_metric(const std::string& node, std::size_t metric, const json& value) {
  const auto& info = metric_table()[metric];
  if (info.kind == MetricKind::histogram) {
    Histogram histogram;
    if (!read_histogram(value, histogram)) return static_cast<void>(++passed_over_);
    return take_histogram({metric, node, {}}, histogram);
  }
  if (info.label.empty()) return take_number({metric, node, {}}, value);
  if (!value.is_object() || value.size() > kMetricLabelsMax)
    return static_cast<void>(++passed_over_);
  if (info.kind == MetricKind::gauge)  // labels that are not said any more are over
    std::erase_if(gauges_, [&](const auto& entry) {
      return entry.first.metric == metric && entry.first.node == node;
    });
  for (const auto& [label, number] : value.items()) take_number({metric, node, label}, number);
}

void MetricSums::take_number(Key key, const json& value) {
  const auto& info = metric_table()[key.metric];
  if (info.kind == MetricKind::gauge && value.is_number()) {
    gauges_[std::move(key)] = value.get<double>() * info.unit;
  } else if (info.kind == MetricKind::counter && value.is_number_unsigned()) {
    take_counter(std::move(key), value.get<std::uint64_t>());
  } else {
    ++passed_over_;
  }
}

void MetricSums::take_counter(Key key, std::uint64_t value) {
  auto& counter = counters_[std::move(key)];
  if (!baseline_) counter.total += more(value, counter.last);
  counter.last = value;
}

void MetricSums::take_histogram(Key key, const Histogram& value) {
  auto& [total, last] = histograms_[std::move(key)];
  if (!baseline_) {
    for (std::size_t bucket = 0; bucket < kHistogramBuckets; ++bucket)
      total.counts[bucket] += more(value.counts[bucket], last.counts[bucket]);
    total.sum_us += more(value.sum_us, last.sum_us);
  }
  last = value;
}

void MetricSums::ended(const std::string& node) {
  std::erase_if(gauges_, [&](const auto& entry) { return entry.first.node == node; });
}

bool MetricSums::take_last(const std::string& node, std::uint64_t instance, const json& report) {
  const auto process = processes_.find(node);
  if (instance == 0 || process == processes_.end() || process->second.instance != instance)
    return false;
  take(node, instance, false, report);
  ended(node);
  return true;
}

void MetricSums::add_to(std::vector<MetricSample>& samples) const {
  for (const auto& [key, counter] : counters_) {
    samples.push_back(sample_of(key.metric, key.node, key.label));
    samples.back().value = static_cast<double>(counter.total) * samples.back().metric->unit;
  }
  for (const auto& [key, value] : gauges_) {
    samples.push_back(sample_of(key.metric, key.node, key.label));
    samples.back().value = value;
  }
  for (const auto& [key, histogram] : histograms_) {
    samples.push_back(sample_of(key.metric, key.node, key.label));
    samples.back().histogram = histogram.total;
  }
}

std::uint64_t MetricSums::total(std::string_view counter) const {
  std::uint64_t sum = 0;
  for (const auto& [label, value] : totals(counter)) sum += value;
  return sum;
}

std::map<std::string, std::uint64_t> MetricSums::totals(std::string_view counter) const {
  std::map<std::string, std::uint64_t> sums;
  const auto metric = place_of(counter);
  for (auto at = counters_.lower_bound({metric, {}, {}});
       at != counters_.end() && at->first.metric == metric; ++at)
    sums[at->first.label] += at->second.total;
  return sums;
}

Histogram MetricSums::histogram(std::string_view metric) const {
  Histogram sum;
  const auto place = place_of(metric);
  for (auto at = histograms_.lower_bound({place, {}, {}});
       at != histograms_.end() && at->first.metric == place; ++at) {
    sum.sum_us += at->second.total.sum_us;
    for (std::size_t bucket = 0; bucket < kHistogramBuckets; ++bucket)
      sum.counts[bucket] += at->second.total.counts[bucket];
  }
  return sum;
}

std::int64_t MetricSums::gauge(std::string_view metric) const {
  const auto place = place_of(metric);
  double sum = 0;
  bool known = false;
  for (auto at = gauges_.lower_bound({place, {}, {}});
       at != gauges_.end() && at->first.metric == place; ++at) {
    sum += at->second;
    known = true;
  }
  return known ? static_cast<std::int64_t>(sum) : -1;
}

}  // namespace stampede::actors
