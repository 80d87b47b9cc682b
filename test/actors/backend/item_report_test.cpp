// What the admin socket says of items, and how it reads their changes.

#include <doctest/doctest.h>

#include <nlohmann/json.hpp>
#include <string>

#include "actors/backend/backend_report.h"

using namespace stampede::actors;
using nlohmann::json;

namespace {

const json kPut{
    {"do", "item_put"}, {"request_id", "p"}, {"item", 7}, {"name", "Phone"}, {"total", 100}};

std::string error_with(json command, const char* member, json value) {
  command[member] = std::move(value);
  return read_control(command).error;
}

}  // namespace

TEST_CASE("an item as the admin socket shows it") {
  const ItemRow row{7, {"Phone 名", 1999, 100, 2, 5}, 98, 1'099'511'627'781};
  CHECK(item_json(row).dump() ==
        R"({"item":7,"left":98,"limit_per_user":2,"max_qty":5,"name":"Phone 名",)"
        R"("price_cents":1999,"seq":"1099511627781","sold":2,"total":100})");
  CHECK(item_status(row).dump() ==
        R"({"item":7,"left":98,"name":"Phone 名","sold":2,"total":100})");
}

TEST_CASE("a change of an item is read, with what it leaves out") {
  auto command = kPut;
  const auto least = read_control(command);
  CHECK(least.error.empty());
  CHECK(least.request.kind == RequestKind::item_put);
  CHECK(least.request.id == "p");
  CHECK(least.request.item == 7);
  CHECK(least.request.terms.name == "Phone");
  CHECK(least.request.terms.price_cents == 0);
  CHECK(least.request.terms.total == 100);
  CHECK(least.request.terms.limit_per_user == 0);
  CHECK(least.request.terms.max_qty == 5);
  command["price_cents"] = -1;
  command["limit_per_user"] = UINT32_MAX;
  command["max_qty"] = nullptr;
  const auto more = read_control(command);
  CHECK(more.error.empty());
  CHECK(more.request.terms.price_cents == -1);
  CHECK(more.request.terms.limit_per_user == UINT32_MAX);
  CHECK(more.request.terms.max_qty == 5);
  const json stock{{"do", "stock_change"}, {"request_id", "s"}, {"item", 7}, {"delta", -5}};
  CHECK(read_control(stock).request.delta == -5);
}

TEST_CASE("a change that cannot be read names the first member at fault") {
  CHECK(error_with(kPut, "name", nullptr) == "name must be a text");
  CHECK(error_with(kPut, "name", 1) == "name must be a text");
  CHECK(error_with(kPut, "price_cents", "1") == "price_cents must be a whole number");
  CHECK(error_with(kPut, "total", nullptr) == "total must be a whole number");
  CHECK(error_with(kPut, "total", 1.5) == "total must be a whole number");
  CHECK(error_with(kPut, "limit_per_user", -1) == "limit_per_user must be a whole number in range");
  CHECK(error_with(kPut, "limit_per_user", 1LL << 32) ==
        "limit_per_user must be a whole number in range");
  CHECK(error_with(kPut, "max_qty", -1) == "max_qty must be a whole number in range");
  CHECK(error_with(kPut, "item", -1) == "item must be a whole number in range");
}
