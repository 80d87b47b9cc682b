// The routes of built-in accounts: what each request asks of the keeper, and how replies look.

#include "actors/webapp/http/http_accounts.h"

#include <doctest/doctest.h>

#include <nlohmann/json.hpp>
#include <optional>

#include "actors/webapp/http/http_gateway.h"

using namespace stampede::actors;
using nlohmann::json;

namespace {

constexpr auto kLogin = R"({"user":"ann","password":"correct horse"})";
constexpr auto kSignUp =
    R"({"user":"ann","password":"correct horse","name":"Ann Lee","phone":"+4912345"})";
const std::string kForm = "Content-Type: application/x-www-form-urlencoded\r\n";

// A gateway whose port and keeper are this very object.
class Accounts {
 public:
  explicit Accounts(bool there = true, std::vector<stampede::config::IpNetwork> proxies = {},
                    bool single_session = false)
      : gateway_(settings(there, std::move(proxies), single_session)) {
    gateway_.set_self(caf::actor_cast<caf::actor>(self_));
  }

  // What was answered at once; nothing: work() was asked for.
  std::optional<HttpReply> request(const std::string& method, const std::string& target,
                                   const std::string& body = "", const std::string& head = "",
                                   const std::string& peer = "127.0.0.1") {
    HttpRequest made;
    made.method = method;
    made.target = target;
    made.peer = stampede::config::parse_address(peer).value();
    made.head = head;
    made.body = body;
    reply_.reset();
    gateway_.handle(made, [this](HttpReply reply) { reply_ = std::move(reply); });
    return reply_;
  }
  std::optional<HttpReply> post(const std::string& target, const std::string& body,
                                const std::string& head = "") {
    return request("POST", target, body, head);
  }
  AccountWorkPtr work() {
    AccountWorkPtr got;
    self_->receive([&](const AccountWorkPtr& work) { got = work; },
                   caf::after(std::chrono::seconds(10)) >> [] {});
    REQUIRE(got);
    CHECK(got->from == caf::actor_cast<caf::actor>(self_));
    return got;
  }
  LoginAsk login(const std::string& body = kLogin, const std::string& head = "",
                 const std::string& peer = "127.0.0.1") {
    REQUIRE_FALSE(request("POST", "/v1/sessions", body, head, peer));
    return std::get<LoginAsk>(work()->ask);
  }
  template <class Reply>
  HttpReply answer(const Reply& reply) {
    reply_.reset();
    gateway_.accounts().on_reply(reply);
    REQUIRE(reply_);
    return *reply_;
  }
  HttpReply answer(std::uint64_t number, Code code, std::int64_t retry_after_ms = 0) {
    LoginReply reply;
    reply.number = number;
    reply.code = code;
    reply.retry_after_ms = retry_after_ms;
    return answer(reply);
  }

  // Nothing is told yet; what the port is asked.
  HttpAsk kept(const LoginReply& reply) {
    reply_.reset();
    gateway_.accounts().on_reply(reply);
    REQUIRE_FALSE(reply_);
    HttpAsksPtr got;
    self_->receive([&](const HttpAsksPtr& asks) { got = asks; },
                   caf::after(std::chrono::seconds(10)) >> [] {});
    REQUIRE(got);
    REQUIRE(got->asks.size() == 1);
    return got->asks.front();
  }
  HttpReply port_answers(const HttpAsk& to, ReplyKind kind, Code code = Code::none) {
    HttpAnswer answer;
    answer.token = to.token;
    answer.kind = kind;
    answer.code = code;
    gateway_.on_answers(std::make_shared<std::vector<HttpAnswer>>(1, answer));
    REQUIRE(reply_);
    return *reply_;
  }

 private:
  GatewaySettings settings(bool there, std::vector<stampede::config::IpNetwork> proxies,
                           bool single_session) {
    GatewaySettings made;
    made.port = caf::actor_cast<caf::actor>(self_);
    made.proxies = std::move(proxies);
    made.sessions = Sessions::needed;
    made.single_session = single_session;
    if (there) made.accounts = {caf::actor_cast<caf::actor>(self_), {1, 2}};
    return made;
  }

