#include "tools/ask/promo.h"

#include <cstdio>
#include <nlohmann/json.hpp>

#include "tools/ask/admin_client.h"
#include "tools/ask/json_text.h"
#include "tools/ask/operator_change.h"
#include "tools/ask/operator_list.h"

namespace stampede::tools {
namespace {

using nlohmann::json;

std::string moment_of(const json& promo, const char* member) {
  return moment_text(promo.value(member, std::int64_t{0}));
}

// What is known of a promo whose record replay passes over, and what may be done.
std::string parked_note(const json& promo) {
  return "parked: lsn " + text_of(promo, "parked") +
         " is passed over; stampede log retry, or log unpark";
}

std::string described(const json& promo) {
  if (promo.value("state", "") == "parked")
    return "promo " + text_of(promo, "promo") + "  item " + text_of(promo, "item") + "  " +
           parked_note(promo);
  std::string text = "promo " + text_of(promo, "promo") + " \"" + text_of(promo, "name") +
                     "\"  item " + text_of(promo, "item") + "  price_cents " +
                     text_of(promo, "price_cents") + "  " + moment_of(promo, "starts_at_ms") +
                     " to " + moment_of(promo, "ends_at_ms") + "  " + text_of(promo, "state");
  if (promo.value("limit_per_user", 0) != 0)
    text += "  limit_per_user " + text_of(promo, "limit_per_user");
  if (promo.value("hold_s", 0) != 0) text += "  hold " + text_of(promo, "hold_s") + " s";
  if (promo.value("hold_low_s", 0) != 0 && promo.value("low_stock_percent", 0) != 0)
    text += "  below " + text_of(promo, "low_stock_percent") + " % " +
            text_of(promo, "hold_low_s") + " s";
  if (promo.value("unpaid_per_user_max", 0) != 0)
    text += "  unpaid_per_user_max " + text_of(promo, "unpaid_per_user_max");
  if (promo.value("ticket", "none") == "required")
    text += "  ticket required  gate_factor " + text_of(promo, "gate_factor") + "  granted " +
            text_of(promo, "granted");
  if (promo.contains("parked")) text += "  " + parked_note(promo);
  return text;
}

int change_promo(const ToolOptions& options, json request, const std::string& given_id) {
  const auto changed = [](const json& answer) {
    return described(answer.value("promo", json::object()));
  };
  return run_operator_change(options, {"promo", changed}, std::move(request), given_id);
}

json request_of(const char* what, const PromoChange& change) {
  json request{{"do", what}, {"promo", change.promo}};
  const auto give = [&](const char* member, const auto& value) {
    if (value) request[member] = *value;
  };
  give("item", change.item);
  give("name", change.name);
  give("price_cents", change.price_cents);
  const auto give_time = [&](const char* moment, const char* from_now, const auto& value) {
    if (value) request[value->from_now ? from_now : moment] = value->ms;
  };
  give_time("starts_at_ms", "starts_in_ms", change.starts);
  give_time("ends_at_ms", "ends_in_ms", change.ends);
  give("limit_per_user", change.limit_per_user);
  give("hold_s", change.hold_s);
  give("hold_low_s", change.hold_low_s);
  give("low_stock_percent", change.low_stock_percent);
  give("unpaid_per_user_max", change.unpaid_per_user_max);
  give("ticket", change.ticket);
  give("gate_factor", change.gate_factor);
  return request;
}

}  // namespace

int run_promo_add(const ToolOptions& options, const PromoChange& promo) {
  return change_promo(options, request_of("promo_add", promo), promo.request_id);
}

int run_promo_set(const ToolOptions& options, const PromoChange& promo) {
  return change_promo(options, request_of("promo_set", promo), promo.request_id);
}

int run_promo_end(const ToolOptions& options, const PromoChange& promo) {
  return change_promo(options, request_of("promo_end", promo), promo.request_id);
}

int run_promo_list(const ToolOptions& options) {
  const auto read = read_all(options, "promo");
  if (const auto* exit = std::get_if<int>(&read)) return *exit;
  const json& promos = std::get<json>(read);
  if (options.json) std::printf("%s\n", json{{"promos", promos}}.dump().c_str());
  for (const json& promo : promos)
    if (!options.json) std::printf("%s\n", described(promo).c_str());
  return kExitDone;
}

int run_promo_show(const ToolOptions& options, std::uint64_t promo) {
  return show_one(options, "promo", promo, described);
}

}  // namespace stampede::tools
