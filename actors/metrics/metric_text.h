#pragma once

// Metrics as Prometheus reads them: text format 0.0.4, with HELP and TYPE. Blocks for no more than
// the writing; any thread.

#include <span>
#include <string>

#include "actors/metrics/core/metric_sums.h"

namespace stampede::actors {

inline constexpr const char* kMetricTextType = "text/plain; version=0.0.4; charset=utf-8";

// In the order of the table, whatever the order of `samples`. Metrics without a sample are left
// out.
std::string metric_text(std::span<const MetricSample> samples);

}  // namespace stampede::actors
