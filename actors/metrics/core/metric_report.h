#pragma once

// What a node says of its metrics in a heartbeat: one JSON object, from metric to value. A number;
// of a metric with a label an object from label to number; of a histogram {"sum_us", "counts"},
// the counts without the zeros at their end. Counters are totals since the node began. Pure.

#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

#include "actors/metrics/core/histogram.h"
#include "actors/metrics/core/metric_table.h"

namespace stampede::actors {

class MetricReport {
 public:
  explicit MetricReport(nlohmann::json& out) : out_(out) {}

  void set(std::string_view metric, std::uint64_t value) { out_[std::string(metric)] = value; }
  // Of a gauge that may be below 0.
  void set_signed(std::string_view metric, std::int64_t value) {
    out_[std::string(metric)] = value;
  }
  // Adds to what the label has so far. Labels that nothing was counted for are left out.
  void add(std::string_view metric, std::string_view label, std::uint64_t value);
  void set(std::string_view metric, const Histogram& histogram);

 private:
  nlohmann::json& out_;
};

// What a report says of a histogram; false: it says something else.
bool read_histogram(const nlohmann::json& reported, Histogram& histogram);

}  // namespace stampede::actors
