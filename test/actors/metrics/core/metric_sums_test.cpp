// What nodes report, summed over their processes.

#include "actors/metrics/core/metric_sums.h"

#include <doctest/doctest.h>

#include <map>
#include <string>
#include <utility>

#include "actors/metrics/core/metric_report.h"

using namespace stampede::actors;
using nlohmann::json;

namespace {

json requests(std::uint64_t count) {
  json report = json::object();
  MetricReport(report).set(metric::kRequests, count);
  return report;
}

json answers(std::uint64_t confirmed, std::uint64_t sold_out) {
  json report = json::object();
  MetricReport out(report);
  out.add(metric::kAnswers, "confirmed", confirmed);
  out.add(metric::kAnswers, "sold_out", sold_out);
  return report;
}

std::vector<MetricSample> samples_of(const MetricSums& sums, std::string_view name) {
  std::vector<MetricSample> all, found;
  sums.add_to(all);
  for (auto& sample : all)
    if (sample.metric->name == name) found.push_back(sample);
  return found;
}

}  // namespace

TEST_CASE("a counter goes on when its node's process begins anew") {
  MetricSums sums;
  sums.take("webapp-1", 7, false, requests(10));
  sums.take("webapp-1", 7, false, requests(25));
  sums.ended("webapp-1");
  CHECK(sums.total(metric::kRequests) == 25);
  sums.take("webapp-1", 8, false, requests(3));
  CHECK(sums.total(metric::kRequests) == 28);
  sums.take("webapp-1", 8, false, requests(4));
  CHECK(sums.total(metric::kRequests) == 29);
}

TEST_CASE("what a process said last is counted after its end, of the last one alone") {
  MetricSums sums;
  sums.take("webapp-1", 7, false, requests(10));
  sums.ended("webapp-1");
  auto last = requests(25);
  MetricReport(last).set(metric::kMemory, 1);
  CHECK(sums.take_last("webapp-1", 7, last));
  CHECK(sums.total(metric::kRequests) == 25);
  CHECK(sums.gauge(metric::kMemory) == -1);
  sums.take("webapp-1", 8, false, requests(3));
  CHECK_FALSE(sums.take_last("webapp-1", 7, requests(30)));
  CHECK_FALSE(sums.take_last("webapp-2", 9, requests(30)));
  CHECK_FALSE(sums.take_last("webapp-2", 0, requests(30)));
  CHECK(sums.total(metric::kRequests) == 28);
}

TEST_CASE("of a process that ran before, only what comes from now on is counted") {
  MetricSums sums;
  sums.take("webapp-1", 7, true, requests(1'000'000));
  CHECK(sums.total(metric::kRequests) == 0);
  sums.take("webapp-1", 7, true, requests(1'000'002));
  CHECK(sums.total(metric::kRequests) == 2);
  sums.take("webapp-1", 8, false, requests(5));
  CHECK(sums.total(metric::kRequests) == 7);
}

TEST_CASE("a counter never falls, whatever is reported") {
  MetricSums sums;
  sums.take("webapp-1", 7, false, requests(10));
  sums.take("webapp-1", 7, false, requests(4));
  CHECK(sums.total(metric::kRequests) == 10);
  sums.take("webapp-1", 7, false, requests(6));
  CHECK(sums.total(metric::kRequests) == 12);
}

TEST_CASE("series of the labels that are known are there before anything is counted") {
  MetricSums sums;
  sums.take("webapp-1", 7, false, requests(0));
  for (const auto& info : metric_table()) {
    const bool counts = info.counted_by == "webapp-";
    const auto samples = samples_of(sums, info.name);
    if (counts) CHECK(samples.size() == info.labels.size());
    for (const auto& sample : samples) CHECK(sample.value == 0);
    if (!counts && !info.labels.empty()) CHECK(samples.empty());
  }
  sums.take("webapp-1", 7, false, answers(5, 0));
  sums.take("webapp-1", 8, false, requests(0));  // another process: none falls back to 0
  CHECK(sums.totals(metric::kAnswers).at("confirmed") == 5);
  CHECK(sums.totals(metric::kAnswers).at("overloaded") == 0);
}

TEST_CASE("nodes and labels have series of their own") {
  MetricSums sums;
  sums.take("webapp-1", 7, false, answers(5, 2));
  sums.take("webapp-2", 9, false, answers(1, 0));
  std::map<std::pair<std::string, std::string>, double> values;
  for (const auto& sample : samples_of(sums, metric::kAnswers))
    values[{sample.node, sample.label}] = sample.value;
  CHECK(values.at({"webapp-1", "confirmed"}) == 5);
  CHECK(values.at({"webapp-1", "sold_out"}) == 2);
  CHECK(values.at({"webapp-2", "confirmed"}) == 1);
  CHECK(sums.totals(metric::kAnswers).at("confirmed") == 6);
}

TEST_CASE("histograms are summed like counters") {
  MetricSums sums;
  const auto report = [](std::uint64_t times) {
    json out = json::object();
    Histogram histogram;
    histogram.add(1'000, times);
    MetricReport(out).set(metric::kAnswerSeconds, histogram);
    return out;
  };
  sums.take("webapp-1", 7, false, report(4));
  sums.take("webapp-1", 8, false, report(2));
  CHECK(sums.histogram(metric::kAnswerSeconds).count() == 6);
  CHECK(sums.histogram(metric::kAnswerSeconds).sum_us == 6'000);
}

TEST_CASE("gauges are what was said last, and end with the process") {
  MetricSums sums;
  const auto lag = std::string(metric::kDatabaseLag);
  CHECK(sums.gauge(metric::kStockLeft) == -1);
  sums.take("backend-1", 7, false, {{lag, 2'500'000}, {std::string(metric::kStockLeft), 9}});
  CHECK(sums.gauge(metric::kStockLeft) == 9);
  REQUIRE(samples_of(sums, lag).size() == 1);
  CHECK(samples_of(sums, lag).front().value == doctest::Approx(2.5));
  sums.ended("backend-1");
  CHECK(samples_of(sums, lag).empty());
}

TEST_CASE("items that are no longer among the busiest have no series any more") {
  MetricSums sums;
  const std::string left(metric::kItemLeft);
  sums.take("backend-1", 7, false, {{left, {{"1", 5}, {"2", 6}}}});
  sums.take("backend-1", 7, false, {{left, {{"2", 6}, {"3", 1}}}});
  const auto samples = samples_of(sums, left);
  REQUIRE(samples.size() == 2);
  CHECK(samples[0].label == "2");
  CHECK(samples[1].label == "3");
}

TEST_CASE("what cannot be is passed over, and the rest is taken") {
  MetricSums sums;
  json many = json::object();
  for (std::size_t i = 0; i <= kMetricLabelsMax; ++i) many[std::to_string(i)] = 1;
  const json report = {{"stampede_made_up_total", 3},
                       {std::string(metric::kRequests), -4},
                       {std::string(metric::kBatches), "much"},
                       {std::string(metric::kAnswers), many},
                       {std::string(metric::kItemLeft), 7},
                       {std::string(metric::kLogSync), {{"counts", {1, 2}}}},
                       {std::string(metric::kAnswersLate), std::uint64_t{2}}};
  sums.take("webapp-1", 7, false, report);
  CHECK(sums.passed_over() == 6);
  CHECK(sums.total(metric::kAnswersLate) == 2);
  CHECK(sums.total(metric::kRequests) == 0);
  sums.take("webapp-1", 7, false, json(nullptr));  // a heartbeat without metrics
  CHECK(sums.passed_over() == 6);
}
