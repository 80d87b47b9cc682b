#include "actors/backend/backend_report.h"

#include <chrono>
#include <utility>

#include "config/process/wall_clock.h"

namespace stampede::actors {

using nlohmann::json;

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

}  // namespace

void report_backend(json& out, BackendStatus& status) {
  const auto owed = status.owed.load();
  const bool claimed = status.claimed.load();
  out["progress"] = status.progress.load();
  out["work_waiting"] = status.work_waiting.load();
  out["disk_waiting"] = status.disk_waiting.load();
  out["epoch"] = status.epoch.load();
  out["log"] = {
      {"durable_lsn", storage::to_text(status.durable_lsn.load())},
      {"pending_commands", owed},
      {"bytes", left_of(status.log_bytes.load(), status.log_oldest_position.load())},
      {"segments", left_of(status.log_segments.load(), status.log_oldest_segment.load() - 1)},
      {"snapshot", snapshot_report(status)},
      {"syncs", status.log_syncs.load()},
      {"sync_us_max", status.log_sync_us_max.load()}};
  const bool down = !claimed || status.lanes_down.load() > 0;
  out["database"] = {{"state", down ? "unreachable" : "ok"},
                     {"lag_s", static_cast<double>(status.lag_us.load()) / 1e6},
                     {"failed", status.failed.load()}};
  out["replay"] = {{"done_bytes", status.replayed_bytes.load()},
                   {"total_bytes", status.replay_total_bytes.load()}};
  out["requests"] = {
      {"total", status.requests.load()},     {"confirmed", status.confirmed.load()},
      {"sold_out", status.sold_out.load()},  {"limit_reached", status.limit_reached.load()},
      {"replayed", status.replayed.load()},  {"refused", status.refused.load()},
      {"malformed", status.malformed.load()}};
  const std::lock_guard lock(status.items_mutex);
  if (!status.items.is_null()) out["items"] = std::exchange(status.items, nullptr);
  out["log"]["parked"] = status.parked;
}

namespace {

// Reads members of a command and remembers the first that does not fit.
class Members {
 public:
  Members(const json& command, std::string& error) : command_(command), error_(error) {}

  std::string_view text(const char* name) {
    const auto* value = find(name);
    if (value == nullptr || !value->is_string()) return fail(name, "a text"), std::string_view{};
    return value->get_ref<const std::string&>();
  }
  std::int64_t number(const char* name, std::optional<std::int64_t> otherwise = std::nullopt) {
    const auto* value = find(name);
    if (value == nullptr && otherwise) return *otherwise;
    if (value == nullptr || !value->is_number_integer()) return fail(name, "a whole number"), 0;
    return value->get<std::int64_t>();
  }
  std::uint64_t unsigned_number(const char* name, std::optional<std::int64_t> otherwise = {},
                                std::int64_t max = INT64_MAX) {
    const auto value = number(name, otherwise);
    if (value < 0 || value > max) fail(name, "a whole number in range");
    return static_cast<std::uint64_t>(value);
  }

 private:
  const json* find(const char* name) const {
    const auto it = command_.find(name);
    return it == command_.end() || it->is_null() ? nullptr : &*it;
  }
  void fail(const char* name, const char* what) {
    if (error_.empty()) error_ = std::string(name) + " must be " + what;
  }
  const json& command_;
  std::string& error_;
};

}  // namespace

ControlRequest read_control(const json& command) {
  ControlRequest out;
  Members members(command, out.error);
  auto& request = out.request;
  request.id = members.text("request_id");
  request.item = members.unsigned_number("item");
  if (command.value("do", "") == "stock_change") {
    request.kind = RequestKind::stock_change;
    request.total = members.number("delta");
    return out;
  }
  request.kind = RequestKind::item_put;
  request.name = members.text("name");
  request.price_cents = members.number("price_cents", 0);
  request.total = members.number("total");
  request.limit_per_user =
      static_cast<std::uint32_t>(members.unsigned_number("limit_per_user", 0, UINT32_MAX));
  request.max_qty =
      static_cast<std::uint32_t>(members.unsigned_number("max_qty", kQtyMaxDefault, UINT32_MAX));
  return out;
}

json item_json(const ItemRow& row) {
  return {{"item", row.item},
          {"name", row.name},
          {"price_cents", row.price_cents},
          {"total", row.total},
          {"left", row.left},
          {"sold", row.total - row.left},
          {"limit_per_user", row.limit_per_user},
          {"max_qty", row.max_qty},
          {"seq", std::to_string(row.seq)}};
}

json error_reply(Code code, std::string_view field, std::string_view message) {
  json out{{"error", info(code).text},
           {"message", message.empty() ? info(code).message : message},
           {"exit", code == Code::sold_out ? 8 : 1}};
  if (!field.empty()) out["field"] = field;
  return out;
}

namespace {

json refusal(Code code, std::string_view field) {
  if (code == Code::bad_request && field == "item")
    return error_reply(code, field, "an item with this id exists and differs");
  if (code == Code::sold_out)
    return error_reply(code, field, "the stock would fall below 0; nothing was changed");
  if (!field.empty() && code == Code::bad_request)
    return error_reply(code, field, std::string(field) + " has a value that is not allowed");
  return error_reply(code, field, {});
}

}  // namespace

json control_reply(const ControlAnswer& answer) {
  BodyReader reader;
  Result result;
  reader.open(answer.body);
  STAMPEDE_ASSERT(reader.next(result), "the core's own answers decode");
  if (result.kind == ResultKind::error) return refusal(result.code, result.field);
  return {{"ok", true},
          {"changed", result.changed},
          {"lsn", storage::to_text(answer.lsn)},
          {"item", item_json(result.items.front())}};
}

json books_reply(const BooksAnswer& answer) {
  return {{"ok", true},
          {"lsn", std::to_string(answer.lsn)},
          {"confirmed", answer.books.confirmed},
          {"items", answer.books.items},
          {"sold", answer.books.sold},
          {"hash", std::to_string(answer.books.hash)}};
}

json items_reply(const OrderBook& book, std::uint64_t from, std::size_t limit) {
  std::vector<ItemRow> rows;
  const auto next = book.page(from, std::min(limit, kItemsPageMax), rows);
  json out{{"ok", true}, {"items", json::array()}};
  for (const auto& row : rows) out["items"].push_back(item_json(row));
  if (next) out["next"] = *next;
  return out;
}

}  // namespace stampede::actors
