#include "actors/metrics/core/history.h"

#include <cmath>
#include <utility>

namespace stampede::actors {

using nlohmann::json;

namespace {

constexpr double kUsPerMs = 1000;

// Answers that are no refusal.
bool is_outcome(const std::string& code) {
  return code == "confirmed";
}

std::optional<std::int64_t> known(std::int64_t gauge) {
  return gauge < 0 ? std::nullopt : std::optional(gauge);
}

double rounded(double value) {
  return std::round(value * 100) / 100;
}

}  // namespace

History::Totals History::totals_of(const MetricSums& sums) {
  const auto outcomes = sums.totals(metric::kOrders);
  const auto confirmed = outcomes.find("confirmed");
  return {confirmed == outcomes.end() ? 0 : confirmed->second, sums.totals(metric::kAnswers),
          sums.histogram(metric::kAnswerSeconds).counts};
}

void History::look(std::int64_t now_ms, std::int64_t wall_ms, const MetricSums& sums,
                   std::uint64_t restarts) {
  if (begun_ && now_ms - before_ms_ < kEveryMs) return;
  auto now = totals_of(sums);
  const auto passed_s = static_cast<double>(now_ms - before_ms_) / 1000;
  const auto before = std::exchange(before_, now);
  before_ms_ = now_ms;
  if (!std::exchange(begun_, true)) return;
  auto sample = std::make_shared<HistorySample>();
  sample->at_s = wall_ms / 1000;
  sample->sold_per_s = rounded(static_cast<double>(now.sold - before.sold) / passed_s);
  for (const auto& [code, count] : now.answers) {
    const auto found = before.answers.find(code);
    const auto more = count - (found == before.answers.end() ? 0 : found->second);
    if (more > 0 && !is_outcome(code))
      sample->refused_per_s[code] = rounded(static_cast<double>(more) / passed_s);
  }
  std::uint64_t answered = 0;
  for (std::size_t bucket = 0; bucket < kHistogramBuckets; ++bucket)
    answered += now.answer_us[bucket] -= before.answer_us[bucket];
  if (answered > 0) {
    sample->p50_ms = rounded(quantile_us(now.answer_us, 0.5) / kUsPerMs);
    sample->p99_ms = rounded(quantile_us(now.answer_us, 0.99) / kUsPerMs);
  }
  sample->left = known(sums.gauge(metric::kStockLeft));
  sample->backlog = known(sums.gauge(metric::kCommandsOwed));
  sample->log_bytes = known(sums.gauge(metric::kLogBytes));
  sample->restarts = restarts;
  samples_.push_back(std::move(sample));
  if (samples_.size() > kSamplesMax) samples_.pop_front();
}

namespace {

template <class Value>
json or_null(const std::optional<Value>& value) {
  return value ? json(*value) : json(nullptr);
}

}  // namespace

json history_json(const HistorySamples& samples) {
  json out = {{"every_s", History::kEveryMs / 1000}, {"refused_per_s", json::object()}};
  for (const char* name :
       {"t", "sold_per_s", "p50_ms", "p99_ms", "left", "backlog", "log_bytes", "restarts"})
    out[name] = json::array();
  for (std::size_t at = 0; at < samples.size(); ++at) {
    const auto& sample = *samples[at];
    out["t"].push_back(sample.at_s);
    out["sold_per_s"].push_back(sample.sold_per_s);
    out["p50_ms"].push_back(or_null(sample.p50_ms));
    out["p99_ms"].push_back(or_null(sample.p99_ms));
    out["left"].push_back(or_null(sample.left));
    out["backlog"].push_back(or_null(sample.backlog));
    out["log_bytes"].push_back(or_null(sample.log_bytes));
    out["restarts"].push_back(sample.restarts);
    for (const auto& [code, rate] : sample.refused_per_s) {
      auto& line = out["refused_per_s"][code];
      if (line.is_null()) line = std::vector<double>(samples.size(), 0.0);
      line[at] = rate;
    }
  }
  return out;
}

}  // namespace stampede::actors
