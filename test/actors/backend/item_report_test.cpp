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

TEST_CASE("what was not read yet is not told as nothing") {
  BackendStatus status;
  json told;
  report_backend(told, status);
  for (const char* member : {"durable_lsn", "pending_commands", "bytes", "segments"})
    CHECK(told["log"].at(member).is_null());
  for (const char* member : {"lag_s", "failed"}) CHECK(told["database"].at(member).is_null());
  status.counted.store(true);
  status.log_segments.store(2);
  report_backend(told, status);
  CHECK(told["log"].at("segments") == 2);
  CHECK(told["database"].at("failed") == 0);
}

TEST_CASE("a start that waits for the database says so") {
  BackendStatus status;
  json told;
  report_backend(told, status);
  CHECK(told.at("refuses").is_null());
  status.start_waits = "first start waits for the database";
  report_backend(told, status);
  CHECK(told.at("refuses") == status.start_waits);
  CHECK(told.at("waits_for") == "database");
  status.log_room.store(0);
  report_backend(told, status);
  CHECK(told.at("refuses") != status.start_waits);
  CHECK(told.at("waits_for").is_null());
}

TEST_CASE("a start that waits for room refuses changes, and tells who looks why") {
  const LimitTexts limits{{}};
  const auto reply = [&](const char* what) {
    return standstill_reply({{"do", what}}, Standstill::log_room, limits);
  };
  for (const char* what : {"stock_change", "item_put", "promo_end", "sessions_end"})
    CHECK(reply(what) == error_reply(Code::overloaded, {}, limits.text(limit::kLogRoom)));
  for (const char* what : {"items", "promos", "books"}) {
    CHECK(reply(what).at("error") == "not_ready");
    CHECK(reply(what).at("exit") == 3);
    const auto message = reply(what).at("message").get<std::string>();
    CHECK(message.find(limits.text(limit::kLogRoom)) != std::string::npos);
  }
}
