#include "tools/ask/item.h"

#include <cstdio>
#include <nlohmann/json.hpp>
#include <utility>

#include "tools/ask/admin_client.h"
#include "tools/ask/json_text.h"

namespace stampede::tools {
namespace {

using nlohmann::json;

constexpr int kItemsPage = 500;

int report_failure(const ToolOptions& options, const AdminFailure& failure,
                   const std::string& request_id) {
  if (options.json) {
    std::printf("%s\n", json{{"error", failure.message}, {"exit", failure.exit}}.dump().c_str());
  }
  std::fprintf(stderr, "stampede item: %s\n", failure.message.c_str());
  if (failure.exit == kExitTimedOut && !request_id.empty()) {
    std::fprintf(stderr, "to settle it, repeat the command with --request-id %s\n",
                 request_id.c_str());
  }
  return failure.exit;
}

void print_item(const json& item) {
  std::printf("%-20s %-30s %14s %14s %12s\n", text_of(item, "item").c_str(),
              text_of(item, "name").c_str(), text_of(item, "total").c_str(),
              text_of(item, "left").c_str(), text_of(item, "price_cents").c_str());
}

// Sends a change and says what became of it.
int change(const ToolOptions& options, json request, const std::string& given_id) {
  const std::string request_id = given_id.empty() ? mint_request_id() : given_id;
  request["request_id"] = request_id;
  const auto answer = ask_admin_or_fail(options.config, request);
  if (const auto* failure = std::get_if<AdminFailure>(&answer)) {
    return report_failure(options, *failure, request_id);
  }
  json map = std::get<json>(answer);
  map["request_id"] = request_id;
  if (options.json) {
    std::printf("%s\n", map.dump().c_str());
    return kExitDone;
  }
  const json item = map.value("item", json::object());
  std::printf("%s  item %s \"%s\"  total %s  left %s   request %s\n",
              map.value("changed", true) ? "changed" : "unchanged", text_of(item, "item").c_str(),
              text_of(item, "name").c_str(), text_of(item, "total").c_str(),
              text_of(item, "left").c_str(), request_id.c_str());
  return kExitDone;
}

}  // namespace

int run_item_add(const ToolOptions& options, const ItemAdd& add) {
  json request{{"do", "item_put"}, {"item", add.item}};
  each_term([&](const storage::Term& term,
                const auto& value) { request[std::string(term.name)] = value; },
            add.terms);
  return change(options, std::move(request), add.request_id);
}

int run_item_stock(const ToolOptions& options, std::uint64_t item, std::int64_t delta,
                   const std::string& request_id) {
  return change(options, {{"do", "stock_change"}, {"item", item}, {"delta", delta}}, request_id);
}

int run_item_list(const ToolOptions& options) {
  json all = json::array();
  json from = 0;
  do {
    const auto answer =
        ask_admin_or_fail(options.config, {{"do", "items"}, {"from", from}, {"limit", kItemsPage}});
    if (const auto* failure = std::get_if<AdminFailure>(&answer)) {
      return report_failure(options, *failure, {});
    }
    const json& page = std::get<json>(answer);
    for (const json& item : page.value("items", json::array())) all.push_back(item);
    from = page.value("next", json());
  } while (!from.is_null());
  if (options.json) {
    std::printf("%s\n", json{{"items", all}}.dump().c_str());
    return kExitDone;
  }
  std::printf("%-20s %-30s %14s %14s %12s\n", "ITEM", "NAME", "TOTAL", "LEFT", "PRICE_CENTS");
  for (const json& item : all) print_item(item);
  return kExitDone;
}

}  // namespace stampede::tools
