// The numbers and sentences that the pages of springboot-seckill are told.

#include "actors/webapp/compat/page_texts.h"

#include <doctest/doctest.h>

#include <algorithm>

using namespace stampede::actors;

namespace {

int number(const PageText& says) {
  return static_cast<int>(says.code);
}

// Whether there is Chinese in it: a character of three bytes from U+4E00 on.
bool is_chinese(const std::string& text) {
  return std::any_of(text.begin(), text.end(), [](char c) {
    return static_cast<unsigned char>(c) >= 0xE4 && static_cast<unsigned char>(c) <= 0xE9;
  });
}

template <class Visit>
void each_code(Visit visit) {
  for (std::uint16_t at = 1; at < 256; ++at) {
    const auto code = static_cast<Code>(at);
    if (info(code).code == code) visit(code);
  }
}

}  // namespace

TEST_CASE("every refusal has a text in Chinese and no number of a success") {
  int codes = 0;
  each_code([&](Code code) {
    INFO(info(code).text);
    ++codes;
    for (const auto& says : {refusal_text(code), order_refusal_text(code, false),
                             order_refusal_text(code, true), login_refusal_text(code)}) {
      CHECK(is_chinese(says.text));
      CHECK(number(says) != 200);
      CHECK(number(says) != 30006);
    }
  });
  CHECK(codes > 30);
}

TEST_CASE("whatever is wrong with a session leads to the page to log in, and nothing else does") {
  each_code([&](Code code) {
    INFO(info(code).text);
    CHECK((number(order_refusal_text(code, false)) == 30005) == (info(code).http_status == 401));
  });
  CHECK(refusal_text(Code::not_logged_in).text == "您还未登录，无法下单");
  CHECK(refusal_text(Code::session_expired).text == "登录已过期，请重新登录");
}

TEST_CASE("an order is told to be open exactly when it may be decided") {
  for (const auto code : {Code::deadline_passed, Code::no_backend, Code::replaying,
                          Code::log_unavailable, Code::internal}) {
    INFO(info(code).text);
    for (const bool waited : {false, true}) {
      const auto says = order_refusal_text(code, waited);
      CHECK(number(says) == 100001);
      CHECK(says.text.find("未知") != std::string::npos);
    }
  }
  for (const auto code : {Code::overloaded, Code::draining}) {
    CHECK(number(order_refusal_text(code, false)) == 500);
    CHECK(number(order_refusal_text(code, true)) == 100001);
  }
  for (const auto code :
       {Code::ended, Code::not_started, Code::sold_out_for_now, Code::unpaid_limit,
        Code::unknown_item, Code::rate_limited, Code::not_logged_in})
    for (const bool waited : {false, true})
      CHECK(number(order_refusal_text(code, waited)) != 100001);
}

TEST_CASE("of an item nothing is left open by a backend that is away") {
  CHECK(number(refusal_text(Code::no_backend)) == 500);
  CHECK(refusal_text(Code::deadline_passed).text == "系统繁忙，请稍后再试");
}

TEST_CASE("a field is called as the form calls it") {
  CHECK(refusal_text(Code::bad_request, "qty").text == "请求参数有误：amount");
  CHECK(refusal_text(Code::bad_request, "item").text == "请求参数有误：itemId");
  CHECK(refusal_text(Code::bad_request, "promo").text == "请求参数有误：promoId");
  CHECK(login_refusal_text(Code::bad_request, "phone").text == "请求参数有误：telphone");
  CHECK(login_refusal_text(Code::bad_request, "password").text == "请求参数有误：password");
  CHECK(number(refusal_text(Code::bad_request, "qty")) == 405);
  CHECK(refusal_text(Code::bad_request, "telphone").text == "请求参数有误：telphone");
  CHECK(refusal_text(Code::bad_request).text == "请求必须是一个完整的表单");
}

TEST_CASE("times to wait are told in whole seconds, rounded up") {
  CHECK(refusal_text(Code::not_started, {}, 1).text == "活动尚未开始，请1秒后再试");
  CHECK(refusal_text(Code::not_started, {}, 1000).text == "活动尚未开始，请1秒后再试");
  CHECK(refusal_text(Code::not_started, {}, 1001).text == "活动尚未开始，请2秒后再试");
  CHECK(refusal_text(Code::not_started).text == "活动尚未开始");
  CHECK(refusal_text(Code::rate_limited, "user", 59'999).text == "请求过于频繁，请60秒后再试");
  CHECK(refusal_text(Code::ended, {}, 5000).text == "活动已结束");
}

TEST_CASE("a log-in says nothing of orders") {
  CHECK(number(login_refusal_text(Code::not_logged_in)) == 30007);
  CHECK(login_refusal_text(Code::not_logged_in).text == "手机号或密码错误");
  CHECK(number(login_refusal_text(Code::overloaded)) == 30007);
  CHECK(number(login_refusal_text(Code::rate_limited, {}, 1000)) == 30007);
  CHECK(number(no_accounts_text()) == 30007);
}

TEST_CASE("who has no ticket is told why nothing can be bought here") {
  const auto says = order_refusal_text(Code::ticket_required, false);
  CHECK(number(says) == 500);
  CHECK(says.text.find("秒杀令牌") != std::string::npos);
}
