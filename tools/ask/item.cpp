#include "tools/ask/item.h"

#include <cstdio>
#include <nlohmann/json.hpp>
#include <utility>

#include "tools/ask/admin_client.h"
#include "tools/ask/json_text.h"
#include "tools/ask/operator_change.h"

namespace stampede::tools {
namespace {

using nlohmann::json;

constexpr int kItemsPage = 500;

void print_item(const json& item) {
  std::printf("%-20s %-30s %14s %14s %12s\n", text_of(item, "item").c_str(),
              text_of(item, "name").c_str(), text_of(item, "total").c_str(),
              text_of(item, "left").c_str(), text_of(item, "price_cents").c_str());
}

std::string described_item(const json& answer) {
  const json item = answer.value("item", json::object());
  return "item " + text_of(item, "item") + " \"" + text_of(item, "name") + "\"  total " +
         text_of(item, "total") + "  left " + text_of(item, "left");
}

int change_item(const ToolOptions& options, json request, const std::string& given_id) {
  return run_operator_change(options, {"item", described_item, {}}, std::move(request), given_id);
}

}  // namespace

int run_item_add(const ToolOptions& options, const ItemAdd& add) {
  json request{{"do", "item_put"}, {"item", add.item}};
  each_term([&](const storage::Term& term,
                const auto& value) { request[std::string(term.name)] = value; },
            add.terms);
  return change_item(options, std::move(request), add.request_id);
}

int run_item_stock(const ToolOptions& options, std::uint64_t item, std::int64_t delta,
                   const std::string& request_id) {
  return change_item(options, {{"do", "stock_change"}, {"item", item}, {"delta", delta}},
                     request_id);
}

int run_item_list(const ToolOptions& options) {
  json all = json::array();
  json from = 0;
  do {
    const auto answer =
        ask_admin_or_fail(options.config, {{"do", "items"}, {"from", from}, {"limit", kItemsPage}});
    if (const auto* failure = std::get_if<AdminFailure>(&answer)) {
      return report_failure(options, "item", *failure);
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