  caf::actor_system_config config_;
  caf::actor_system system_{config_};
  caf::scoped_actor self_{system_};
  HttpGateway gateway_;
  std::optional<HttpReply> reply_;
};

std::string header(const HttpReply& reply, const std::string& name) {
  for (const auto& [key, value] : reply.headers)
    if (key == name) return value;
  return {};
}

std::string code_of(const HttpReply& reply) {
  return json::parse(reply.body).value("code", "");
}

std::string field_of(const std::optional<HttpReply>& reply) {
  REQUIRE(reply);
  CHECK(reply->status == 400);
  CHECK(code_of(*reply) == "bad_request");
  return json::parse(reply->body).value("field", "none");
}

}  // namespace

TEST_CASE("who logs in gets a token, whose it is and until when") {
  Accounts accounts;
  const auto ask = accounts.login();
  CHECK(ask.name == "ann");
  CHECK_FALSE(ask.by_phone);
  CHECK(ask.password == "correct horse");
  CHECK(ask.address != 0);
  LoginReply reply;
  reply.number = ask.number;
  reply.code = Code::none;
  reply.user = "ann";
  reply.token = "t.t.t";
  reply.expires_ms = 1'800'000'000'000;
  const auto said = accounts.answer(reply);
  CHECK(said.status == 201);
  CHECK(json::parse(said.body) ==
        json{{"token", "t.t.t"}, {"user", "ann"}, {"expires_at", 1'800'000'000'000}});
}

TEST_CASE("who signs up gets the user; what is taken is named") {
  Accounts accounts;
  CHECK_FALSE(accounts.post("/v1/accounts", kSignUp));
  const auto ask = std::get<SignUpAsk>(accounts.work()->ask);
  CHECK(ask.account.user == "ann");
  CHECK(ask.account.password == "correct horse");
  CHECK(ask.account.name == "Ann Lee");
  CHECK(ask.account.phone == "+4912345");
  auto said = accounts.answer(SignUpReply{ask.number, Code::none, {}, "ann"});
  CHECK(said.status == 201);
  CHECK(json::parse(said.body) == json{{"user", "ann"}});

  CHECK_FALSE(accounts.post("/v1/accounts", R"({"user":"bob","password":"correct horse"})"));
  const auto again = std::get<SignUpAsk>(accounts.work()->ask);
  CHECK(again.account.phone.empty());
  said = accounts.answer(SignUpReply{again.number, Code::user_exists, "phone", {}});
  CHECK(said.status == 409);
  CHECK(code_of(said) == "user_exists");
  CHECK(json::parse(said.body)["field"] == "phone");
}

TEST_CASE("forms are taken, and JSON that goes by a form's name") {
  Accounts accounts;
  const auto ask = accounts.login("user=ann&password=correct+horse%21", kForm);
  CHECK(ask.name == "ann");
  CHECK(ask.password == "correct horse!");
  CHECK(accounts.login(kLogin, kForm).password == "correct horse");
  CHECK(field_of(accounts.post("/v1/sessions", "user=ann", kForm)) == "password");
  CHECK(field_of(accounts.post("/v1/sessions", "user=a&user=b&password=p", kForm)) == "user");
  CHECK(accounts.login("next=/home&user=ann&password=p&next=/", kForm).password == "p");
  CHECK(field_of(accounts.post("/v1/sessions", "user=%zz", kForm)) == "none");
}

TEST_CASE("each wrong field of a log-in is named, and nobody is asked") {
  Accounts accounts;
  const auto at = [&](const std::string& body) {
    return field_of(accounts.post("/v1/sessions", body));
  };
  CHECK(at("") == "none");
  CHECK(at("no JSON") == "none");
  CHECK(at("[]") == "none");
  CHECK(at("{}") == "user");
  CHECK(at(R"({"user":"ann"})") == "password");
  CHECK(at(R"({"user":1,"password":"p"})") == "user");
  CHECK(at(R"({"user":"ann","password":null})") == "password");
  CHECK(at(R"({"user":"ann","password":["p"]})") == "password");
  CHECK(at(R"({"user":"ann","password":"p","password":"q"})") == "password");
  CHECK(at(R"({"user":"ann","password":"p","phone":"110"})") == "phone");
  CHECK(at(R"({"user":"","password":"p"})") == "user");
  CHECK(at(R"({"user":"ann","password":""})") == "password");
  CHECK(at(R"({"user":"ann","password":")" + std::string(129, 'p') + "\"}") == "password");
  CHECK(at("{\"user\":\"ann\",\"password\":\"p\xff\"}") == "none");
  CHECK(at(std::string(kLogin) + std::string(1, '\0')) == "none");
}

