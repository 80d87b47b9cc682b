#include "tools/ask/status.h"

#include <doctest/doctest.h>

#include <string>

using nlohmann::json;
using stampede::tools::sale_text;
using stampede::tools::wait_advice;

TEST_CASE("what a backend has not told yet is not said to be nothing") {
  const json none = {{"items", json::array()}, {"items_told", false}};
  CHECK(sale_text(none) == "sale      not told yet by the backend\n");
  CHECK(sale_text({{"items", json::array()}}) ==
        "sale      no items; add one with: stampede item add\n");
}

TEST_CASE("what lets a start that waits go on") {
  json node = {{"state", "replaying"}, {"refuses", nullptr}};
  CHECK(wait_advice(node).empty());
  node["refuses"] = "the log's disk is full";
  CHECK(wait_advice(node).find("make room") == 0);
  node["refuses"] = "first start waits for the database";
  node["waits_for"] = "database";
  CHECK(wait_advice(node).find("mend what the note says of the database") == 0);
  node["state"] = "ready";
  CHECK(wait_advice(node).empty());
}

TEST_CASE("what is sold, twenty lines of it") {
  const json phone = {
      {"item", 1}, {"name", "Pho\nne"}, {"sold", 1234}, {"total", 300'000}, {"left", 298'766}};
  const std::string line =
      "sale      item 1 \"Pho\\u000ane\"   sold 1,234 / 300,000   left 298,766\n";
  CHECK(sale_text({{"items", json::array({phone})}}) == line);
  CHECK(sale_text({{"items", json::array({{{"item", 2}}})}}) ==
        "sale      item 2 \"-\"   sold - / -   left -\n");
  std::string twenty;
  for (int i = 0; i < 20; ++i) twenty += line;
  CHECK(sale_text({{"items", json(20, phone)}}) == twenty);
  CHECK(sale_text({{"items", json(22, phone)}}) ==
        twenty + "          and 2 more; see: stampede item list\n");
}
