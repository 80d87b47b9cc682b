#include "actors/metrics/core/metric_table.h"

#include <algorithm>
#include <array>

namespace stampede::actors {

namespace {

constexpr double kMicro = 1e-6;

constexpr std::string_view kBackends = "backend-";
constexpr std::string_view kBrokers = "broker-";
constexpr std::string_view kWebapps = "webapp-";

constexpr auto kOrderOutcomes =
    std::to_array<std::string_view>({"confirmed", "sold_out", "limit_reached"});
constexpr auto kDecisionOutcomes = std::to_array<std::string_view>({"replayed", "refused"});
constexpr auto kBrokerCodes =
    std::to_array<std::string_view>({"overloaded", "no_backend", "internal"});
// Every code that a client may be told (actors/sale/codes.h), and what only the sums tell apart.
constexpr auto kAnswerCodes = std::to_array<std::string_view>(
    {"confirmed",        "edge_sold_out",   "sold_out",     "limit_reached",   "unknown_item",
     "unknown_request",  "bad_request",     "bad_protocol", "unknown_op",      "key_reused",
     "too_large",        "overloaded",      "replaying",    "draining",        "no_backend",
     "log_unavailable",  "deadline_passed", "not_started",  "ended",           "unknown_promo",
     "expired_request",  "not_payable",     "already_paid", "not_cancellable", "not_allowed",
     "closed",           "promo_only",      "unpaid_limit", "ticket_required", "ticket_invalid",
     "ticket_expired",   "gate_closed",     "rate_limited", "not_logged_in",   "session_expired",
     "session_replaced", "user_exists",     "internal"});

constexpr auto kTable = std::to_array<MetricInfo>({
    // --- the sale, as the backend decides it
    {.name = metric::kOrders,
     .label = "outcome",
     .help = "Orders decided: confirmed, or rejected as sold_out or limit_reached.",
     .counted_by = kBackends,
     .labels = kOrderOutcomes},
    {.name = metric::kDecisions,
     .label = "outcome",
     .help = "Requests that decided nothing new: replayed (known id), refused.",
     .counted_by = kBackends,
     .labels = kDecisionOutcomes},
    {.name = metric::kDecidedRequests, .help = "Requests that the backend has looked at."},
    {.name = metric::kBackendMalformed, .help = "Requests that the backend could not read."},
    {.name = metric::kPayments, .help = "Orders that were paid."},
    {.name = metric::kCancels, .help = "Orders that were cancelled."},
    {.name = metric::kExpiries, .help = "Orders whose time to pay was over."},
    {.name = metric::kRefundsDue, .help = "Payments of orders that were over: to be paid back."},
    {.name = metric::kTickets, .help = "Tickets of promos that were given."},
    {.name = metric::kStockLeft,
     .kind = MetricKind::gauge,
     .help = "Units left, of all items together."},
    {.name = metric::kStockSold,
     .kind = MetricKind::gauge,
     .help = "Units sold or held, of all items together."},
    {.name = metric::kItemLeft,
     .kind = MetricKind::gauge,
     .label = "item",
     .help = "Units left, of the 100 items with most orders since the backend started."},
    {.name = metric::kItemSold,
     .kind = MetricKind::gauge,
     .label = "item",
     .help = "Units sold or held, of the 100 items with most orders since the backend started."},
    // --- the command log
    {.name = metric::kLogBytes, .kind = MetricKind::gauge, .help = "Size of the command log."},
    {.name = metric::kLogWritten, .help = "Bytes written to the command log and synced."},
    {.name = metric::kLogSegments, .kind = MetricKind::gauge, .help = "Files of the command log."},
    {.name = metric::kLogDiskFree,
     .kind = MetricKind::gauge,
     .help = "Free space on the disk of the command log."},
    {.name = metric::kLogSync,
     .kind = MetricKind::histogram,
     .unit = kMicro,
     .help = "Time that a sync of the command log took."},
    {.name = metric::kReplaySeconds,
     .kind = MetricKind::histogram,
     .unit = kMicro,
     .help = "Time that a start of the backend took to read snapshot and log."},
    {.name = metric::kReplaying,
     .kind = MetricKind::gauge,
     .help = "1 while the backend reads its log after a start, else 0."},
    {.name = metric::kReplayDone,
     .kind = MetricKind::gauge,
     .help = "Bytes of the log that the present start has read."},
    {.name = metric::kReplaySize,
     .kind = MetricKind::gauge,
     .help = "Bytes of the log that the present start has to read."},
    // --- the database
    {.name = metric::kLaneBatch,
     .kind = MetricKind::histogram,
     .unit = kMicro,
     .help = "Time that a transaction of a lane with the database took."},
    {.name = metric::kCommandsOwed,
     .kind = MetricKind::gauge,
     .help = "Commands that are in the log and not yet in the database."},
    {.name = metric::kCommandsFailed,
     .kind = MetricKind::gauge,
     .help = "Commands that the database has refused for good: stampede log retry tries again."},
    {.name = metric::kCommandsParked,
     .kind = MetricKind::gauge,
     .help = "Records that the last start has passed over: stampede status shows them."},
    {.name = metric::kDatabaseUp,
     .kind = MetricKind::gauge,
     .help = "1 while the database answers, 0 while it does not or refuses."},
    {.name = metric::kDatabaseLag,
     .kind = MetricKind::gauge,
     .unit = kMicro,
     .help = "Age of the oldest decision that the database does not have."},
    // --- what clients are told
    {.name = metric::kRequests,
     .by_node = true,
     .help = "Requests of clients: an array counts for each of its orders."},
    {.name = metric::kAnswers,
     .label = "code",
     .by_node = true,
     .help = "Answers to clients: confirmed, a reason of rejection, a code of refusal, or "
             "edge_sold_out (turned away by the webapp alone).",
     .counted_by = kWebapps,
     .labels = kAnswerCodes},
    {.name = metric::kAnswerSeconds,
     .kind = MetricKind::histogram,
     .by_node = true,
     .unit = kMicro,
     .help = "Time from the receipt of an order to its answer."},
    {.name = metric::kAnswersLate,
     .by_node = true,
     .help = "Answers that came when their client waited no more."},
    {.name = metric::kAnswersDropped,
     .by_node = true,
     .help = "Answers to clients that were gone or did not read."},
    {.name = metric::kOpenRequests,
     .kind = MetricKind::gauge,
     .by_node = true,
     .help = "Requests that wait for an answer."},
    {.name = metric::kRefusing,
     .kind = MetricKind::gauge,
     .by_node = true,
     .help = "1 while the node refuses every new order (status says why), else 0."},
    {.name = metric::kConnections,
     .kind = MetricKind::gauge,
     .by_node = true,
     .help = "HTTP connections of buyers."},
    {.name = metric::kEventStreams,
     .kind = MetricKind::gauge,
     .by_node = true,
     .help = "Connections that hear /v1/events."},
    {.name = metric::kEventsSent, .by_node = true, .help = "Events sent over /v1/events."},
    {.name = metric::kEventStreamsCut,
     .by_node = true,
     .help = "Connections of /v1/events that were ended because their client did not read."},
    {.name = metric::kBatches, .by_node = true, .help = "Batches sent to the broker."},
    {.name = metric::kBatchesResent, .by_node = true, .help = "Batches sent again."},
    // --- between the nodes
    {.name = metric::kBrokerForwarded, .help = "Requests that the broker passed on."},
    {.name = metric::kBrokerRefused,
     .label = "code",
     .help = "Requests that the broker refused, by code.",
     .counted_by = kBrokers,
     .labels = kBrokerCodes},
    {.name = metric::kBrokerInFlight,
     .kind = MetricKind::gauge,
     .help = "Requests that were passed on and are not answered."},
    {.name = metric::kMessagesDropped,
     .by_node = true,
     .help = "Messages that were dropped because they did not come as a whole."},
    {.name = metric::kPeersRefused,
     .by_node = true,
     .help = "Connections that were refused: CURVE does not know their key."},
    {.name = metric::kPeersCut,
     .by_node = true,
     .help = "Connections that were ended because of what their peer did."},
    // --- the nodes
    {.name = metric::kNodeUp,
     .kind = MetricKind::gauge,
     .by_node = true,
     .help = "1 while the node's process runs and reports, else 0."},
    {.name = metric::kNodeReady,
     .kind = MetricKind::gauge,
     .by_node = true,
     .help = "1 while the node serves, else 0."},
    {.name = metric::kNodeRestarts,
     .by_node = true,
     .help = "Starts of the node since the supervisor began, but the first."},
    {.name = metric::kMemory,
     .kind = MetricKind::gauge,
     .by_node = true,
     .help = "Resident memory of the node's process."},
    {.name = metric::kBooksViolations,
     .kind = MetricKind::gauge,
     .help = "Differences that the last stampede verify found between memory, log and database."},
    {.name = metric::kBooksChecked,
     .kind = MetricKind::gauge,
     .help = "When stampede verify came to its last verdict, in seconds since 1970."},
    {.name = metric::kBuild,
     .kind = MetricKind::gauge,
     .label = "version",
     .help = "1; its label is the version of the program."},
});

}  // namespace

std::span<const MetricInfo> metric_table() {
  return kTable;
}

const MetricInfo* find_metric(std::string_view name) {
  const auto* found = std::find_if(kTable.begin(), kTable.end(),
                                   [&](const MetricInfo& info) { return info.name == name; });
  return found == kTable.end() ? nullptr : found;
}

}  // namespace stampede::actors
