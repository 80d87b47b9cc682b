// What the admin socket says of items.

#include <doctest/doctest.h>

#include <nlohmann/json.hpp>
#include <string>

#include "actors/backend/backend_report.h"

using namespace stampede::actors;
using nlohmann::json;

TEST_CASE("an item as the admin socket shows it") {
  const ItemRow row{7, {"Phone 名", 1999, 100, 2, 5}, 98, 1'099'511'627'781};
  CHECK(item_json(row).dump() ==
        R"({"item":7,"left":98,"limit_per_user":2,"max_qty":5,"name":"Phone 名",)"
        R"("price_cents":1999,"seq":"1099511627781","sold":2,"total":100})");
  CHECK(item_status(row).dump() ==
        R"({"item":7,"left":98,"name":"Phone 名","sold":2,"total":100})");
}