TEST_CASE("each wrong field of a sign-up is named") {
  Accounts accounts;
  const auto with = [&](const std::string& name, const json& value) {
    auto body = json::parse(kSignUp);
    body[name] = value;
    return field_of(accounts.post("/v1/accounts", body.dump()));
  };
  CHECK(with("user", "") == "user");
  CHECK(with("user", std::string(65, 'u')) == "user");
  CHECK(with("user", "a\nb") == "user");
  CHECK(with("password", "1234567") == "password");
  CHECK(with("password", std::string(129, 'p')) == "password");
  CHECK(with("password", "ann") == "password");
  CHECK(with("name", "a\x01") == "name");
  CHECK(with("name", 5) == "name");
  CHECK(with("phone", "0138-1") == "phone");
  CHECK(with("admin", "yes") == "admin");
}

TEST_CASE("a wrong password is a 401 that says no more; the eleventh try a 429") {
  Accounts accounts;
  for (int n = 0; n < 10; ++n) {
    const auto said = accounts.answer(accounts.login().number, Code::not_logged_in);
    CHECK(said.status == 401);
    CHECK(header(said, "WWW-Authenticate") == "Bearer");
  }
  const auto refused = accounts.post("/v1/sessions", kLogin);
  REQUIRE(refused);
  CHECK(refused->status == 429);
  CHECK(code_of(*refused) == "rate_limited");
  const auto wait = std::stoi(header(*refused, "Retry-After"));
  CHECK((wait > 50 && wait <= 60));
  (void)accounts.login(R"({"user":"bob","password":"x"})");
  (void)accounts.login(kLogin, "", "10.0.0.2");
}

TEST_CASE("the address is the one behind a proxy that is known") {
  Accounts accounts(true, stampede::config::networks_of("127.0.0.1"));
  const auto from = [&](const std::string& head, const std::string& peer = "127.0.0.1") {
    const auto ask = accounts.login(kLogin, head, peer);
    (void)accounts.answer(ask.number, Code::overloaded);
    return ask.address;
  };
  const auto one = from("X-Forwarded-For: 203.0.113.7\r\n");
  CHECK(one == from("", "203.0.113.7"));
  CHECK(one != from("X-Forwarded-For: 203.0.113.8\r\n"));
  CHECK(from("X-Forwarded-For: 203.0.113.7\r\n", "10.0.0.1") == from("", "10.0.0.1"));
}

TEST_CASE("the hundred and first is told to come again, and may when one was answered") {
  Accounts accounts;
  const auto come = [&](int n) {
    const auto user = std::to_string(n);
    REQUIRE_FALSE(accounts.post("/v1/sessions", R"({"user":"u)" + user + R"(","password":"x"})"));
  };
  for (int n = 0; n < 100; ++n) come(n);
  for (const auto* path : {"/v1/sessions", "/v1/accounts"}) {
    const auto refused =
        accounts.post(path, std::string(path) == "/v1/sessions" ? kLogin : kSignUp);
    REQUIRE(refused);
    CHECK(refused->status == 503);
    CHECK(code_of(*refused) == "overloaded");
    CHECK(refused->body.find("100 log-ins and sign-ups wait") != std::string::npos);
    CHECK(header(*refused, "Retry-After") == "1");
  }
  const auto number = std::get<LoginAsk>(accounts.work()->ask).number;
  CHECK(accounts.answer(number, Code::overloaded).status == 503);
  come(100);
}

