#include "actors/supervisor/metrics_page.h"

#include <string>
#include <utility>

#include "actors/metrics/metric_text.h"
#include "actors/supervisor/supervisor_http.h"
#include "config/process/version.h"

namespace stampede::actors {

namespace {

using nlohmann::json;

constexpr std::string_view kMetricsTarget = "/metrics";
constexpr std::string_view kHistoryTarget = "/v1/history";

MetricSample sample(std::string_view name, double value, std::string node = {},
                    std::string label = {}) {
  MetricSample made;
  made.metric = find_metric(name);
  made.node = std::move(node);
  made.label = std::move(label);
  made.value = value;
  return made;
}

bool serves(const SupervisedNode& node) {
  return node.policy().state() == NodeState::ready;
}

}  // namespace

void SystemMetrics::take(const SupervisedNode& node, const json& metrics) {
  sums_.take(node.id(), node.instance(), node.adopted(), metrics);
}

void SystemMetrics::books_told(std::uint64_t violations, std::int64_t wall_ms) {
  books_ = {violations, wall_ms};
}

void SystemMetrics::look(Ms now, std::int64_t wall_ms, const SupervisedNodes& nodes) {
  std::uint64_t restarts = 0;
  for (const auto& node : nodes) restarts += static_cast<std::uint64_t>(node->policy().restarts());
  history_.look(now, wall_ms, sums_, restarts);
}

MetricsPagePtr SystemMetrics::page(const SupervisedNodes& nodes) const {
  auto made = std::make_shared<MetricsPage>();
  auto& samples = made->samples;
  sums_.add_to(samples);
  for (const auto& node : nodes) {
    const bool up = node->process() && node->instance() != 0;
    samples.push_back(sample(metric::kNodeUp, up ? 1 : 0, node->id()));
    samples.push_back(sample(metric::kNodeReady, serves(*node) ? 1 : 0, node->id()));
    samples.push_back(
        sample(metric::kNodeRestarts, static_cast<double>(node->policy().restarts()), node->id()));
  }
  if (books_) {
    samples.push_back(sample(metric::kBooksViolations, static_cast<double>(books_->violations)));
    samples.push_back(sample(metric::kBooksChecked, static_cast<double>(books_->wall_ms) / 1000));
  }
  samples.push_back(sample(metric::kBuild, 1, {}, std::string(kVersion)));
  made->history = history_.samples();
  return made;
}

bool is_metrics_target(std::string_view target) {
  return target == kMetricsTarget || target == kHistoryTarget;
}

HttpReply answer_metrics(const HttpRequest& request, const MetricsPage& page,
                         const std::filesystem::path& log_dir) {
  if (auto refused = refuse_write(request)) return std::move(*refused);
  HttpReply reply;
  if (request.target == kHistoryTarget) {
    reply.body = history_json(page.history).dump() + "\n";
    return reply;
  }
  auto samples = page.samples;
  std::error_code error;
  const auto space = std::filesystem::space(log_dir, error);
  if (!error) samples.push_back(sample(metric::kLogDiskFree, static_cast<double>(space.available)));
  reply.content_type = kMetricTextType;
  reply.body = metric_text(samples);
  return reply;
}

}  // namespace stampede::actors
