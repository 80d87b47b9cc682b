// The conventions of Prometheus, which all names follow.

#include "actors/metrics/core/metric_table.h"

#include <doctest/doctest.h>

#include <set>
#include <string>

#include "actors/sale/codes.h"

using namespace stampede::actors;

TEST_CASE("names are unique, ours, and end as their kind does") {
  std::set<std::string_view> names;
  for (const auto& info : metric_table()) {
    CAPTURE(info.name);
    CHECK(names.insert(info.name).second);
    CHECK(info.name.starts_with("stampede_"));
    CHECK(info.name.ends_with("_total") == (info.kind == MetricKind::counter));
    if (info.kind == MetricKind::histogram) CHECK(info.name.ends_with("_seconds"));
    CHECK(info.help.ends_with('.'));
    CHECK(find_metric(info.name) == &info);
  }
  CHECK(find_metric("stampede_made_up_total") == nullptr);
}

TEST_CASE("every code that a client may be told is a known label of the answers") {
  const auto labels = find_metric(metric::kAnswers)->labels;
  const std::set<std::string_view> known(labels.begin(), labels.end());
  CHECK(known.size() == labels.size());
  std::set<std::string_view> told{"confirmed", "edge_sold_out"};
  for (unsigned number = 1; number < 256; ++number)
    told.insert(info(static_cast<Code>(number)).text);
  CHECK(known == told);
}

TEST_CASE("known labels are of counters, and somebody counts them") {
  for (const auto& info : metric_table()) {
    if (info.labels.empty()) continue;
    CAPTURE(info.name);
    CHECK(info.kind == MetricKind::counter);
    CHECK_FALSE(info.label.empty());
    CHECK(info.labels.size() < kMetricLabelsMax);
    CHECK(std::string_view("backend- broker- webapp-").find(info.counted_by) !=
          std::string_view::npos);
    CHECK_FALSE(info.counted_by.empty());
  }
}
