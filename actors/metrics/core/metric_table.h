#pragma once

// Every metric of the system: its name, what it says, and by what its series are told apart. One
// table for those who report (by name), sum, and show them; dashboards/ and docs/runbook.md are
// tested against it. Pure; constant data, any thread.

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

namespace stampede::actors {

enum class MetricKind : std::uint8_t { counter, gauge, histogram };

struct MetricInfo {
  std::string_view name;  // as Prometheus sees it, and as nodes report it
  MetricKind kind = MetricKind::counter;
  std::string_view label{};  // of its series beside `node`; empty: there is one series
  bool by_node = false;      // each node has series of its own
  double unit = 1;           // of what is reported, in the metric's unit
  std::string_view help{};
  // Of a counter with a label: the nodes that count it, by the beginning of their names, and the
  // labels that they may count. Those series are there, at 0, before the first event: a rate
  // cannot see the step of a series that begins with it.
  std::string_view counted_by{};
  std::span<const std::string_view> labels{};
};

inline constexpr std::size_t kMetricLabelsMax = 128;  // series of one metric and node
inline constexpr std::size_t kMetricItemsMax = 100;   // items of which there are series

std::span<const MetricInfo> metric_table();
const MetricInfo* find_metric(std::string_view name);  // null: there is none

// Names that are used in code.
namespace metric {
inline constexpr std::string_view kOrders = "stampede_orders_total";
inline constexpr std::string_view kDecisions = "stampede_decisions_total";
inline constexpr std::string_view kDecidedRequests = "stampede_backend_requests_total";
inline constexpr std::string_view kBackendMalformed = "stampede_backend_malformed_total";
inline constexpr std::string_view kPayments = "stampede_payments_total";
inline constexpr std::string_view kCancels = "stampede_cancels_total";
inline constexpr std::string_view kExpiries = "stampede_expiries_total";
inline constexpr std::string_view kRefundsDue = "stampede_refunds_due_total";
inline constexpr std::string_view kTickets = "stampede_tickets_total";
inline constexpr std::string_view kStockLeft = "stampede_stock_left";
inline constexpr std::string_view kStockSold = "stampede_stock_sold";
inline constexpr std::string_view kItemLeft = "stampede_item_left";
inline constexpr std::string_view kItemSold = "stampede_item_sold";
inline constexpr std::string_view kLogBytes = "stampede_log_size_bytes";
inline constexpr std::string_view kLogWritten = "stampede_log_written_bytes_total";
inline constexpr std::string_view kLogSegments = "stampede_log_segments";
inline constexpr std::string_view kLogDiskFree = "stampede_log_disk_free_bytes";
inline constexpr std::string_view kLogSync = "stampede_log_sync_seconds";
inline constexpr std::string_view kLaneBatch = "stampede_lane_batch_seconds";
inline constexpr std::string_view kReplaySeconds = "stampede_replay_seconds";
inline constexpr std::string_view kReplaying = "stampede_replaying";
inline constexpr std::string_view kReplayDone = "stampede_replay_done_bytes";
inline constexpr std::string_view kReplaySize = "stampede_replay_size_bytes";
inline constexpr std::string_view kCommandsOwed = "stampede_commands_owed";
inline constexpr std::string_view kCommandsFailed = "stampede_commands_failed";
inline constexpr std::string_view kCommandsParked = "stampede_commands_parked";
inline constexpr std::string_view kDatabaseUp = "stampede_database_up";
inline constexpr std::string_view kDatabaseLag = "stampede_database_lag_seconds";
inline constexpr std::string_view kRefusing = "stampede_refusing";
inline constexpr std::string_view kRequests = "stampede_requests_total";
inline constexpr std::string_view kAnswers = "stampede_answers_total";
inline constexpr std::string_view kAnswerSeconds = "stampede_answer_seconds";
inline constexpr std::string_view kAnswersLate = "stampede_answers_late_total";
inline constexpr std::string_view kAnswersDropped = "stampede_answers_dropped_total";
inline constexpr std::string_view kOpenRequests = "stampede_open_requests";
inline constexpr std::string_view kConnections = "stampede_http_connections";
inline constexpr std::string_view kEventStreams = "stampede_event_streams";
inline constexpr std::string_view kEventsSent = "stampede_events_sent_total";
inline constexpr std::string_view kEventStreamsCut = "stampede_event_streams_cut_total";
inline constexpr std::string_view kBatches = "stampede_batches_total";
inline constexpr std::string_view kBatchesResent = "stampede_batches_resent_total";
inline constexpr std::string_view kBrokerForwarded = "stampede_broker_forwarded_total";
inline constexpr std::string_view kBrokerRefused = "stampede_broker_refused_total";
inline constexpr std::string_view kBrokerInFlight = "stampede_broker_in_flight";
inline constexpr std::string_view kMessagesDropped = "stampede_messages_dropped_total";
inline constexpr std::string_view kPeersRefused = "stampede_peers_refused_total";
inline constexpr std::string_view kPeersCut = "stampede_peers_cut_total";
inline constexpr std::string_view kMemory = "stampede_memory_resident_bytes";
inline constexpr std::string_view kNodeUp = "stampede_node_up";
inline constexpr std::string_view kNodeReady = "stampede_node_ready";
inline constexpr std::string_view kNodeRestarts = "stampede_node_restarts_total";
inline constexpr std::string_view kBooksViolations = "stampede_books_violations";
inline constexpr std::string_view kBooksChecked = "stampede_books_checked_timestamp_seconds";
inline constexpr std::string_view kBuild = "stampede_build_info";
}  // namespace metric

}  // namespace stampede::actors
