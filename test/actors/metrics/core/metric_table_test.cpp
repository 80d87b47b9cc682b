// The conventions of Prometheus, which all names follow.

#include "actors/metrics/core/metric_table.h"

#include <doctest/doctest.h>

#include <set>
#include <string>

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
