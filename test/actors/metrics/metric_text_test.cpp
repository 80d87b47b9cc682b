// The text that Prometheus reads.

#include "actors/metrics/metric_text.h"

#include <doctest/doctest.h>

using namespace stampede::actors;

namespace {

MetricSample sample(std::string_view name) {
  MetricSample made;
  made.metric = find_metric(name);
  return made;
}

bool has_line(const std::string& text, const std::string& line) {
  return text.find("\n" + line + "\n") != std::string::npos;
}

}  // namespace

TEST_CASE("each metric has HELP and TYPE before its series, in the table's order") {
  std::vector<MetricSample> samples(3, sample(metric::kAnswers));
  samples[0].node = samples[1].node = "webapp-1";
  samples[0].label = "confirmed";
  samples[0].value = 12;
  samples[1].label = "sold\"out\n";
  samples[2] = sample(metric::kStockLeft);
  samples[2].value = -3;
  const auto text = metric_text(samples);
  CHECK(has_line(text, "# TYPE stampede_answers_total counter"));
  CHECK(has_line(text, "stampede_answers_total{node=\"webapp-1\",code=\"confirmed\"} 12"));
  CHECK(has_line(text, "stampede_answers_total{node=\"webapp-1\",code=\"sold\\\"out\\n\"} 0"));
  CHECK(has_line(text, "stampede_stock_left -3"));
  CHECK(text.find("# HELP stampede_stock_left ") < text.find("# HELP stampede_answers_total "));
  CHECK(text.find("stampede_commands_owed") == std::string::npos);  // nobody has said it
}

TEST_CASE("buckets of a histogram are in seconds, and each holds the ones before") {
  auto one = sample(metric::kLogSync);
  one.histogram.add(50);
  one.histogram.add(100);
  one.histogram.add(std::int64_t{1} << 40);
  const auto text = metric_text(std::vector{one});
  CHECK(has_line(text, "stampede_log_sync_seconds_count 3"));
  CHECK(has_line(text, "stampede_log_sync_seconds_bucket{le=\"6.4e-05\"} 1"));
  CHECK(has_line(text, "stampede_log_sync_seconds_bucket{le=\"0.000128\"} 2"));
  CHECK(has_line(text, "stampede_log_sync_seconds_bucket{le=\"+Inf\"} 3"));
}
