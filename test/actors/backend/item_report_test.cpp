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
        R"({"description":"","hold_low_s":0,"hold_s":0,"image_url":"","item":7,"left":98,)"
        R"("limit_per_user":2,"low_stock_percent":0,"max_qty":5,"name":"Phone 名",)"
        R"("price_cents":1999,"sale":"always","seq":"1099511627781","sold":2,"state":"open",)"
        R"("total":100,"unpaid_per_user_max":0})");
  CHECK(item_status(row).dump() ==
        R"({"item":7,"left":98,"name":"Phone 名","sold":2,"state":"open","total":100})");
}
