#pragma once

// The metrics of all nodes, added up from what they report. A node's counters begin anew with each
// of its processes; here they go on: what a report adds is what has come since the last one of the
// same process, so that no counter ever falls and no rate breaks. Gauges are what was said last,
// and end with the process.
//
// Labels that the table knows have their series, at 0, from a node's first report on.
//
// Of a process that ran before the first report is heard (a new supervisor takes over the nodes of
// the one before), only what comes from then on is counted: what others have counted already would
// look like a burst.
//
// Bounds: metrics of the table alone, kMetricLabelsMax labels of each and node; what a report says
// beyond that, or cannot be read, is passed over and counted. Pure; one owner, one thread.

#include <cstdint>
#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "actors/metrics/core/histogram.h"
#include "actors/metrics/core/metric_table.h"

namespace stampede::actors {

struct MetricSample {  // one series at one moment
  const MetricInfo* metric = nullptr;
  std::string node;  // empty: not told apart by nodes
  std::string label;
  double value = 0;       // of counters and gauges, in the metric's unit
  Histogram histogram{};  // of histograms, in microseconds
};

class MetricSums {
 public:
  // `report`: see metric_report.h. `instance`: of the node's process, never 0. `ran_before`: it was
  // taken over, so the first report says what others have counted.
  void take(const std::string& node, std::uint64_t instance, bool ran_before,
            const nlohmann::json& report);
  void ended(const std::string& node);  // its process: gauges end
  // What a process said last, told after its end. False, and nothing is taken: it is not the one
  // that reported last.
  bool take_last(const std::string& node, std::uint64_t instance, const nlohmann::json& report);

  // All series, in the order of the table; those of one metric side by side.
  void add_to(std::vector<MetricSample>& samples) const;

  // Over all nodes and labels; 0: never reported.
  [[nodiscard]] std::uint64_t total(std::string_view counter) const;
  [[nodiscard]] std::map<std::string, std::uint64_t> totals(std::string_view counter) const;
  [[nodiscard]] Histogram histogram(std::string_view metric) const;
  // The sum of what is known of a gauge; -1: nothing.
  [[nodiscard]] std::int64_t gauge(std::string_view metric) const;

  [[nodiscard]] std::uint64_t passed_over() const { return passed_over_; }

 private:
  struct Key {
    std::size_t metric;  // its place in the table
    std::string node;
    std::string label;
    auto operator<=>(const Key&) const = default;
  };
  struct Counter {
    std::uint64_t total = 0;
    std::uint64_t last = 0;  // that this process said
  };
  struct Summed {
    Histogram total;
    Histogram last;
  };
  struct Process {
    std::uint64_t instance = 0;
    bool baseline = false;  // the next report says what was counted before
  };
  void begin(const std::string& node, Process& process, std::uint64_t instance, bool ran_before);
  void take_metric(const std::string& node, std::size_t metric, const nlohmann::json& value);
  void take_number(Key key, const nlohmann::json& value);
  void take_counter(Key key, std::uint64_t value);
  void take_histogram(Key key, const Histogram& value);

  std::map<Key, Counter> counters_;
  std::map<Key, Summed> histograms_;
  std::map<Key, double> gauges_;
  std::map<std::string, Process> processes_;
  bool baseline_ = false;  // of the report at hand
  std::uint64_t passed_over_ = 0;
};

}  // namespace stampede::actors