TEST_CASE("who has the whole line gives a place to somebody else, who is next") {
  Accounts accounts;
  for (int n = 0; n < 100; ++n) REQUIRE_FALSE(accounts.post("/v1/accounts", kSignUp));
  std::vector<std::uint64_t> at_work;
  for (std::size_t n = 0; n < AccountDesk::kAtWorkMax; ++n)
    at_work.push_back(std::get<SignUpAsk>(accounts.work()->ask).number);
  // What is answered at once is the one that was turned away.
  const auto turned_away = accounts.request("POST", "/v1/sessions", kLogin, "", "10.0.0.2");
  REQUIRE(turned_away);
  CHECK(turned_away->status == 503);
  CHECK(turned_away->body.find("most of them from this address") != std::string::npos);
  CHECK(header(*turned_away, "Retry-After") == "1");
  for (const auto number : at_work) {
    SignUpReply reply;
    reply.number = number;
    reply.code = Code::user_exists;
    accounts.answer(reply);
  }
  int logins = 0;
  for (std::size_t n = 0; n < 2; ++n)
    if (std::holds_alternative<LoginAsk>(accounts.work()->ask)) ++logins;
  CHECK(logins == 1);
}

TEST_CASE("why nobody can log in or sign up is told") {
  Accounts accounts;
  const auto ask = accounts.login();
  LoginReply away;
  away.number = ask.number;
  away.code = Code::overloaded;
  away.detail = "the database is away";
  const auto said = accounts.answer(away);
  CHECK(said.body.find("the database is away") != std::string::npos);
  CHECK(header(said, "Retry-After") == "1");
  REQUIRE_FALSE(accounts.post("/v1/accounts", kSignUp));
  SignUpReply late;
  late.number = std::get<SignUpAsk>(accounts.work()->ask).number;
  late.code = Code::overloaded;
  late.detail = "it has waited";
  CHECK(accounts.answer(late).body.find("it has waited") != std::string::npos);
}

TEST_CASE("other methods are told what the paths take") {
  Accounts accounts;
  for (const auto* path : {"/v1/sessions", "/v1/accounts"}) {
    const auto got = accounts.request("GET", path);
    REQUIRE(got);
    CHECK(got->status == 405);
    CHECK(header(*got, "Allow") == "POST, OPTIONS");
    CHECK(accounts.request("OPTIONS", path)->status == 204);
  }
}

TEST_CASE("a page's JSON must be called what it is; what is neither is refused") {
  Accounts accounts;
  const std::string origin = "Origin: https://shop.example\r\n";
  CHECK(accounts.post("/v1/sessions", kLogin, origin)->status == 415);
  CHECK(accounts.post("/v1/sessions", kLogin, "Content-Type: text/xml\r\n")->status == 415);
  CHECK(accounts.post("/v1/sessions", kLogin, "Content-Encoding: gzip\r\n")->status == 415);
  (void)accounts.login(kLogin, origin + "Content-Type: application/json\r\n");
}

TEST_CASE("without built-in accounts there is nothing at these paths") {
  Accounts accounts(false);
  for (const auto* path : {"/v1/sessions", "/v1/accounts"})
    CHECK(accounts.post(path, kLogin)->status == 404);
}

TEST_CASE("with one session a user, a new one is told when it is kept, and never else") {
  Accounts accounts(true, {}, true);
  const auto opened = [&] {
    LoginReply reply;
    reply.number = accounts.login().number;
    reply.code = Code::none;
    reply.user = "ann";
    reply.token = "t.t.t";
    reply.jti = "j-1";
    reply.expires_ms = 1'800'000'000'000;
    return reply;
  };
  const auto ask = accounts.kept(opened());
  CHECK(ask.user == "ann");
  CHECK(ask.id == "j-1");
  CHECK(ask.ask.request.op == ClientOp::keep_session);
  CHECK(ask.ask.request.valid_until_ms == 1'800'000'000'000);
  const auto said = accounts.port_answers(ask, ReplyKind::session_kept);
  CHECK(said.status == 201);
  CHECK(json::parse(said.body)["token"] == "t.t.t");

  const auto refused =
      accounts.port_answers(accounts.kept(opened()), ReplyKind::refused, Code::no_backend);
  CHECK(refused.status == 503);
  CHECK(code_of(refused) == "no_backend");
  CHECK(refused.body.find("t.t.t") == std::string::npos);
  CHECK(accounts.answer(accounts.login().number, Code::not_logged_in).status == 401);
}
