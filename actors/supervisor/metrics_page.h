#pragma once

// The metrics of the system at one moment, and the last hour, for whoever asks over HTTP: /metrics
// and /v1/history. The port copies numbers; text is made in the HTTP thread.

#include <caf/all.hpp>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "actors/http/http_server.h"
#include "actors/metrics/core/history.h"
#include "actors/metrics/core/metric_sums.h"
#include "actors/supervisor/supervisor_chaos.h"

namespace stampede::actors {

// Immutable; any thread.
struct MetricsPage {
  std::vector<MetricSample> samples;
  HistorySamples history;
};
using MetricsPagePtr = std::shared_ptr<const MetricsPage>;

// To the port: {MetricsAskAtom, whom to send a MetricsPagePtr}.
using MetricsAskAtom = caf::atom_constant<caf::atom("askmetric")>;

// What the supervisor itself knows, beside what the nodes report. Owner: its role, one thread.
class SystemMetrics {
 public:
  // A heartbeat's `metrics`.
  void take(const SupervisedNode& node, const nlohmann::json& metrics);
  void ended(const SupervisedNode& node) { sums_.ended(node.id()); }
  // Of a process that has ended meanwhile; see MetricSums.
  bool take_last(const std::string& node, std::uint64_t instance, const nlohmann::json& metrics) {
    return sums_.take_last(node, instance, metrics);
  }
  void books_told(std::uint64_t violations, std::int64_t wall_ms);
  // Call it from every timer.
  void look(Ms now, std::int64_t wall_ms, const SupervisedNodes& nodes);
  [[nodiscard]] MetricsPagePtr page(const SupervisedNodes& nodes) const;

 private:
  struct Books {
    std::uint64_t violations = 0;
    std::int64_t wall_ms = 0;
  };
  MetricSums sums_;
  History history_;
  std::optional<Books> books_;
};

bool is_metrics_target(std::string_view target);
// `log_dir`: whose disk's free space is shown; asks the file system.
HttpReply answer_metrics(const HttpRequest& request, const MetricsPage& page,
                         const std::filesystem::path& log_dir);

}  // namespace stampede::actors

CAF_ALLOW_UNSAFE_MESSAGE_TYPE(stampede::actors::MetricsPagePtr)
