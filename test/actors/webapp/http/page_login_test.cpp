// A log-in from a page of springboot-seckill: what the keeper of accounts is asked, and what the
// page is told.

#include <doctest/doctest.h>

#include <nlohmann/json.hpp>
#include <optional>

#include "actors/webapp/http/http_gateway.h"

using namespace stampede::actors;
using nlohmann::json;

namespace {

// A gateway whose keeper is this very object.
class LoginPage {
 public:
  LoginPage() : gateway_(settings()) { gateway_.set_self(caf::actor_cast<caf::actor>(self_)); }

  // What is told at once; nothing: the keeper was asked.
  std::optional<json> post(const std::string& form) {
    HttpRequest made;
    made.method = "POST";
    made.target = "/user/login";
    made.peer = stampede::config::parse_address("127.0.0.1").value();
    made.head = "Content-Type: application/x-www-form-urlencoded\r\n";
    made.body = form;
    told_.reset();
    gateway_.handle(made, [this](HttpReply reply) {
      CHECK(reply.status == 200);
      CHECK(reply.headers.empty());
      told_ = json::parse(reply.body);
    });
    return told_;
  }
  LoginAsk asked(const std::string& form) {
    REQUIRE_FALSE(post(form));
    std::optional<LoginAsk> ask;
    self_->receive([&](const AccountWorkPtr& work) { ask = std::get<LoginAsk>(work->ask); },
                   caf::after(std::chrono::seconds(10)) >> [] {});
    REQUIRE(ask);
    return *ask;
  }
  json answer(std::uint64_t number, Code code, const std::string& token = "",
              std::int64_t retry_after_ms = 0) {
    LoginReply reply;
    reply.number = number;
    reply.code = code;
    reply.token = token;
    reply.retry_after_ms = retry_after_ms;
    told_.reset();
    gateway_.accounts().on_reply(reply);
    REQUIRE(told_);
    return *told_;
  }

 private:
  GatewaySettings settings() {
    GatewaySettings made;
    made.port = caf::actor_cast<caf::actor>(self_);
    made.sessions = Sessions::needed;
    made.accounts = {caf::actor_cast<caf::actor>(self_), {1, 2}};
    made.compat = true;
    return made;
  }

  caf::actor_system_config config_;
  caf::actor_system system_{config_};
  caf::scoped_actor self_{system_};
  HttpGateway gateway_;
  std::optional<json> told_;
};

const std::string kForm = "telphone=%2B8613800000000&password=a+b";

}  // namespace

TEST_CASE("a page's log-in is by phone, and is told the token") {
  LoginPage page;
  const auto ask = page.asked(kForm);
  CHECK(ask.by_phone);
  CHECK(ask.name == "+8613800000000");
  CHECK(ask.password == "a b");
  CHECK(ask.address != 0);
  CHECK(page.answer(ask.number, Code::none, "t.t.t") ==
        json{{"code", 30006}, {"msg", "登录成功"}, {"data", "t.t.t"}});
}

TEST_CASE("a page's log-in that fails is told why, with no token") {
  LoginPage page;
  for (const auto& [code, text] : {std::pair{Code::not_logged_in, "手机号或密码错误"},
                                   std::pair{Code::overloaded, "系统繁忙，请稍后再试"},
                                   std::pair{Code::internal, "系统繁忙，请稍后再试"}})
    CHECK(page.answer(page.asked(kForm).number, code, "t.t.t") ==
          json{{"code", 30007}, {"msg", text}, {"data", nullptr}});
  CHECK(page.answer(page.asked(kForm).number, Code::rate_limited, "", 1500).at("msg") ==
        "请求过于频繁，请2秒后再试");
}

TEST_CASE("what cannot be a phone or a password asks nobody") {
  LoginPage page;
  for (const char* phone : {"", "ann", "1", "1%202", "1234567890123456789012345678901234"})
    CHECK(page.post("password=x&telphone=" + std::string(phone)).value().at("msg") ==
          "请求参数有误：telphone");
  for (const auto& password : {std::string(), std::string(129, 'x')})
    CHECK(page.post("telphone=13800000000&password=" + password).value().at("msg") ==
          "请求参数有误：password");
}
