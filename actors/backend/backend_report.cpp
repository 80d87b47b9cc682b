#include "actors/backend/backend_report.h"

#include <chrono>
#include <map>
#include <utility>

#include "actors/backend/monotonic.h"
#include "actors/metrics/core/metric_report.h"
#include "actors/protocol/sf1.h"
#include "config/process/exit_codes.h"
#include "config/process/wall_clock.h"

namespace stampede::actors {

using nlohmann::json;
using storage::Term;

namespace {

// Null as long as there is none.
json snapshot_report(const BackendStatus& status) {
  if (status.snapshot_bytes.load() == 0) return nullptr;
  const std::chrono::nanoseconds age(config::wall_ns() - status.snapshot_made_ns.load());
  return {{"lsn", storage::to_text(status.snapshot_lsn.load())},
          {"age_s", std::chrono::duration_cast<std::chrono::seconds>(age).count()},
          {"bytes", status.snapshot_bytes.load()}};
}

// What there is now, of all that was ever written.
std::uint64_t left_of(std::uint64_t written, std::uint64_t removed) {
  return written - std::min(written, removed);
}

// Why everything new is refused for as long as somebody outside does nothing; null: it is not.
json refuses(const BackendStatus& status) {
  switch (standstill(status)) {
    case Standstill::log_room:
      return "the log's disk is full: new orders and item changes are overloaded until there is "
             "room";
    case Standstill::backlog:
      return "the database is away or slow: new orders are overloaded until it has caught up";
    case Standstill::none:
      break;
  }
  return nullptr;
}

// Null: there is no alarm.
json clock_report(const BackendStatus& status) {
  const auto ahead_us = status.clock_ahead_us.load();
  if (ahead_us == 0) return nullptr;
  return {{"ahead_s", static_cast<double>(ahead_us) / 1e6}, {"note", clock_note(ahead_us)}};
}

}  // namespace

std::string clock_note(std::int64_t ahead_us) {
  return "the wall clock has stepped " + std::to_string(ahead_us / 1'000'000) +
         " s forward; promos and holds go on as if it had not: put it right, or, if it is right, "
         "run: stampede clock accept";
}

void report_backend(json& out, BackendStatus& status) {
  out["refuses"] = refuses(status);
  out["waits_for"] = nullptr;
  out["clock"] = clock_report(status);
  const bool claimed = status.claimed.load();
  out["progress"] = status.progress.load();
  out["work_waiting"] = status.work_waiting.load();
  out["disk_waiting"] = status.disk_waiting.load();
  out["epoch"] = status.epoch.load();
  // Null until it serves.
  const auto known = [counted = status.counted.load()](json value) {
    return counted ? std::move(value) : json(nullptr);
  };
  out["log"] = {
      {"durable_lsn", known(storage::to_text(status.durable_lsn.load()))},
      {"pending_commands", known(status.owed.load())},
      {"bytes", known(left_of(status.log_bytes.load(), status.log_oldest_position.load()))},
      {"segments",
       known(left_of(status.log_segments.load(), status.log_oldest_segment.load() - 1))},
      {"snapshot", snapshot_report(status)},
      {"syncs", status.log_syncs.load()},
      {"sync_us_max", status.log_sync_us_max.load()}};
  out["database"] = status.database.report(claimed, monotonic_us());
  out["database"]["lag_s"] = known(static_cast<double>(status.lag_us.load()) / 1e6);
  out["database"]["failed"] = known(status.failed.load());
  out["replay"] = {{"done_bytes", status.replayed_bytes.load()},
                   {"total_bytes", status.replay_total_bytes.load()}};
  out["requests"] = {
      {"total", status.requests.load()},     {"confirmed", status.confirmed.load()},
      {"sold_out", status.sold_out.load()},  {"limit_reached", status.limit_reached.load()},
      {"replayed", status.replayed.load()},  {"refused", status.refused.load()},
      {"malformed", status.malformed.load()}};
  out["tickets"] = {{"granted", status.tickets.load()}};
  out["sessions"] = {{"ended", status.sessions_ended.load()}};
  out["payment"] = {{"paid", status.paid.load()},
                    {"expired", status.expired.load()},
                    {"cancelled", status.cancelled.load()},
                    {"refund_due", status.refund_due.load()}};
  const std::lock_guard lock(status.items_mutex);
  if (!status.items.is_null()) out["items"] = std::exchange(status.items, nullptr);
  out["log"]["parked"] = status.parked;
  out["log"]["notes"] = status.notes;
  if (!status.log_missing.empty()) out["log"]["missing"] = status.log_missing;
  if (status.start_waits.empty() || !out["refuses"].is_null()) return;
  out["refuses"] = status.start_waits;
  out["waits_for"] = "database";
}

namespace {

void report_sale(MetricReport& out, const BackendStatus& status) {
  out.add(metric::kOrders, "confirmed", status.confirmed.load());
  out.add(metric::kOrders, "sold_out", status.sold_out.load());
  out.add(metric::kOrders, "limit_reached", status.limit_reached.load());
  out.add(metric::kDecisions, "replayed", status.replayed.load());
  out.add(metric::kDecisions, "refused", status.refused.load());
  out.set(metric::kDecidedRequests, status.requests.load());
  out.set(metric::kBackendMalformed, status.malformed.load());
  out.set(metric::kPayments, status.paid.load());
  out.set(metric::kCancels, status.cancelled.load());
  out.set(metric::kExpiries, status.expired.load());
  out.set(metric::kRefundsDue, status.refund_due.load());
  out.set(metric::kTickets, status.tickets.load());
  if (status.stock_left.load() < 0) return;
  out.set_signed(metric::kStockLeft, status.stock_left.load());
  out.set_signed(metric::kStockSold, status.stock_sold.load());
}

void report_log(MetricReport& out, const BackendStatus& status) {
  if (status.counted.load()) {
    out.set(metric::kLogBytes, left_of(status.log_bytes.load(), status.log_oldest_position.load()));
    out.set(metric::kLogSegments,
            left_of(status.log_segments.load(), status.log_oldest_segment.load() - 1));
  }
  out.set(metric::kLogWritten, status.log_written.load());
  out.set(metric::kLogSync, status.sync_us.read());
  out.set(metric::kReplaySeconds, status.replay_us.read());
  out.set(metric::kReplaying, status.phase.load() == Phase::replaying ? 1 : 0);
  out.set(metric::kReplayDone, status.replayed_bytes.load());
  out.set(metric::kReplaySize, status.replay_total_bytes.load());
}

void report_database(MetricReport& out, const BackendStatus& status) {
  out.set(metric::kLaneBatch, status.batch_us.read());
  if (status.counted.load()) {
    out.set(metric::kCommandsOwed, status.owed.load());
    out.set(metric::kCommandsFailed, status.failed.load());
    out.set(metric::kDatabaseLag, status.lag_us.load());
  }
  const auto database = status.database.report(status.claimed.load(), monotonic_us());
  out.set(metric::kDatabaseUp, database.at("state") == "ok" ? 1 : 0);
}

}  // namespace

void report_backend_metrics(json& out, BackendStatus& status) {
  MetricReport report(out);
  report_sale(report, status);
  report_log(report, status);
  report_database(report, status);
  report.set(metric::kRefusing, standstill(status) == Standstill::none ? 0 : 1);
  const std::lock_guard lock(status.items_mutex);
  report.set(metric::kCommandsParked, status.parked.size());
  auto left = json::object(), sold = json::object();
  for (const auto& item : status.busiest) {
    const auto id = std::to_string(item.item);
    left[id] = item.left;
    sold[id] = item.sold;
  }
  out[std::string(metric::kItemLeft)] = std::move(left);
  out[std::string(metric::kItemSold)] = std::move(sold);
}

json item_status(const ItemRow& row) {
  json out{{"item", row.item},
           {"left", row.left},
           {"sold", row.terms.total - row.left},
           {"state", item_state(row)}};
  each_term(
      [&](const Term& term, const auto& value) {
        if (term.in_status) out[std::string(term.name)] = value;
      },
      row.terms);
  return out;
}

json item_json(const ItemRow& row) {
  json out{{"item", row.item},
           {"left", row.left},
           {"sold", row.terms.total - row.left},
           {"seq", std::to_string(row.seq)}};
  each_term([&](const Term& term, const auto& value) { out[std::string(term.name)] = value; },
            row.terms);
  const auto sale_member = [&](const Term& term, const auto& value) {
    if (&term != &storage::kPromoOnlyTerm && &term != &storage::kClosedTerm)
      out[std::string(term.name)] = value;
  };
  each_sale_term(sale_member, row.sale);
  out["sale"] = sale_mode(row.sale.promo_only);
  out["state"] = item_state(row);
  return out;
}

json error_reply(Code code, std::string_view field, std::string_view message) {
  json out{{"error", info(code).text},
           {"message", message.empty() ? info(code).message : message},
           {"exit", code == Code::sold_out ? 8 : 1}};
  if (!field.empty()) out["field"] = field;
  return out;
}

namespace {

json refusal(Code code, std::string_view field, const LimitTexts& limits) {
  if (code == Code::overloaded) return error_reply(code, {}, limits.text(field));
  if (code == Code::bad_request && field == "item")
    return error_reply(code, field, "an item with this id exists and differs");
  if (code == Code::sold_out)
    return error_reply(code, field, "the stock would fall below 0; nothing was changed");
  if (!field.empty() && code == Code::bad_request)
    return error_reply(code, field, std::string(field) + " has a value that is not allowed");
  return error_reply(code, field, {});
}

}  // namespace

json standstill_reply(const json& command, Standstill standstill, const LimitTexts& limits) {
  const std::string reason(limits.text(limit_of(standstill)));
  const auto what = command.value("do", std::string{});
  if (what != "items" && what != "promos" && what != "books")
    return error_reply(Code::overloaded, {}, reason);
  return {{"error", "not_ready"},
          {"message", "the backend does not serve yet: " + reason},
          {"exit", kExitNotReady}};
}

json control_reply(const ControlAnswer& answer, const LimitTexts& limits) {
  BodyReader reader;
  Result result;
  reader.open(answer.body);
  STAMPEDE_ASSERT(reader.next(result), "the core's own answers decode");
  if (result.kind == ResultKind::error) return refusal(result.code, result.field, limits);
  if (result.kind == ResultKind::session_kept)
    return {{"ok", true}, {"lsn", storage::to_text(answer.lsn)}};
  return {{"ok", true},
          {"changed", result.changed},
          {"lsn", storage::to_text(answer.lsn)},
          {"item", item_json(result.items.front())}};
}

namespace {

json promo_json(const PromoTable::Promo& promo, PromoState state) {
  json out{{"promo", promo.put.promo}, {"state", to_text(state)}, {"lsn", promo.put_lsn}};
  const auto terms = promo.terms();
  each_promo_term([&](const Term& term, const auto& value) { out[std::string(term.name)] = value; },
                  terms);
  out["ticket"] = storage::ticket_text(promo.put.ticket);
  if (promo.put.gate_factor == 0) out["gate_factor"] = storage::kGateFactorDefault;
  out["granted"] = promo.granted;
  return out;
}

json parked_json(const ParkedPromo& parked) {
  return {{"promo", parked.promo},
          {"item", parked.item},
          {"state", "parked"},
          {"parked", storage::to_text(parked.lsn)}};
}

json promo_refusal(const PromoAnswer& answer, const LimitTexts& limits) {
  const auto& field = answer.field;
  if (answer.error == Code::bad_request && field == "promo")
    return error_reply(answer.error, field, "a promo with this id exists and differs");
  if (answer.error == Code::bad_request && field.starts_with("promo "))
    return error_reply(answer.error, field,
                       "its window overlaps with that of " + field + " of the same item");
  if (answer.error == Code::bad_request && field == "ends_at_ms")
    return error_reply(answer.error, field,
                       "ends_at_ms must be behind starts_at_ms and behind what it has sold");
  if (answer.error == Code::bad_request && field == "starts_at_ms")
    return error_reply(answer.error, field,
                       "starts_at_ms of a promo that has begun cannot be changed");
  if (answer.error == Code::bad_request && field == "item")
    return error_reply(answer.error, field, "a promo stays with its item");
  if (answer.error == Code::bad_request && field == "ticket")
    return error_reply(answer.error, field,
                       "ticket of a promo that has begun, or has given some, cannot be changed");
  if (answer.error == Code::bad_request && field == "gate_factor")
    return error_reply(answer.error, field,
                       "gate_factor must let through the tickets that were given already");
  return refusal(answer.error, field, limits);
}

}  // namespace

json promo_reply(const PromoAnswer& answer, const LimitTexts& limits) {
  if (answer.error != Code::none) return promo_refusal(answer, limits);
  return {{"ok", true},
          {"changed", answer.changed},
          {"lsn", storage::to_text(answer.lsn)},
          {"promo", promo_json(answer.promo, answer.state)}};
}

json promos_reply(const OrderBook& book, const Request& page, std::int64_t now_us) {
  std::vector<const PromoTable::Promo*> promos;
  auto next = book.promos().page(page.item, page.qty, promos);
  const auto now_ms = book.sale_time_us(now_us) / 1000;
  std::map<std::uint64_t, json> rows;
  for (const auto& parked : book.parked_promos())
    if (parked.promo >= page.item && (!next || parked.promo < *next))
      rows.emplace(parked.promo, parked_json(parked));
  for (const auto* promo : promos) {
    auto& row = rows[promo->put.promo] = promo_json(*promo, promo->state(now_ms));
    if (const auto* parked = book.parked_promo(promo->put.promo))
      row["parked"] = storage::to_text(parked->lsn);
  }
  json out{{"ok", true}, {"server_time", now_ms}, {"promos", json::array()}};
  for (auto& [promo, row] : rows) {
    if (out["promos"].size() == page.qty) {
      next = promo;
      break;
    }
    out["promos"].push_back(std::move(row));
  }
  if (next) out["next"] = *next;
  return out;
}

json books_reply(const BooksAnswer& answer) {
  return {{"ok", true},
          {"lsn", std::to_string(answer.lsn)},
          {"confirmed", answer.books.confirmed},
          {"items", answer.books.items},
          {"sold", answer.books.sold},
          {"hash", std::to_string(answer.books.hash)},
          {"promos", answer.books.promos},
          {"promo_hash", std::to_string(answer.books.promo_hash)},
          {"held", answer.books.held},
          {"held_hash", std::to_string(answer.books.held_hash)}};
}

json items_reply(const OrderBook& book, const Request& page) {
  std::vector<ItemRow> rows;
  const auto next = book.page(page.item, page.qty, rows);
  json out{{"ok", true}, {"items", json::array()}};
  for (auto& row : rows) {
    if (rows.size() > 1) make_brief(row);  // their texts may be as long as all the others
    out["items"].push_back(item_json(row));
  }
  if (next) out["next"] = *next;
  return out;
}

}  // namespace stampede::actors
