// What the supervisor says of itself and its nodes in /metrics, and the last hour.

#include "actors/supervisor/metrics_page.h"

#include <doctest/doctest.h>

#include <string>

#include "actors/metrics/core/metric_report.h"
#include "config/settings/config.h"

using namespace stampede::actors;
using nlohmann::json;

namespace {

HttpReply get(const std::string& target, const MetricsPage& page,
              const std::string& log_dir = "/tmp", const std::string& method = "GET") {
  HttpRequest request;
  request.method = method;
  request.target = target;
  return answer_metrics(request, page, log_dir);
}

bool has_line(const HttpReply& reply, const std::string& line) {
  return ("\n" + reply.body).find("\n" + line + "\n") != std::string::npos;
}

}  // namespace

TEST_CASE("nodes that run nowhere are down, and what was told of the books is shown") {
  const stampede::config::Config config;
  SupervisedNodes nodes;
  nodes.push_back(std::make_unique<SupervisedNode>("backend", 1, config));
  SystemMetrics metrics;
  const auto before = get("/metrics", *metrics.page(nodes));
  CHECK(before.status == 200);
  CHECK(before.content_type == "text/plain; version=0.0.4; charset=utf-8");
  CHECK(has_line(before, "stampede_node_up{node=\"backend-1\"} 0"));
  CHECK(has_line(before, "stampede_node_ready{node=\"backend-1\"} 0"));
  CHECK(has_line(before, "stampede_node_restarts_total{node=\"backend-1\"} 0"));
  CHECK(before.body.find("stampede_books") == std::string::npos);
  metrics.books_told(3, 1'700'000'000'500);
  const auto after = get("/metrics", *metrics.page(nodes));
  CHECK(has_line(after, "stampede_books_violations 3"));
  CHECK(has_line(after, "stampede_books_checked_timestamp_seconds 1700000000.5"));
}

TEST_CASE("the disk's free space is left out where there is no such disk") {
  CHECK(get("/metrics", {}).body.find("stampede_log_disk_free_bytes ") != std::string::npos);
  CHECK(get("/metrics", {}, "/no/such/place").body.empty());
}

TEST_CASE("the history is one document, and nothing can be written") {
  MetricsPage page;
  auto sample = std::make_shared<HistorySample>();
  sample->sold_per_s = 12;
  page.history.push_back(sample);
  const auto reply = get("/v1/history", page);
  CHECK(reply.content_type == "application/json");
  CHECK(json::parse(reply.body)["sold_per_s"] == json::array({12.0}));
  CHECK(get("/v1/history", page, "/tmp", "POST").status == 405);
  CHECK(is_metrics_target("/metrics"));
  CHECK_FALSE(is_metrics_target("/metrics/"));
}
