// Orders are found by what they are, newest first and piece by piece; rights are read.

#include <doctest/doctest.h>

#include <string>
#include <vector>

#include "storage/mysql/order_search.h"
#include "storage/mysql/server_facts.h"
#include "test/storage/mysql/mysql_fixture.h"

using namespace stampede::storage;

TEST_CASE("the rights that a node needs are found in what the server grants") {
  using Rights = std::vector<std::string>;
  const std::string usage = "GRANT USAGE ON *.* TO `st`@`localhost`";
  CHECK(missing_rights({usage}, "stampede") == Rights{"SELECT", "INSERT", "UPDATE"});
  CHECK(missing_rights({usage, "GRANT SELECT, INSERT, UPDATE ON `stampede`.* TO `st`@`localhost`"},
                       "stampede")
            .empty());
  CHECK(missing_rights({"GRANT ALL PRIVILEGES ON *.* TO `root`@`localhost` WITH GRANT OPTION"}, "x")
            .empty());
  CHECK(missing_rights({"GRANT SELECT, UPDATE ON `st\\_x`.* TO `st`@`%`"}, "st_x") ==
        Rights{"INSERT"});
  CHECK(missing_rights({"GRANT SELECT, INSERT, UPDATE ON `other`.* TO `st`@`%`"}, "stampede") ==
        Rights{"SELECT", "INSERT", "UPDATE"});
}

namespace {

constexpr std::int64_t kNoonUs = 1'795'953'600'000'000;  // 2026-11-29T12:00:00Z

std::vector<FoundOrder> find(const OrderFilter& filter, std::size_t limit) {
  auto search = OrderSearch::open(stampede::test::server().node(), filter);
  REQUIRE(search);
  std::vector<FoundOrder> found;
  for (bool more = true; more && found.size() < limit;) {
    const auto looked = search->next(limit - found.size(),
                                     [&](const FoundOrder& order) { found.push_back(order); });
    REQUIRE(looked);
    more = *looked;
  }
  return found;
}

}  // namespace

TEST_CASE("orders are found by what they are, newest first, in pieces") {
  const stampede::test::MysqlFixture database;
  // One a second from noon on, of 1000 users and three items.
  database.run(
      "INSERT INTO orders(order_id,request_id,item_id,user_id,qty,unit_price_cents,decided_at) "
      "SELECT seq,CONCAT('r-',seq),seq%3,CONCAT('u-',seq%1000),2,99,"
      "'2026-11-29 12:00:00'+INTERVAL seq SECOND FROM seq_1_to_120000");
  const auto all = find({}, 5);
  REQUIRE(all.size() == 5);
  CHECK(all[0].order_id == 120'000);
  CHECK(all[4].order_id == 119'996);
  CHECK(all[0].request_id == "r-120000");
  CHECK(all[0].qty == 2);
  CHECK(all[0].unit_price_cents == 99);
  CHECK(all[0].decided_at_us == kNoonUs + 120'000 * std::int64_t{1'000'000});
  CHECK(all[0].fulfilment == "none");
  OrderFilter of_user;
  of_user.user = "u-7";
  const auto user = find(of_user, 1'000);
  REQUIRE(user.size() == 120);
  CHECK(user.front().order_id == 119'007);
  CHECK(user.back().order_id == 7);
  of_user.item = 1;
  CHECK(find(of_user, 1'000).size() == 40);
  OrderFilter of_id;
  of_id.request_id = "r-3";
  REQUIRE(find(of_id, 2).size() == 1);
  OrderFilter of_time;
  of_time.since_us = kNoonUs + 100 * std::int64_t{1'000'000};
  of_time.until_us = kNoonUs + 200 * std::int64_t{1'000'000};
  CHECK(find(of_time, 1'000).size() == 101);
  OrderFilter paid;
  paid.fulfilment = "paid";
  CHECK(find(paid, 10).empty());
}
