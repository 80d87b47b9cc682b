#include "tools/ask/promo.h"

#include <cstdio>
#include <nlohmann/json.hpp>
#include <utility>

#include "tools/ask/admin_client.h"
#include "tools/ask/json_text.h"
#include "tools/ask/moment.h"

namespace stampede::tools {
namespace {

using nlohmann::json;

constexpr int kPromosPage = 500;

// The times again, as moments: from when the command is repeated "+5m" would be others.
std::string times_of(const json& request) {
  std::string text;
  for (const auto& [member, flag] :
       {std::pair{"starts_at_ms", " --starts "}, std::pair{"ends_at_ms", " --ends "}})
    if (request.contains(member))
      text += flag + moment_text(request.at(member).get<std::int64_t>());
  return text;
}

int report_failure(const ToolOptions& options, const AdminFailure& failure, const json& request) {
  if (options.json)
    std::printf("%s\n", json{{"error", failure.message}, {"exit", failure.exit}}.dump().c_str());
  std::fprintf(stderr, "stampede promo: %s\n", failure.message.c_str());
  if (failure.exit == kExitTimedOut && request.contains("request_id")) {
    std::fprintf(stderr, "to settle it, repeat the command with --request-id %s%s\n",
                 request.at("request_id").get<std::string>().c_str(), times_of(request).c_str());
  }
  return failure.exit;
}

std::string moment_of(const json& promo, const char* member) {
  return moment_text(promo.value(member, std::int64_t{0}));
}

std::string described(const json& promo) {
  std::string text = "promo " + text_of(promo, "promo") + " \"" + text_of(promo, "name") +
                     "\"  item " + text_of(promo, "item") + "  price_cents " +
                     text_of(promo, "price_cents") + "  " + moment_of(promo, "starts_at_ms") +
                     " to " + moment_of(promo, "ends_at_ms") + "  " + text_of(promo, "state");
  if (promo.value("limit_per_user", 0) != 0)
    text += "  limit_per_user " + text_of(promo, "limit_per_user");
  if (promo.value("hold_s", 0) != 0) text += "  hold " + text_of(promo, "hold_s") + " s";
  return text;
}

// Sends a change and says what became of it.
int change_promo(const ToolOptions& options, json request, const std::string& given_id) {
  request["request_id"] = given_id.empty() ? mint_request_id() : given_id;
  const auto answer = ask_admin_or_fail(options.config, request);
  if (const auto* failure = std::get_if<AdminFailure>(&answer))
    return report_failure(options, *failure, request);
  json map = std::get<json>(answer);
  map["request_id"] = request["request_id"];
  if (options.json) {
    std::printf("%s\n", map.dump().c_str());
    return kExitDone;
  }
  std::printf("%s  %s   request %s\n", map.value("changed", true) ? "changed" : "unchanged",
              described(map.value("promo", json::object())).c_str(),
              text_of(map, "request_id").c_str());
  return kExitDone;
}

json request_of(const char* what, const PromoChange& change) {
  json request{{"do", what}, {"promo", change.promo}};
  const auto give = [&](const char* member, const auto& value) {
    if (value) request[member] = *value;
  };
  give("item", change.item);
  give("name", change.name);
  give("price_cents", change.price_cents);
  give("starts_at_ms", change.starts_at_ms);
  give("ends_at_ms", change.ends_at_ms);
  give("limit_per_user", change.limit_per_user);
  give("hold_s", change.hold_s);
  return request;
}

// Up to `most` promos from this id on, or the exit code of what went wrong.
std::variant<json, int> read_promos(const ToolOptions& options, std::uint64_t first, bool one) {
  json all = json::array();
  json from = first;
  do {
    const json request{{"do", "promos"}, {"from", from}, {"limit", one ? 1 : kPromosPage}};
    const auto answer = ask_admin_or_fail(options.config, request);
    if (const auto* failure = std::get_if<AdminFailure>(&answer))
      return report_failure(options, *failure, request);
    const json& page = std::get<json>(answer);
    for (const json& promo : page.value("promos", json::array())) all.push_back(promo);
    from = page.value("next", json());
  } while (!one && !from.is_null());
  return all;
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
  const auto read = read_promos(options, 0, false);
  if (const auto* exit = std::get_if<int>(&read)) return *exit;
  const json& promos = std::get<json>(read);
  if (options.json) std::printf("%s\n", json{{"promos", promos}}.dump().c_str());
  for (const json& promo : promos)
    if (!options.json) std::printf("%s\n", described(promo).c_str());
  return kExitDone;
}

int run_promo_show(const ToolOptions& options, std::uint64_t promo) {
  const auto read = read_promos(options, promo, true);
  if (const auto* exit = std::get_if<int>(&read)) return *exit;
  const json& found = std::get<json>(read);
  if (found.empty() || found.front().value("promo", promo + 1) != promo) {
    std::fprintf(stderr, "stampede promo: there is no promo %s\n", std::to_string(promo).c_str());
    return kExitFailure;
  }
  std::printf("%s\n",
              options.json ? found.front().dump().c_str() : described(found.front()).c_str());
  return kExitDone;
}

}  // namespace stampede::tools
