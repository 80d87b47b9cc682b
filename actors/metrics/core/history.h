#pragma once

// The last hour of a sale, a sample each five seconds: what the ops page draws. Made from the sums
// of all nodes, so a restart of one leaves no gap. Pure; one owner, one thread; samples are
// immutable once they are there, and may be read by any thread.

#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "actors/metrics/core/metric_sums.h"

namespace stampede::actors {

struct HistorySample {
  std::int64_t at_s = 0;                        // seconds since 1970
  double sold_per_s = 0;                        // orders confirmed
  std::map<std::string, double> refused_per_s;  // by code; only those that were
  std::optional<double> p50_ms, p99_ms;         // of answers to orders; none: nobody was answered
  std::optional<std::int64_t> left;             // units of all items
  std::optional<std::int64_t> backlog;          // commands owed to the database
  std::optional<std::int64_t> log_bytes;        // what the log takes on its disk
  std::uint64_t restarts = 0;                   // of all nodes, since the supervisor began
};
using HistorySamples = std::vector<std::shared_ptr<const HistorySample>>;

class History {
 public:
  static constexpr std::int64_t kEveryMs = 5'000;
  static constexpr std::size_t kSamplesMax = 720;

  // Call it as often as you like; `now_ms` of a steady clock, `wall_ms` since 1970.
  void look(std::int64_t now_ms, std::int64_t wall_ms, const MetricSums& sums,
            std::uint64_t restarts);
  [[nodiscard]] HistorySamples samples() const { return {samples_.begin(), samples_.end()}; }

 private:
  struct Totals {
    std::uint64_t sold = 0;
    std::map<std::string, std::uint64_t> answers;
    HistogramCounts answer_us{};
  };
  static Totals totals_of(const MetricSums& sums);

  std::deque<std::shared_ptr<const HistorySample>> samples_;
  Totals before_;
  std::int64_t before_ms_ = 0;
  bool begun_ = false;
};

// {"every_s":5, "t":[…], "sold_per_s":[…], "refused_per_s":{CODE:[…]}, "p50_ms":[…], "p99_ms":[…],
//  "left":[…], "backlog":[…], "log_bytes":[…], "restarts":[…]}: arrays of one length, oldest first;
//  null: not known.
nlohmann::json history_json(const HistorySamples& samples);

}  // namespace stampede::actors
