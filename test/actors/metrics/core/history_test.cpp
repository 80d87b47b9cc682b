#include "actors/metrics/core/history.h"

#include <doctest/doctest.h>

#include "actors/metrics/core/metric_report.h"

using namespace stampede::actors;
using nlohmann::json;

namespace {

// A system whose totals the test sets.
struct Sale {
  MetricSums sums;
  History history;
  std::int64_t now_ms = 1'000;

  void report(std::uint64_t confirmed, std::uint64_t overloaded, std::uint64_t slow) {
    json out = json::object();
    MetricReport metrics(out);
    metrics.add(metric::kOrders, "confirmed", confirmed);
    metrics.add(metric::kAnswers, "confirmed", confirmed);
    metrics.add(metric::kAnswers, "overloaded", overloaded);
    metrics.set_signed(metric::kStockLeft, 1'000 - static_cast<std::int64_t>(confirmed));
    metrics.set(metric::kCommandsOwed, std::uint64_t{3});
    metrics.set(metric::kLogBytes, std::uint64_t{4096});
    Histogram answers;
    answers.add(1'000, confirmed);
    answers.add(500'000, slow);
    metrics.set(metric::kAnswerSeconds, answers);
    sums.take("all-1", 1, false, out);
  }
  void look(std::int64_t passed_ms, std::uint64_t restarts = 0) {
    now_ms += passed_ms;
    history.look(now_ms, 1'700'000'000'000 + now_ms, sums, restarts);
  }
};

}  // namespace

TEST_CASE("a sample tells what has happened since the one before") {
  Sale sale;
  sale.report(100, 0, 0);
  sale.look(0);
  CHECK(sale.history.samples().empty());  // nothing to compare with
  sale.report(200, 10, 5);
  sale.look(4'999);
  CHECK(sale.history.samples().empty());
  sale.look(1, 2);
  REQUIRE(sale.history.samples().size() == 1);
  const auto& sample = *sale.history.samples().front();
  CHECK(sample.sold_per_s == doctest::Approx(20));
  CHECK(sample.refused_per_s == std::map<std::string, double>{{"overloaded", 2.0}});
  CHECK(*sample.p50_ms <= 1.1);
  CHECK(*sample.p99_ms > 390);
  CHECK(*sample.left == 800);
  CHECK(*sample.backlog == 3);
  CHECK(*sample.log_bytes == 4096);
  CHECK(sample.restarts == 2);
}

TEST_CASE("an hour is kept, and arrays have one length") {
  Sale sale;
  for (std::uint64_t i = 0; i < 800; ++i) {
    sale.report(i, i >= 400 ? i - 399 : 0, 0);
    sale.look(5'000);
  }
  CHECK(sale.history.samples().size() == History::kSamplesMax);
  const auto out = history_json(sale.history.samples());
  CHECK(out["every_s"] == 5);
  for (const char* name :
       {"t", "sold_per_s", "p50_ms", "p99_ms", "left", "backlog", "log_bytes", "restarts"}) {
    CAPTURE(name);
    CHECK(out[name].size() == History::kSamplesMax);
  }
  CHECK(out["refused_per_s"]["overloaded"].size() == History::kSamplesMax);
  CHECK(out["refused_per_s"]["overloaded"][0] == 0.0);
  CHECK(out["refused_per_s"]["overloaded"].back() == doctest::Approx(0.2));
  CHECK(out["t"].back().get<std::int64_t>() - out["t"].front().get<std::int64_t>() == 719 * 5);
}

TEST_CASE("what is not known is null") {
  History history;
  const MetricSums nothing;
  history.look(0, 0, nothing, 0);
  history.look(5'000, 5'000, nothing, 0);
  const auto out = history_json(history.samples());
  CHECK(out["p99_ms"] == json::array({nullptr}));
  CHECK(out["left"] == json::array({nullptr}));
  CHECK(out["log_bytes"] == json::array({nullptr}));
  CHECK(out["sold_per_s"] == json::array({0.0}));
}
