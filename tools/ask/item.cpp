#include "tools/ask/item.h"

#include <cstdio>
#include <nlohmann/json.hpp>
#include <utility>

#include "tools/ask/admin_client.h"
#include "tools/ask/json_text.h"
#include "tools/ask/operator_change.h"
#include "tools/ask/operator_list.h"

namespace stampede::tools {
namespace {

using nlohmann::json;

void print_item(const json& item) {
  std::printf("%-20s %-30s %14s %14s %12s\n", text_of(item, "item").c_str(),
              text_of(item, "name").c_str(), text_of(item, "total").c_str(),
              text_of(item, "left").c_str(), text_of(item, "price_cents").c_str());
}

// What a term of the sale says, where it says anything.
std::string described_rules(const json& item) {
  std::string text;
  storage::each_sale_term([&](const storage::Term& term) {
    const auto found = item.find(term.name);
    if (found == item.end() || *found == 0 || *found == "") return;
    text += "  " + std::string(term.name) + " " + text_of(item, std::string(term.name).c_str());
  });
  if (item.value("sale", "always") != "always") text += "  " + text_of(item, "sale");
  if (item.value("limit_per_user", 0) != 0)
    text += "  limit_per_user " + text_of(item, "limit_per_user");
  return text;
}

std::string item_line(const json& item) {
  return "item " + text_of(item, "item") + " \"" + text_of(item, "name") + "\"  total " +
         text_of(item, "total") + "  left " + text_of(item, "left") + "  " +
         text_of(item, "state") + described_rules(item);
}

std::string described_item(const json& answer) {
  return item_line(answer.value("item", json::object()));
}

int change_item(const ToolOptions& options, json request, const std::string& given_id) {
  return run_operator_change(options, {"item", described_item}, std::move(request), given_id);
}

}  // namespace

int run_item_add(const ToolOptions& options, const ItemChange& change) {
  json request{{"do", "item_put"}, {"item", change.item}};
  const auto give = [&](const storage::Term& term, const auto& value) {
    request[std::string(term.name)] = value;
  };
  each_term(give, change.put.terms);
  each_sale_term(give, change.sale);
  return change_item(options, std::move(request), change.request_id);
}

int run_item_set(const ToolOptions& options, const ItemChange& change) {
  json request{{"do", "item_set"}, {"item", change.item}};
  std::uint32_t at = 0;
  storage::each_settable_term(
      [&](const storage::Term& term, const auto& value) {
        if (((change.given >> at++) & 1U) != 0) request[std::string(term.name)] = value;
      },
      change);
  return change_item(options, std::move(request), change.request_id);
}

int run_item_open(const ToolOptions& options, const ItemChange& change) {
  return change_item(options, {{"do", "item_open"}, {"item", change.item}}, change.request_id);
}

int run_item_close(const ToolOptions& options, const ItemChange& change) {
  return change_item(options, {{"do", "item_close"}, {"item", change.item}}, change.request_id);
}

int run_item_stock(const ToolOptions& options, std::uint64_t item, std::int64_t delta,
                   const std::string& request_id) {
  return change_item(options, {{"do", "stock_change"}, {"item", item}, {"delta", delta}},
                     request_id);
}

int run_item_list(const ToolOptions& options) {
  const auto read = read_all(options, "item");
  if (const auto* exit = std::get_if<int>(&read)) return *exit;
  const json& all = std::get<json>(read);
  if (options.json) {
    std::printf("%s\n", json{{"items", all}}.dump().c_str());
    return kExitDone;
  }
  std::printf("%-20s %-30s %14s %14s %12s\n", "ITEM", "NAME", "TOTAL", "LEFT", "PRICE_CENTS");
  for (const json& item : all) print_item(item);
  return kExitDone;
}

int run_item_show(const ToolOptions& options, std::uint64_t item) {
  return show_one(options, "item", item, item_line);
}

}  // namespace stampede::tools
