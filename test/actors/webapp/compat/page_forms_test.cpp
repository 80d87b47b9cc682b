// Reading the forms that the pages of springboot-seckill send.

#include "actors/webapp/compat/page_forms.h"

#include <doctest/doctest.h>

using namespace stampede::actors;

namespace {

std::vector<QueryPair> pairs(const std::string& form) {
  return parse_query(form).value();
}

std::string order_fault(const std::string& form) {
  PageOrder order;
  return std::string(read_order_form(pairs(form), order).value_or("none"));
}

std::string login_fault(const std::string& form) {
  PageLogin login;
  return std::string(read_login_form(pairs(form), login).value_or("none"));
}

}  // namespace

TEST_CASE("an order is read as the page sends it") {
  PageOrder order;
  CHECK(!read_order_form(pairs("itemId=7&amount=1&promoId=&token="), order));
  CHECK(order.item == 7);
  CHECK(order.qty == 1);
  CHECK(order.promo == kNoNumber);
  CHECK(order.session.empty());
  PageOrder other;
  CHECK(!read_order_form(pairs("token=a.b.c&promoId=9&amount=2&itemId=9223372036854775807&x=1"),
                         other));
  CHECK(other.item == kItemIdMax);
  CHECK(other.qty == 2);
  CHECK(other.promo == 9);
  CHECK(other.session == "a.b.c");
  CHECK(order_fault("itemId=0&amount=1000") == "none");
}

TEST_CASE("each field of an order that is wrong is named") {
  const std::string good = "itemId=7&amount=1";
  for (const char* item : {"", "itemId=", "itemId=x", "itemId=-1", "itemId=1.0", "itemId=+1",
                           "itemId=9223372036854775808", "itemId= 7", "itemId=7&itemId=7"})
    CHECK(order_fault(std::string(item) + "&amount=1") == "itemId");
  for (const char* amount : {"", "amount=", "amount=0", "amount=-1", "amount=1001", "amount=1e3",
                             "amount=4294967297", "amount=1&amount=1"})
    CHECK(order_fault("itemId=7&" + std::string(amount)) == "amount");
  for (const char* promo : {"promoId=x", "promoId=-1", "promoId=1&promoId=1",
                            "promoId=&promoId=", "promoId=null", "promoId=9223372036854775808"})
    CHECK(order_fault(good + "&" + promo) == "promoId");
  CHECK(order_fault(good + "&token=a&token=a") == "token");
  CHECK(order_fault("") == "itemId");
}

TEST_CASE("a log-in needs a phone and a password, once each") {
  PageLogin login;
  CHECK(!read_login_form(pairs("telphone=13800000000&password=a%20b%26c"), login));
  CHECK(login.phone == "13800000000");
  CHECK(login.password == "a b&c");
  CHECK(login_fault("password=x") == "telphone");
  CHECK(login_fault("telphone=&password=x") == "telphone");
  CHECK(login_fault("telphone=1&telphone=1&password=x") == "telphone");
  CHECK(login_fault("telphone=1") == "password");
  CHECK(login_fault("telphone=1&password=") == "password");
  CHECK(login_fault("telphone=1&password=a&password=b") == "password");
}

TEST_CASE("an item is named by its number") {
  std::uint64_t item = 0;
  CHECK(!read_item_query(pairs("id=42"), item));
  CHECK(item == 42);
  for (const char* query : {"", "id=", "id=x", "id=1&id=1", "id=-1", "item=1"})
    CHECK(read_item_query(pairs(query), item) == "id");
}
