// What the pages of springboot-seckill are answered.

#include "actors/webapp/compat/page_answers.h"

#include <doctest/doctest.h>

#include <nlohmann/json.hpp>

using namespace stampede::actors;
using nlohmann::json;

namespace {

OwnedItemRow phone() {
  OwnedItemRow item;
  item.item = 7;
  item.terms.name = "手机";
  item.terms.price_cents = 199'999;
  item.terms.total = 100;
  item.left = 97;
  item.sale.description = "好用";
  item.sale.image_url = "/p.png";
  return item;
}

OwnedItemRow offered(PromoState state) {
  auto item = phone();
  item.promo = ShownPromo{9, {}, 9'990, 1'796'126'400'000, 1'796'130'000'000, state};
  return item;
}

json data_of(const OwnedItemRow& item) {
  const auto body = json::parse(page_item(item));
  CHECK(body.size() == 3);
  CHECK(body.at("code") == 200);
  return body.at("data");
}

Answer confirmed() {
  Answer answer;
  answer.state = State::confirmed;
  answer.lsn = stampede::storage::make_lsn(1, 5);
  answer.item = 7;
  answer.qty = 2;
  answer.unit_price_cents = 9'990;
  answer.promo = 9;
  return answer;
}

json rejected(RejectReason reason, std::optional<std::int64_t> left = std::nullopt) {
  Answer answer;
  answer.state = State::rejected;
  answer.reason = reason;
  answer.left = left;
  return json::parse(page_decision(answer, "r-1"));
}

}  // namespace

TEST_CASE("an item without a promo has every member that the page reads") {
  CHECK(data_of(phone()) == json{{"id", 7},
                                 {"title", "手机"},
                                 {"description", "好用"},
                                 {"price", 1999.99},
                                 {"stock", 97},
                                 {"sales", 3},
                                 {"imgUrl", "/p.png"},
                                 {"promoStatus", 0},
                                 {"promoPrice", nullptr},
                                 {"promoId", nullptr},
                                 {"startDate", nullptr}});
}

TEST_CASE("a promo is coming, running or ended") {
  for (const auto& [state, number] :
       {std::pair{PromoState::coming, 1}, std::pair{PromoState::running, 2},
        std::pair{PromoState::ended, 3}}) {
    const auto data = data_of(offered(state));
    CHECK(data.at("promoStatus") == number);
    CHECK(data.at("promoId") == 9);
    CHECK(data.at("promoPrice") == 99.9);
    CHECK(data.at("startDate") == "2026-12-01 20:00:00 GMT+0800");
  }
}

TEST_CASE("a promo is never said to start before it does") {
  CHECK(page_date(1'796'126'400'001) == "2026-12-01 20:00:01 GMT+0800");
  CHECK(page_date(1'796'126'399'001) == "2026-12-01 20:00:00 GMT+0800");
  CHECK(page_date(1'796'126'399'000) == "2026-12-01 19:59:59 GMT+0800");
  CHECK(page_date(0) == "1970-01-01 08:00:00 GMT+0800");
  CHECK(page_date(1'704'038'399'000) == "2023-12-31 23:59:59 GMT+0800");
  CHECK(page_date(1'709'136'000'000) == "2024-02-29 00:00:00 GMT+0800");
  CHECK(page_date(kTimeMsMax) == "10000-01-01 08:00:00 GMT+0800");
}

TEST_CASE("what a page would round is a text") {
  auto item = offered(PromoState::running);
  item.item = (std::uint64_t{1} << 53) - 1;
  CHECK(data_of(item).at("id") == 9'007'199'254'740'991);
  item.item = kItemIdMax;
  item.promo->promo = std::uint64_t{1} << 53;
  item.terms.price_cents = INT64_MAX;
  item.promo->price_cents = (std::int64_t{1} << 53) + 5;
  const auto data = data_of(item);
  CHECK(data.at("id") == "9223372036854775807");
  CHECK(data.at("promoId") == "9007199254740992");
  CHECK(data.at("price") == "92233720368547758.07");
  CHECK(data.at("promoPrice") == "90071992547409.97");
}

TEST_CASE("prices are written with their cents and nothing behind them") {
  auto item = phone();
  for (const auto& [cents, text] :
       {std::pair{1, "0.01"}, std::pair{10, "0.1"}, std::pair{29, "0.29"}, std::pair{100, "1.0"},
        std::pair{1'000'01, "1000.01"}, std::pair{0, "0.0"}}) {
    item.terms.price_cents = cents;
    CHECK(page_item(item).find("\"price\":" + std::string(text) + ",") != std::string::npos);
  }
}

TEST_CASE("a text that is no UTF-8 leaves the answer readable") {
  auto item = phone();
  item.terms.name = "a\xFF";
  CHECK(data_of(item).at("title") == "a\uFFFD");
}

TEST_CASE("a confirmed order is 200 and says what was bought") {
  const auto body = json::parse(page_decision(confirmed(), "r-1"));
  CHECK(body.at("code") == 200);
  CHECK(body.at("msg") == "下单成功");
  CHECK(body.at("data") == json{{"id", "1099511627781"},
                                {"requestId", "r-1"},
                                {"itemId", 7},
                                {"amount", 2},
                                {"promoId", 9},
                                {"itemPrice", 99.9}});
  auto plain = confirmed();
  plain.promo = kNoNumber;
  CHECK(json::parse(page_decision(plain, "r-1")).at("data").at("promoId").is_null());
}

TEST_CASE("an order that must be paid says until when") {
  auto held = confirmed();
  held.fulfilment = stampede::storage::Fulfilment::unpaid;
  held.at_ms = 1'796'126'400'000;
  const auto body = json::parse(page_decision(held, "r-1"));
  CHECK(body.at("code") == 200);
  CHECK(body.at("data").at("payBy") == "2026-12-01 20:00:00 GMT+0800");
  held.fulfilment = stampede::storage::Fulfilment::paid;
  CHECK(!json::parse(page_decision(held, "r-1")).at("data").contains("payBy"));
}

TEST_CASE("a rejected order is never 200") {
  CHECK(rejected(RejectReason::sold_out) ==
        json{{"code", 20003}, {"msg", "商品已售罄"}, {"data", nullptr}});
  CHECK(rejected(RejectReason::sold_out, 0).at("msg") == "商品已售罄");
  CHECK(rejected(RejectReason::sold_out, 1).at("msg") == "库存不足");
  CHECK(rejected(RejectReason::limit_reached) ==
        json{{"code", 500}, {"msg", "已达到每人限购数量"}, {"data", nullptr}});
}

TEST_CASE("a session is the whole data") {
  CHECK(json::parse(page_session("a.b.c")) ==
        json{{"code", 30006}, {"msg", "登录成功"}, {"data", "a.b.c"}});
}
