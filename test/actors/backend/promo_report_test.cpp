// What the admin socket says of promos, those of which a record is parked included.

#include <doctest/doctest.h>

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "actors/backend/backend_report.h"

using namespace stampede;
using namespace stampede::actors;
using nlohmann::json;

namespace {

constexpr std::int64_t kStart = 1'800'000'000'000;

struct Book {
  Book() {
    std::string bytes;
    storage::encode_item_set(bytes, {"item-1", 1, {"Phone", 999, 100, 0, 5}, 0}, {1, 100});
    take(bytes, [&](const auto& set, Lsn at) { REQUIRE(book.replay_set(set, at)); });
  }
  void put(std::uint64_t promo, bool parked) {
    storage::PromoPut put;
    put.request_id = "p";
    put.promo = promo;
    put.item = 1;
    put.name = "Sale";
    put.starts_at_ms = kStart + static_cast<std::int64_t>(promo) * 1000;
    put.ends_at_ms = put.starts_at_ms + 1000;
    std::string bytes;
    storage::encode_promo_set(bytes, put);
    take(bytes, [&](const auto& set, Lsn at) {
      if (parked)
        book.park_set(set, at);
      else
        REQUIRE(book.replay_set(set, at));
    });
  }
  template <class Act>
  void take(const std::string& bytes, const Act& act) {
    storage::CommandDecoder decoder;
    std::vector<storage::Command> set;
    REQUIRE(decoder.command_set(bytes, set));
    act(set, ++lsn);
  }
  json page(std::uint64_t from, std::uint32_t limit) const {
    Request request;
    request.kind = RequestKind::promos;
    request.item = from;
    request.qty = limit;
    return promos_reply(book, request, kStart * 1000);
  }

  OrderBook book{LogUuid{1}, {1000, 100}};
  Lsn lsn = storage::make_lsn(1, 0);
};

// "7 8p": ids, each with a mark where it says that it is parked.
std::string ids(const json& page) {
  std::string text;
  for (const auto& promo : page.at("promos"))
    text += (text.empty() ? "" : " ") + promo.at("promo").dump() +
            (promo.contains("parked") ? "p" : "");
  return text;
}

}  // namespace

TEST_CASE("a promo whose only record is parked is there by its number, as parked") {
  Book test;
  test.put(7, true);
  const auto shown = test.page(7, 1);
  CHECK(shown.at("promos") ==
        json::array({{{"promo", 7}, {"item", 1}, {"state", "parked"}, {"parked", "1.2"}}}));
  CHECK_FALSE(shown.contains("next"));
  CHECK(ids(test.page(8, 1)).empty());
}

TEST_CASE("one that was changed by a parked record says so beside what it was") {
  Book test;
  test.put(7, false);
  test.put(7, true);
  const auto promo = test.page(7, 1).at("promos").at(0);
  CHECK(promo.at("state") == "coming");
  CHECK(promo.at("name") == "Sale");
  CHECK(promo.at("parked") == "1.3");
}

TEST_CASE("pages hold parked ones in their places, and lose none") {
  Book test;
  for (const auto promo : {2, 4, 6}) test.put(static_cast<std::uint64_t>(promo), false);
  for (const auto promo : {1, 5, 7}) test.put(static_cast<std::uint64_t>(promo), true);
  CHECK(ids(test.page(0, 500)) == "1p 2 4 5p 6 7p");
  std::string all;
  json from = 0;
  for (int pages = 0; !from.is_null() && pages < 10; ++pages) {
    const auto page = test.page(from.get<std::uint64_t>(), 2);
    all += ids(page) + " ";
    from = page.value("next", json());
  }
  CHECK(all == "1p 2 4 5p 6 7p ");
}
