// The webapp's routes: what each request asks of the port, and how each answer looks.

#include <doctest/doctest.h>

#include <nlohmann/json.hpp>
#include <optional>

#include "actors/webapp/http/http_form.h"
#include "actors/webapp/http/http_gateway.h"
#include "actors/webapp/http/http_json.h"
#include "test/support/eventually.h"

using namespace stampede::actors;
using nlohmann::json;
namespace test = stampede::test;

namespace {

// A gateway whose port is this very object.
class Routes {
 public:
  explicit Routes(Sessions sessions = Sessions::no, bool compat = false,
                  std::shared_ptr<RateLimits> rates = nullptr, bool demo = false)
      : sessions_(sessions), compat_(compat), demo_(demo), rates_(std::move(rates)) {}

  struct Outcome {
    std::optional<HttpReply> reply;  // given without asking the port
    std::optional<HttpAsk> ask;
    std::optional<HttpArrayAsk> array;
  };

  Outcome request(const std::string& method, const std::string& target,
                  const std::string& body = "", const std::string& head = "") {
    HttpRequest made;
    made.method = method;
    const auto mark = target.find('?');
    made.target = target.substr(0, mark);
    if (mark != std::string::npos) made.query = parse_query(target.substr(mark + 1)).value();
    made.head = head;
    made.body = body;
    reply_.reset();
    gateway_.handle(made, [this](HttpReply reply) { reply_ = std::move(reply); });
    gateway_.flush();
    Outcome outcome{reply_, std::nullopt, std::nullopt};
    if (!reply_) {
      port_->receive([&](const HttpAsksPtr& asks) {
        REQUIRE(asks->asks.size() + asks->arrays.size() == 1);
        if (!asks->asks.empty()) outcome.ask = asks->asks.front();
        if (!asks->arrays.empty()) outcome.array = asks->arrays.front();
      });
    }
    return outcome;
  }

  HttpReply answer(const HttpAsk& to, HttpAnswer answer) {
    answer.token = to.token;
    if (answer.id.empty()) answer.id = to.id;
    reply_.reset();
    gateway_.on_answers(std::make_shared<std::vector<HttpAnswer>>(1, answer));
    REQUIRE(reply_);
    return *reply_;
  }
  json answer(const HttpArrayAsk& to, std::vector<HttpAnswer> entries) {
    HttpAnswer answer;
    answer.token = to.token;
    answer.entries = std::move(entries);
    reply_.reset();
    gateway_.on_answers(std::make_shared<std::vector<HttpAnswer>>(1, answer));
    REQUIRE(reply_);
    CHECK(reply_->status == 200);
    CHECK(reply_->content_type == "application/json");
    return json::parse(reply_->body);
  }
  // What the gateway asks by itself, later.
  HttpAsk asked_again() {
    CHECK(test::eventually([this] {
      static_cast<void>(gateway_.tick());
      return port_->has_next_message();
    }));
    HttpAsk again;
    port_->receive([&](const HttpAsksPtr& asks) { again = asks->asks.front(); });
    return again;
  }
  [[nodiscard]] bool ticks() { return gateway_.tick(); }
  bool answered(std::uint64_t token) {
    HttpAnswer answer;
    answer.token = token;
    answer.kind = ReplyKind::queued;
    reply_.reset();
    gateway_.on_answers(std::make_shared<std::vector<HttpAnswer>>(1, answer));
    return reply_.has_value();
  }

 private:
  caf::actor_system_config config_;
  caf::actor_system system_{config_};
  caf::scoped_actor port_{system_};
  Sessions sessions_;
  bool compat_;
  bool demo_;
  std::shared_ptr<RateLimits> rates_;
  GatewaySettings settings() const {
    GatewaySettings made;
    made.port = caf::actor_cast<caf::actor>(port_);
    made.rates = rates_;
    made.sessions = sessions_;
    made.compat = compat_;
    made.shop.demo_payment = demo_;
    return made;
  }
  HttpGateway gateway_{settings()};
  std::optional<HttpReply> reply_;
};

HttpAnswer decided(State state, RejectReason reason = RejectReason::invalid) {
  HttpAnswer answer;
  answer.kind = ReplyKind::answer;
  answer.answer.state = state;
  answer.answer.reason = reason;
  answer.answer.lsn = stampede::storage::make_lsn(1, 5);
  answer.answer.item = 1;
  answer.answer.qty = 2;
  return answer;
}

HttpAnswer refused(Code code) {
  HttpAnswer answer;
  answer.kind = ReplyKind::refused;
  answer.code = code;
  return answer;
}

HttpAnswer queued() {
  HttpAnswer answer;
  answer.kind = ReplyKind::queued;
  return answer;
}

std::string header(const HttpReply& reply, const std::string& name) {
  for (const auto& [key, value] : reply.headers)
    if (key == name) return value;
  return {};
}

const std::string kOrder = R"({"item":1,"user":"ann","qty":2,"id":"r-1"})";

}  // namespace

TEST_CASE("an order without a wait is queued at once and says where to look") {
  Routes routes;
  const auto asked = routes.request("POST", "/v1/orders", kOrder).ask.value();
  CHECK(asked.ask.mode == WaitMode::detach_now);
  CHECK(asked.ask.request.op == ClientOp::order);
  CHECK(asked.id == "r-1");
  CHECK(asked.user == "ann");
  CHECK(asked.ask.request.item == 1);
  CHECK(asked.ask.request.qty == 2);
  const auto reply = routes.answer(asked, queued());
  CHECK(reply.status == 202);
  CHECK(header(reply, "Location") == "/v1/orders/r-1");
  CHECK(json::parse(reply.body) == json{{"id", "r-1"}, {"state", "queued"}});
}

TEST_CASE("an order with a wait is answered with the decision") {
  Routes routes;
  const auto ask = [&] {
    const auto asked =
        routes.request("POST", "/v1/orders", kOrder, "Prefer: wait=2\r\n").ask.value();
    CHECK(asked.ask.mode == WaitMode::detach_at_deadline);
    CHECK(asked.ask.request.deadline_ms == 2000);
    return asked;
  };
  auto confirmed = decided(State::confirmed);
  auto reply = routes.answer(ask(), confirmed);
  CHECK(reply.status == 201);
  CHECK(json::parse(reply.body).at("order_id") == "1099511627781");
  CHECK(json::parse(reply.body).at("stored") == false);
  confirmed.answer.replayed = true;
  CHECK(routes.answer(ask(), confirmed).status == 200);
  reply = routes.answer(ask(), decided(State::rejected, RejectReason::limit_reached));
  CHECK(reply.status == 409);
  CHECK(reply.content_type == "application/problem+json");
  CHECK(json::parse(reply.body).at("code") == "limit_reached");
  CHECK(json::parse(reply.body).at("id") == "r-1");
  CHECK(routes.answer(ask(), queued()).status == 202);
}

TEST_CASE("every refusal has the status, code and advice of the contract") {
  Routes routes;
  const std::vector<std::pair<Code, int>> all{
      {Code::unknown_item, 404}, {Code::bad_request, 400},     {Code::key_reused, 422},
      {Code::overloaded, 503},   {Code::replaying, 503},       {Code::draining, 503},
      {Code::no_backend, 503},   {Code::log_unavailable, 503}, {Code::deadline_passed, 504},
      {Code::internal, 500}};
  for (const auto& [code, status] : all) {
    const auto asked = routes.request("POST", "/v1/orders", kOrder).ask.value();
    const auto reply = routes.answer(asked, refused(code));
    INFO(info(code).text);
    CHECK(reply.status == status);
    const auto body = json::parse(reply.body);
    CHECK(body.at("code") == std::string(info(code).text));
    CHECK(body.at("status") == status);
    CHECK((header(reply, "Retry-After").empty()) == (info(code).retry_after_ms == 0));
    if (info(code).retry_after_ms > 0)
      CHECK(body.at("retry_after_ms") == info(code).retry_after_ms);
  }
}

TEST_CASE("the request id comes from the header or the body, and both must agree") {
  Routes routes;
  const std::string plain = R"({"item":1,"user":"ann"})";
  const auto id_of = [&](const std::string& body, const std::string& head) {
    return routes.request("POST", "/v1/orders", body, head).ask.value().id;
  };
  CHECK(id_of(plain, "") == "");
  CHECK(id_of(plain, "Idempotency-Key: k1\r\n") == "k1");
  CHECK(id_of(plain, "idempotency-key: \"k1\"\r\n") == "k1");
  CHECK(id_of(kOrder, "Idempotency-Key: r-1\r\n") == "r-1");
  CHECK(routes.request("POST", "/v1/orders", kOrder, "Idempotency-Key: r-2\r\n").reply->status ==
        400);
  CHECK(routes.request("POST", "/v1/orders", plain, "Idempotency-Key: a b\r\n").reply->status ==
        400);
  // An empty id is a client's mistake: with a minted one each retry would buy once more.
  for (const char* head : {"Idempotency-Key: \"\"\r\n", "Idempotency-Key:\r\n",
                           "Idempotency-Key: a1\r\nidempotency-key: a2\r\n"}) {
    const auto refused = routes.request("POST", "/v1/orders", plain, head);
    REQUIRE(refused.reply);
    CHECK(refused.reply->status == 400);
    CHECK(refused.reply->body.find("\"field\":\"Idempotency-Key\"") != std::string::npos);
  }
}

TEST_CASE("a body that is not one order is refused naming the member") {
  Routes routes;
  const std::vector<std::pair<std::string, std::string>> all{
      {R"({"item":1,"user":"ann","colour":"red"})", "colour"},
      {R"({"item":1,"item":2,"user":"ann"})", "item"},
      {R"({"user":"ann"})", "item"},
      {R"({"item":1})", "user"},
      {R"({"item":"1","user":"ann"})", "item"},
      {R"({"item":-1,"user":"ann"})", "item"},
      {R"({"item":1.0,"user":"ann"})", "item"},
      {R"({"item":9223372036854775808,"user":"ann"})", "item"},
      {R"({"item":1,"user":""})", "user"},
      {R"({"item":1,"user":"a\nb"})", "user"},
      {R"({"item":1,"user":["ann"]})", "user"},
      {R"({"item":1,"user":{"a":1}})", "user"},
      {R"({"item":1,"user":"ann","qty":0})", "qty"},
      {R"({"item":1,"user":"ann","qty":1001})", "qty"},
      {R"({"item":1,"user":"ann","qty":null})", "qty"},
      {R"({"item":1,"user":"ann","id":"a b"})", "id"},
      {R"({"item":1,"user":"ann","\u0022":1})", "\""},
      {R"({"item":1,"user":"ann","ticket":"t1.x.y"})", "promo"},
      {"", ""},
      {" [] ", ""},
      {"1", ""},
      {"{", ""},
      {R"({"item":1,"user":"ann"} x)", ""},
      {std::string(R"({"item":1,"user":"ann"})") + '\0', ""},
      {std::string(R"({"item":1,"user":"ann"})") + '\0' + R"({"qty":5})", ""},
      {"{\"item\":1,\"user\":\"\xff\"}", ""},
  };
  for (const auto& [body, field] : all) {
    INFO(body);
    const auto outcome = routes.request("POST", "/v1/orders", body);
    REQUIRE(outcome.reply);
    CHECK(outcome.reply->status == 400);
    const auto problem = json::parse(outcome.reply->body);
    CHECK(problem.at("code") == "bad_request");
    CHECK(problem.value("field", "") == field);
  }
}

TEST_CASE("a payment and a cancel are asked for by the order in their path") {
  Routes routes;
  auto pay = routes.request("POST", "/v1/orders/r-1/payments", R"({"amount_cents":1000,"id":"p"})");
  REQUIRE(pay.ask);
  CHECK((pay.ask->ask.request.op == ClientOp::pay));
  CHECK((pay.ask->id == "p" && pay.ask->order == "r-1"));
  CHECK(pay.ask->ask.request.amount_cents == 1000);
  HttpAnswer answer;
  answer.kind = ReplyKind::fulfilled;
  answer.order = "r-1";
  answer.fulfilled = {{}, 5, stampede::storage::Fulfilment::paid, 1767225600000};
  const auto paid = routes.answer(*pay.ask, answer);
  CHECK(paid.status == 200);
  CHECK(json::parse(paid.body) == json{{"id", "p"},
                                       {"order", "r-1"},
                                       {"order_id", "5"},
                                       {"fulfilment", "paid"},
                                       {"at", 1767225600000}});
  pay = routes.request("POST", "/v1/orders/r-1/payments", R"({"amount_cents":0})",
                       "Idempotency-Key: k\r\n");
  REQUIRE(pay.ask);
  CHECK(pay.ask->id == "k");
  CHECK(routes.answer(*pay.ask, refused(Code::already_paid)).status == 409);

  auto cancel = routes.request("DELETE", "/v1/orders/r-1?user=ann", "");
  REQUIRE(cancel.ask);
  CHECK((cancel.ask->ask.request.op == ClientOp::cancel));
  CHECK((cancel.ask->order == "r-1" && cancel.ask->user == "ann"));
  CHECK(routes.answer(*cancel.ask, refused(Code::not_allowed)).status == 403);
  CHECK(routes.request("GET", "/v1/orders/r-1/payments", "").reply->status == 405);
  // Of a demonstration, which this is not.
  for (const char* method : {"POST", "GET", "DELETE", "OPTIONS"})
    CHECK(routes.request(method, "/v1/orders/r-1/demo-payments", R"({"id":"p"})").reply->status ==
          404);
  CHECK(routes.request("PUT", "/v1/orders/r-1", "").reply->status == 405);
}

TEST_CASE("a ticket is asked for by the promo in its path") {
  Routes routes;
  auto asked = routes.request("POST", "/v1/promos/7/tickets", R"({"user":"ann","id":"t-1"})");
  REQUIRE(asked.ask);
  CHECK((asked.ask->ask.request.op == ClientOp::ticket));
  CHECK(asked.ask->ask.request.promo == 7);
  CHECK((asked.ask->id == "t-1" && asked.ask->user == "ann"));
  HttpAnswer answer;
  answer.kind = ReplyKind::granted;
  answer.order = "t-1";
  answer.ticket = "t1.x.y";
  answer.granted = {{}, 7, 1, {}, 1767225660000};
  const json said{{"id", "t-1"},
                  {"ticket", "t1.x.y"},
                  {"promo", 7},
                  {"item", 1},
                  {"expires_at", 1767225660000}};
  const auto given = routes.answer(*asked.ask, answer);
  CHECK(given.status == 201);
  CHECK(json::parse(given.body) == said);
  asked = routes.request("POST", "/v1/promos/7/tickets", R"({"user":"ann"})",
                         "Idempotency-Key: t-2\r\n");
  REQUIRE(asked.ask);
  CHECK(asked.ask->id == "t-2");
  auto older = said;
  older["asked"] = "t-2";
  CHECK(json::parse(routes.answer(*asked.ask, answer).body) == older);
  asked = routes.request("POST", "/v1/promos/0/tickets", R"({"user":"ann"})");
  REQUIRE(asked.ask);
  CHECK(asked.ask->id.empty());
  CHECK(routes.answer(*asked.ask, refused(Code::gate_closed)).status == 409);
  CHECK(routes.request("GET", "/v1/promos/7/tickets", "").reply->status == 405);
  CHECK(routes.request("POST", "/v1/promos/7", "{}").reply->status == 404);

  const std::pair<std::string, std::string> wrong[] = {{R"({"id":"t"})", "user"},
                                                       {R"({"user":""})", "user"},
                                                       {R"({"user":1})", "user"},
                                                       {R"({"user":"ann","user":"ann"})", "user"},
                                                       {R"({"user":"ann","id":1})", "id"},
                                                       {R"({"user":"ann","id":"a b"})", "id"},
                                                       {R"({"user":"ann","promo":7})", "promo"},
                                                       {R"([])", ""},
                                                       {"", ""}};
  for (const auto& [body, field] : wrong) {
    INFO(body);
    const auto outcome = routes.request("POST", "/v1/promos/7/tickets", body);
    REQUIRE(outcome.reply);
    CHECK(outcome.reply->status == 400);
    CHECK(json::parse(outcome.reply->body).value("field", "") == field);
  }
  for (const auto* path : {"/v1/promos/x/tickets", "/v1/promos//tickets", "/v1/promos/-1/tickets",
                           "/v1/promos/9223372036854775808/tickets"}) {
    INFO(path);
    const auto outcome = routes.request("POST", path, R"({"user":"ann"})");
    REQUIRE(outcome.reply);
    CHECK(json::parse(outcome.reply->body).value("field", "") == "promo");
  }
}

TEST_CASE("an order's ticket goes along as it came, alone and in an array") {
  Routes routes;
  const auto one = routes.request("POST", "/v1/orders",
                                  R"({"item":1,"user":"ann","promo":7,"ticket":"t1.x.y"})");
  REQUIRE(one.ask);
  CHECK(one.ask->ticket == "t1.x.y");
  const auto array = routes.request(
      "POST", "/v1/orders",
      R"([{"item":1,"user":"ann","promo":7,"ticket":"t1.x.y"},{"item":1,"user":"bob"}])");
  REQUIRE(array.array);
  CHECK(array.array->orders[0].ticket == "t1.x.y");
  CHECK(array.array->orders[1].ticket.empty());
  for (const auto* body :
       {R"({"item":1,"user":"ann","ticket":1})", R"({"item":1,"user":"ann","ticket":""})",
        R"({"item":1,"user":"ann","ticket":null})"}) {
    const auto outcome = routes.request("POST", "/v1/orders", body);
    REQUIRE(outcome.reply);
    CHECK(json::parse(outcome.reply->body).value("field", "") == "ticket");
  }
}

TEST_CASE("a payment that cannot be one is refused by the member at fault") {
  Routes routes;
  const std::pair<std::string, std::string> all[] = {
      {R"({"amount_cents":1})", "id"},
      {R"({"id":"p"})", "amount_cents"},
      {R"({"id":"p","amount_cents":-1})", "amount_cents"},
      {R"({"id":"p","amount_cents":1.0})", "amount_cents"},
      {R"({"id":"p","amount_cents":"1"})", "amount_cents"},
      {R"({"id":"p","amount_cents":9223372036854775808})", "amount_cents"},
      {R"({"id":"p","amount_cents":[1]})", "amount_cents"},
      {R"({"id":"p","amount_cents":{"id":"q"}})", "amount_cents"},
      {R"({"id":"p","id":"p","amount_cents":1})", "id"},
      {R"({"id":"p q","amount_cents":1})", "id"},
      {R"({"id":"p","amount_cents":1,"order":"r-1"})", "order"},
      {R"([{"id":"p","amount_cents":1}])", ""},
      {"", ""},
      {"1", ""},
  };
  for (const auto& [body, field] : all) {
    INFO(body);
    const auto outcome = routes.request("POST", "/v1/orders/r-1/payments", body);
    REQUIRE(outcome.reply);
    CHECK(outcome.reply->status == 400);
    CHECK(json::parse(outcome.reply->body).value("field", "") == field);
  }
  CHECK(routes.request("POST", "/v1/orders/r%201/payments", R"({"id":"p","amount_cents":1})")
            .reply->status == 400);
  CHECK(routes.request("DELETE", "/v1/orders/r-1?user=a&user=b", "").reply->status == 400);
}

namespace {

HttpAnswer named(std::string id, HttpAnswer answer) {
  answer.id = std::move(id);
  return answer;
}

std::string array_of(std::size_t orders) {
  json array = json::array();
  for (std::size_t i = 0; i < orders; ++i)
    array.push_back({{"item", 1}, {"user", "u"}, {"id", std::to_string(i)}});
  return array.dump();
}

}  // namespace

TEST_CASE("an array asks for its orders together and is answered by one, in its order") {
  Routes routes;
  const auto asked = routes
                         .request("POST", "/v1/orders",
                                  R"( [{"item":1,"user":"ann","id":"a"},)"
                                  R"({"qty":2,"user":"bob","item":7,"id":"b"},)"
                                  R"({"item":1,"user":"cid"}])")
                         .array.value();
  CHECK(asked.deadline_ms == kDeadlineDefaultMs);
  REQUIRE(asked.orders.size() == 3);
  CHECK(asked.orders[0].id == "a");
  CHECK(asked.orders[0].qty == 1);
  CHECK(asked.orders[1].user == "bob");
  CHECK(asked.orders[1].item == 7);
  CHECK(asked.orders[1].qty == 2);
  CHECK(asked.orders[2].id.empty());
  const auto answers = routes.answer(
      asked, {named("a", decided(State::confirmed)), named("b", refused(Code::internal)),
              named("c", decided(State::rejected, RejectReason::sold_out))});
  REQUIRE(answers.size() == 3);
  CHECK(answers[0] == json{{"id", "a"},
                           {"state", "confirmed"},
                           {"order_id", "1099511627781"},
                           {"item", 1},
                           {"qty", 2},
                           {"stored", false}});
  CHECK(answers[1].at("code") == "internal");
  CHECK(answers[1].at("status") == 500);
  CHECK(answers[1].at("id") == "b");
  CHECK(answers[1].at("retry") == true);
  CHECK(answers[2].at("code") == "sold_out");
  CHECK(answers[2].at("status") == 409);
  CHECK(answers[2].at("state") == "rejected");
  CHECK(answers[2].at("id") == "c");
}

TEST_CASE("an order is a first try when its client says so, or its id is made here") {
  Routes routes;
  const auto first = [&](const std::string& body, const std::string& head) {
    const auto asked = routes.request("POST", "/v1/orders", body, head);
    REQUIRE(asked.ask);
    return asked.ask->ask.request.first;
  };
  const std::string minted = R"({"item":1,"user":"ann"})";
  CHECK_FALSE(first(kOrder, ""));
  CHECK(first(kOrder, "Stampede-First: 1\r\n"));
  CHECK_FALSE(first(kOrder, "stampede-first: 0\r\n"));
  CHECK(first(minted, ""));
  for (const std::string proxy : {"Via: 1.1 proxy\r\n", "X-Forwarded-For: 203.0.113.7\r\n",
                                  "Forwarded: for=203.0.113.7\r\n"}) {
    CHECK_FALSE(first(kOrder, "Stampede-First: 1\r\n" + proxy));
    CHECK_FALSE(first(minted, proxy));
  }
  for (const std::string wrong : {"Stampede-First: yes\r\n", "Stampede-First:\r\n",
                                  "Stampede-First: 1\r\nStampede-First: 1\r\n"}) {
    for (const auto& body : {kOrder, array_of(2)}) {
      const auto refused = routes.request("POST", "/v1/orders", body, wrong).reply.value();
      CHECK(refused.status == 400);
      CHECK(json::parse(refused.body).at("field") == "Stampede-First");
    }
  }
  const auto array = [&](const std::string& head) {
    return routes
        .request("POST", "/v1/orders", R"([{"item":1,"user":"a","id":"a"},{"item":1,"user":"b"}])",
                 head)
        .array.value()
        .orders;
  };
  const auto plain = array("");
  CHECK((!plain[0].first && plain[1].first));
  const auto said = array("Stampede-First: 1\r\n");
  CHECK((said[0].first && said[1].first));
  CHECK_FALSE(array("Via: 1.1 proxy\r\n")[1].first);
  const auto form = routes.request("POST", "/miaosha/order", "itemId=1",
                                   "Content-Type: application/x-www-form-urlencoded\r\n");
  CHECK_FALSE(form.ask.value().ask.request.first);
}

TEST_CASE("sold out for now is told from sold out") {
  Routes routes;
  const auto asked = routes.request("POST", "/v1/orders", kOrder).ask.value();
  const auto reply = routes.answer(asked, refused(Code::sold_out_for_now));
  CHECK(reply.status == 409);
  CHECK(json::parse(reply.body).at("code") == "sold_out");
  CHECK(json::parse(reply.body).at("retry") == true);
  const auto other = routes.request("POST", "/v1/orders", kOrder).ask.value();
  CHECK_FALSE(json::parse(routes.answer(other, refused(Code::closed)).body).contains("retry"));
}

TEST_CASE("what a webapp says by itself is no decision, alone and in an array") {
  Routes routes;
  HttpAnswer edge;
  edge.kind = ReplyKind::edge;
  const auto asked =
      routes.request("POST", "/v1/orders", kOrder, "Stampede-First: 1\r\n").ask.value();
  const auto reply = routes.answer(asked, edge);
  CHECK(reply.status == 409);
  CHECK(reply.content_type == "application/problem+json");
  const json expected = {{"type", "about:blank"}, {"title", "the item is sold out"},
                         {"status", 409},         {"code", "sold_out"},
                         {"id", "r-1"},           {"edge", true},
                         {"retry", true}};
  CHECK(json::parse(reply.body) == expected);
  const auto array = routes.request("POST", "/v1/orders", array_of(1)).array.value();
  auto entry = expected;
  entry["id"] = "0";
  CHECK(routes.answer(array, {named("0", edge)}) == json::array({entry}));
}

TEST_CASE("an array waits as long as its client prefers") {
  Routes routes;
  const auto asked = routes.request("POST", "/v1/orders", array_of(1), "Prefer: wait=9\r\n");
  CHECK(asked.array.value().deadline_ms == 9000);
}

TEST_CASE("a fault in an order of an array is answered in its place, the others are asked") {
  Routes routes;
  const std::vector<std::pair<std::string, std::string>> all{
      {R"({"item":1,"user":"ann","colour":[{"a":[1]},2],"id":"bad"})", "colour"},
      {R"({"item":1,"id":"bad","item":2,"user":"ann"})", "item"},
      {R"({"user":"ann","id":"bad"})", "item"},
      {R"({"id":"bad","item":1})", "user"},
      {R"({"item":"1","user":"","id":"bad"})", "item"},
      {R"({"item":1.5,"user":"ann","id":"bad"})", "item"},
      {R"({"item":1,"user":["ann"],"id":"bad"})", "user"},
      {R"({"item":1,"user":{"id":5,"user":"x"},"id":"bad"})", "user"},
      {R"({"item":1,"user":"ann","qty":0,"id":"bad"})", "qty"},
      {R"({"item":1,"user":"ann","qty":null,"id":"bad"})", "qty"},
      {R"({"id":"bad"})", "item"},
  };
  for (const auto& [bad, field] : all) {
    INFO(bad);
    const std::string good = R"({"item":1,"user":"ann","id":"good"})";
    auto body = "[" + bad + "," + good + "," + bad + "]";
    const auto asked = routes.request("POST", "/v1/orders", body).array.value();
    REQUIRE(asked.orders.size() == 1);
    CHECK(asked.orders[0].id == "good");
    const auto answers = routes.answer(asked, {named("good", decided(State::confirmed))});
    REQUIRE(answers.size() == 3);
    CHECK(answers[1].at("state") == "confirmed");
    for (const auto place : {0U, 2U}) {
      CHECK(answers[place].at("code") == "bad_request");
      CHECK(answers[place].at("status") == 400);
      CHECK(answers[place].at("retry") == false);
      CHECK(answers[place].at("field") == field);
      CHECK(answers[place].at("id") == "bad");
      CHECK(answers[place].contains("detail"));
    }
    const auto none = routes.request("POST", "/v1/orders", "[" + bad + "]").reply.value();
    CHECK(none.status == 200);
    CHECK(json::parse(none.body)[0].at("field") == field);
  }
}

TEST_CASE("an array whose orders cannot be told apart is refused and nothing is asked") {
  Routes routes;
  const std::string good = R"({"item":1,"user":"ann","id":"good"})";
  struct Bad {
    std::string body;
    int status;
    std::string field, words;
  };
  const std::vector<Bad> all{
      {"[]", 400, "", "must hold an order"},
      {"\xEF\xBB\xBF []", 400, "", "must hold an order"},
      {"[[]]", 400, "", "place 0"},
      {"[" + good + ",[" + good + "]]", 400, "", "place 1"},
      {"[" + good + ",null]", 400, "", "place 1"},
      {"[1]", 400, "", "place 0"},
      {"[\"a\"]", 400, "", "place 0"},
      {"[" + good + R"(,{"item":1,"user":"ann","id":"a b"}])", 400, "id", "place 1"},
      {R"([{"item":1,"user":"ann","id":5}])", 400, "id", "place 0"},
      {R"([{"item":1,"user":"ann","id":null}])", 400, "id", "place 0"},
      {R"([{"item":1,"user":"ann","id":["a"]}])", 400, "id", "place 0"},
      {R"([{"id":"a","item":1,"user":"ann","id":"b"}])", 400, "id", "place 0"},
      {R"([{"item":"x","user":"ann","id":""}])", 400, "id", "place 0"},
      {"[" + good + ",", 400, "", "not JSON"},
      {"[" + good + "] x", 400, "", "not JSON"},
      {"[" + good + "]" + '\0', 400, "", "NUL"},
      {std::string(2000, '['), 400, "", "place 0"},
      {R"([{"a":)" + std::string(2000, '['), 400, "", "not JSON"},
      {array_of(1001), 413, "", "1000"},
  };
  for (const auto& bad : all) {
    INFO(bad.body.substr(0, 80));
    const auto outcome = routes.request("POST", "/v1/orders", bad.body);
    REQUIRE(outcome.reply);
    CHECK(outcome.reply->status == bad.status);
    const auto problem = json::parse(outcome.reply->body);
    CHECK(problem.at("code") == (bad.status == 413 ? "too_large" : "bad_request"));
    CHECK(problem.value("field", "") == bad.field);
    CHECK(problem.at("detail").get<std::string>().find(bad.words) != std::string::npos);
  }
  CHECK(routes.request("POST", "/v1/orders", array_of(1000)).array.value().orders.size() == 1000);
}

TEST_CASE("the ids of an array stand in its orders, not in a header") {
  Routes routes;
  for (const char* head : {"Idempotency-Key: k\r\n", "Idempotency-Key:\r\n"}) {
    const auto reply = routes.request("POST", "/v1/orders", array_of(1), head).reply.value();
    CHECK(reply.status == 400);
    CHECK(json::parse(reply.body).at("field") == "Idempotency-Key");
  }
}

TEST_CASE("an array may be larger than one order") {
  Routes routes;
  const std::string blanks(5000, ' ');
  CHECK(routes.request("POST", "/v1/orders", "[" + kOrder + blanks + "]").array);
  const auto reply = routes.request("POST", "/v1/orders", kOrder + blanks).reply.value();
  CHECK(reply.status == 413);
  CHECK(json::parse(reply.body).at("code") == "too_large");
}

TEST_CASE("no more faults are kept beside waiting arrays than fit") {
  Routes routes;
  std::string body = "[" + kOrder;
  for (int i = 1; i < 1000; ++i) body += ",{}";
  body += "]";
  std::optional<HttpArrayAsk> first;
  for (int taken = 0; taken < 65; ++taken) {
    const auto asked = routes.request("POST", "/v1/orders", body);
    REQUIRE(asked.array);
    if (!first) first = asked.array;
  }
  CHECK(routes.request("POST", "/v1/orders", body).reply.value().status == 503);
  CHECK(routes.request("POST", "/v1/orders", array_of(1000)).array);
  const auto answers = routes.answer(*first, {named("r-1", decided(State::confirmed))});
  CHECK(answers.size() == 1000);
  CHECK(routes.request("POST", "/v1/orders", body).array);
}

TEST_CASE("JSON is taken whatever the type says, unless it is a known other one") {
  Routes routes;
  for (const char* type : {"application/x-www-form-urlencoded", "text/plain", "application/json"})
    CHECK(
        routes.request("POST", "/v1/orders", kOrder, "Content-Type: " + std::string(type) + "\r\n")
            .ask);
  for (const char* type : {"multipart/form-data; boundary=x", "Text/XML", "application/msgpack"})
    CHECK(
        routes.request("POST", "/v1/orders", kOrder, "Content-Type: " + std::string(type) + "\r\n")
            .reply->status == 415);
}

TEST_CASE("an order can be looked up by its id") {
  Routes routes;
  const auto asked = routes.request("GET", "/v1/orders/r-1").ask.value();
  CHECK(asked.id == "r-1");
  CHECK(asked.ask.request.op == ClientOp::get);
  CHECK_FALSE(asked.ask.cached);
  CHECK(routes.answer(asked, decided(State::confirmed)).status == 200);
  const auto again = [&] { return routes.request("GET", "/v1/orders/r-1").ask.value(); };
  CHECK(json::parse(routes.answer(again(), queued()).body).at("state") == "queued");
  CHECK(routes.answer(again(), refused(Code::unknown_request)).status == 404);
  const auto rejected = routes.answer(again(), decided(State::rejected, RejectReason::sold_out));
  CHECK(rejected.status == 200);
  CHECK(json::parse(rejected.body).at("reason") == "sold_out");
  CHECK(routes.request("GET", "/v1/orders/a%20b").reply->status == 400);
}

TEST_CASE("items are listed in pages and shown one by one") {
  Routes routes;
  const auto asked = routes.request("GET", "/v1/items?from=7&limit=2").ask.value();
  CHECK(asked.ask.request.item == 7);
  CHECK(asked.ask.request.limit == 2);
  HttpAnswer answer;
  answer.kind = ReplyKind::items;
  const HttpItem row{7, {"lamp \"x\"\n", 1999, 100, 0, 5}, 98, 5};
  auto offered = row;
  offered.promo = {7, {}, 999, 1000, 2000, PromoState::running};
  offered.promo_name = "half price";
  answer.items = {row, offered};
  answer.next = 9;
  const auto body = json::parse(routes.answer(asked, answer).body);
  CHECK(body.at("items").size() == 2);
  CHECK(body.at("items")[0].at("name") == "lamp \"x\"\n");
  CHECK(body.at("items")[0].at("sold") == 2);
  CHECK_FALSE(body.at("items")[0].contains("promo"));
  CHECK(body.at("items")[1].at("promo") == json{{"id", 7},
                                                {"name", "half price"},
                                                {"price_cents", 999},
                                                {"starts_at", 1000},
                                                {"ends_at", 2000},
                                                {"state", "running"},
                                                {"ticket", "none"}});
  CHECK(body.at("items")[0].at("seq") == "5");
  CHECK(body.at("next") == 9);
  CHECK(body.contains("server_time"));

  const auto one = routes.request("GET", "/v1/items/7").ask.value();
  CHECK(one.ask.request.one_item);
  answer.items = {row};
  CHECK(routes.answer(one, answer)
            .body.starts_with(
                R"({"item":7,"name":"lamp \"x\"\n","price_cents":1999,"total":100,)"
                R"("left":98,"sold":2,"seq":"5","state":"open","sale":"always","server_time":)"));
  const auto last = routes.request("GET", "/v1/items?from=9223372036854775807&limit=1").ask.value();
  HttpAnswer none;
  none.kind = ReplyKind::items;
  const auto empty = json::parse(routes.answer(last, none).body);
  CHECK(empty.at("items") == json::array());
  CHECK_FALSE(empty.contains("next"));
  CHECK(routes.answer(routes.request("GET", "/v1/items/8").ask.value(), refused(Code::unknown_item))
            .status == 404);
  for (const char* wrong : {"/v1/items?limit=0", "/v1/items?limit=501", "/v1/items?from=x",
                            "/v1/items?from=1&from=2", "/v1/items/x", "/v1/items/-1"})
    CHECK(routes.request("GET", wrong).reply->status == 400);
}

TEST_CASE("the shape of artemis-disruptor-miaosha: order at once, result when there is one") {
  Routes routes;
  const std::string form = "Content-Type: application/x-www-form-urlencoded\r\n";
  const auto asked = routes.request("POST", "/miaosha/order", "itemId=1", form).ask.value();
  CHECK(asked.id.empty());
  CHECK(asked.ask.user_is_id);
  CHECK(asked.ask.mode == WaitMode::detach_now);
  auto taken = queued();
  taken.id = "m1";
  CHECK(json::parse(routes.answer(asked, taken).body) ==
        json{{"id", "m1"}, {"itemId", 1}, {"userId", "m1"}});
  const auto full = routes.request("POST", "/miaosha/order", "itemId=1", form).ask.value();
  CHECK(routes.answer(full, refused(Code::overloaded)).status == 503);

  const auto look = [&] {
    return routes.request("GET", "/miaosha/order-result?requestId=m1").ask.value();
  };
  CHECK(look().ask.cached);
  CHECK(routes.answer(look(), queued()).body.empty());
  CHECK(routes.answer(look(), refused(Code::unknown_request)).body.empty());
  CHECK(json::parse(routes.answer(look(), decided(State::confirmed)).body) ==
        json{{"requestId", "m1"}, {"success", true}, {"errorMessage", nullptr}});
  CHECK(json::parse(routes.answer(look(), decided(State::rejected, RejectReason::sold_out)).body) ==
        json{{"requestId", "m1"}, {"success", false}, {"errorMessage", "sold_out"}});
}

TEST_CASE("the original's load generator sends its form as multipart") {
  Routes routes;
  const std::string head = "Content-Type: multipart/form-data; boundary=----x7\r\n";
  const std::string body =
      "------x7\r\nContent-Disposition: form-data; name=\"itemId\"\r\n"
      "Content-Type: text/plain; charset=US-ASCII\r\n\r\n42\r\n------x7--\r\n";
  CHECK(routes.request("POST", "/miaosha/order", body, head).ask.value().ask.request.item == 42);
  CHECK(routes.request("POST", "/miaosha/order", "------x7\r\n", head).reply->status == 400);
  CHECK(routes.request("POST", "/miaosha/order", "itemId=x").reply->status == 400);
}

TEST_CASE("alive is always said, ready only when a backend serves") {
  Routes routes;
  CHECK(routes.request("GET", "/healthz").reply->status == 200);
  CHECK(json::parse(routes.request("GET", "/version").reply->body).contains("version"));
  HttpAnswer pong;
  pong.kind = ReplyKind::pong;
  pong.state = "ready";
  CHECK(routes.answer(routes.request("GET", "/readyz").ask.value(), pong).status == 200);
  pong.state = "replaying";
  const auto reply = routes.answer(routes.request("GET", "/readyz").ask.value(), pong);
  CHECK(reply.status == 503);
  CHECK(json::parse(reply.body).at("state") == "replaying");
}

TEST_CASE("unknown paths read 404 and wrong methods 405 with what is allowed") {
  Routes routes;
  for (const char* path : {"/x", "/v1", "/v1/orders/", "/v1/ordersx", "/metrics", "/miaosha"})
    CHECK(routes.request("GET", path).reply->status == 404);
  const auto wrong = routes.request("DELETE", "/v1/orders").reply;
  CHECK(wrong->status == 405);
  CHECK(header(*wrong, "Allow") == "POST, OPTIONS");
  for (const char* path : {"/v1/orders", "/v1/items", "/healthz", "/miaosha/order"}) {
    const auto options = routes.request("OPTIONS", path).reply;
    CHECK(options->status == 204);
    CHECK(header(*options, "Allow").find("OPTIONS") != std::string::npos);
  }
  for (const char* path : {"/v1/orders/a", "/v1/items", "/v1/items/1", "/healthz"})
    CHECK(routes.request("POST", path).reply->status == 405);
}

TEST_CASE("a demonstration's payment is a path of its own") {
  Routes routes(Sessions::no, false, nullptr, true);
  const char* path = "/v1/orders/r-1/demo-payments";
  CHECK(routes.request("POST", path, R"({"amount_cents":1000,"id":"p"})").ask);
  for (const auto& [method, status] :
       {std::pair{"GET", 405}, std::pair{"DELETE", 405}, std::pair{"OPTIONS", 204}}) {
    const auto reply = routes.request(method, path).reply;
    REQUIRE(reply);
    CHECK(reply->status == status);
    CHECK(header(*reply, "Allow") == "POST, OPTIONS");
  }
}

TEST_CASE("what is not as If-Match says is neither done nor shown") {
  Routes routes;
  const auto ask = [&](const char* method, const char* path, const char* said) {
    return routes.request(method, path, R"({"user":"ann","item":7,"qty":1})",
                          "If-Match: " + std::string(said) + "\r\n");
  };
  for (const auto& [method, path] :
       {std::pair{"POST", "/v1/orders"}, std::pair{"DELETE", "/v1/orders/r-1?user=ann"},
        std::pair{"GET", "/v1/orders/r-1"}, std::pair{"GET", "/v1/items"}}) {
    const auto refused = ask(method, path, "\"a\", W/\"b\"");
    CHECK_FALSE(refused.ask);
    REQUIRE(refused.reply);
    CHECK(refused.reply->status == 412);
    CHECK(json::parse(refused.reply->body).at("field") == "If-Match");
    CHECK(ask(method, path, "*").ask);
  }
  CHECK(ask("PUT", "/v1/orders", "\"a\"").reply->status == 405);
  CHECK(ask("POST", "/nowhere", "\"a\"").reply->status == 404);
}

TEST_CASE("an answer for an earlier user of a slot goes nowhere") {
  Routes routes;
  const auto first = routes.request("GET", "/v1/orders/a").ask.value();
  routes.answer(first, queued());
  const auto second = routes.request("GET", "/v1/orders/b").ask.value();
  CHECK_FALSE(routes.answered(first.token));
  CHECK(routes.answered(second.token));
  CHECK_FALSE(routes.answered(second.token));
}

TEST_CASE("names of a query are cut and decoded, then compared; others are ignored") {
  Routes routes;
  for (const char* query : {"foo=bar", "ratelimit=1", "utm_source=fromage", "q=from", "q=limit",
                            "from%3D7=1", "%66rom%26=1", "FROM=x", "q=from%3D9", "&&", "=1"}) {
    INFO(std::string(query));
    const auto asked = routes.request("GET", "/v1/items?" + std::string(query)).ask;
    REQUIRE(asked);
    CHECK(asked->ask.request.item == 0);
    CHECK(asked->ask.request.limit == kItemsPageMax);
  }
  for (const char* query :
       {"from=7&%6cimit=1", "%66%72om=%37&limit=1&limi=2", "limit=1&from=7&q"}) {
    INFO(std::string(query));
    const auto asked = routes.request("GET", "/v1/items?" + std::string(query)).ask;
    REQUIRE(asked);
    CHECK(asked->ask.request.item == 7);
    CHECK(asked->ask.request.limit == 1);
  }
  for (const char* query : {"from", "from=", "from=1&%66rom=1", "from=+1", "from=1%00", "from=1;",
                            "from=9223372036854775808", "limit=1&limit=1"})
    CHECK(routes.request("GET", "/v1/items?" + std::string(query)).reply->status == 400);
  CHECK(routes.request("GET", "/miaosha/order-result?%72equestId=m%2D1").ask->id == "m-1");
  CHECK(routes.request("GET", "/miaosha/order-result?requestId=a&requestId=a").reply->status ==
        400);
}

TEST_CASE("Prefer: wait is read by its grammar") {
  Routes routes;
  const auto wait = [&](const std::string& head) {
    const auto asked = routes.request("POST", "/v1/orders", kOrder, head).ask.value();
    return asked.ask.mode == WaitMode::detach_now ? 0 : asked.ask.request.deadline_ms;
  };
  for (const char* head :
       {"Prefer: wait=2\r\n", "PREFER: WAIT=2\r\n", "Prefer: respond-async\r\nPrefer: wait=2\r\n",
        "Prefer: wait=\"2\"\r\n", "Prefer: wait = 2\r\n", "Prefer: respond-async,\twait=2\r\n",
        "Prefer: foo=\"a, wait=9\", wait=2\r\n", "Prefer: ,, wait=2 ,\r\n", "Prefer: wait=002\r\n",
        "Prefer: wait=2; foo=bar\r\n", "Prefer: foo; wait=9, wait=2\r\n",
        "Prefer: wait=\"\\2\"\r\n", "Prefer: wait=2\r\nPrefer: wait=9\r\n",
        "Prefer: a b, wait=2\r\n"}) {
    INFO(std::string(head));
    CHECK(wait(head) == 2000);
  }
  for (const char* seconds : {"30", "31", "99999999999999999999", "000000000000000000000000031"})
    CHECK(wait("Prefer: wait=" + std::string(seconds) + "\r\n") == 30'000);
  for (const char* value : {"wait", "wait=", "wait=-1", "wait=2.5", "wait=2s", "waiter=2",
                            "x=wait=2", "\"wait=2\"", "wait=\"2", "wait=0", "wait=0x2", ""})
    CHECK(wait("Prefer: " + std::string(value) + "\r\n") == 0);
}

TEST_CASE("media types are read by their grammar") {
  Routes routes;
  const auto status = [&](const std::string& type, const std::string& more = "") {
    const auto outcome =
        routes.request("POST", "/v1/orders", kOrder, "Content-Type: " + type + "\r\n" + more);
    return outcome.ask ? 202 : outcome.reply->status;
  };
  const std::string origin = "Origin: http://localhost\r\n";
  for (const char* type : {"application/json", "Application/JSON", "application/json;charset=utf-8",
                           "application/json ; charset=\"UTF-8\""}) {
    CHECK(status(type) == 202);
    CHECK(status(type, origin) == 202);
  }
  for (const char* type : {"text/plain", "application/x-www-form-urlencoded", "application/jsonx",
                           "text/json", "application/json-patch", "json", ""}) {
    INFO(std::string(type));
    CHECK(status(type) == 202);
    CHECK(status(type, origin) == 415);  // a page could send it without asking
  }
  for (const char* type : {"image/png", "TEXT/HTML; charset=utf-8", "application/soap+xml",
                           "text/xml; a=\"b", "text/xml, application/json", "application/json; ="})
    CHECK(status(type) == 415);
  CHECK(status("application/json", "Content-Type: text/html\r\n") == 400);
  CHECK(status("application/json", "Content-Encoding: gzip\r\n") == 415);
  CHECK(status("application/json", "Content-Encoding: Identity\r\n") == 202);
}

TEST_CASE("a form is understood as a whole or refused") {
  Routes routes;
  const auto item = [&](const std::string& body, const std::string& type,
                        const std::string& query = "") {
    const auto outcome = routes.request("POST", "/miaosha/order" + query, body,
                                        type.empty() ? "" : "Content-Type: " + type + "\r\n");
    return outcome.ask ? static_cast<int>(outcome.ask->ask.request.item) : -outcome.reply->status;
  };
  const std::string form = "application/x-www-form-urlencoded";
  CHECK(item("itemId=7", "") == 7);
  CHECK(item("item%49d=%37", "Application/X-WWW-Form-Urlencoded; charset=utf-8") == 7);
  CHECK(item("a=itemId=9&itemId=7&b=", form) == 7);
  CHECK(item("", form, "?itemId=7") == 7);
  CHECK(item("itemId=7", form, "?itemId=7") == 7);
  CHECK(item("itemId=7", form, "?itemId=8") == -400);
  for (const char* body : {"itemId=7&itemId=7", "itemId=7&itemId=8", "xitemId=7", "itemId=7&a=%zz",
                           "itemId=7%", "itemid=7", "itemId", "itemId=7 ", ""})
    CHECK(item(body, form) == -400);
  for (const char* type :
       {"application/json", "text/html", "multipart/mixed; boundary=x", "nonsense"})
    CHECK(item("itemId=7", type) == -415);

  const std::string part = "--x\r\nContent-Disposition: form-data; name=\"itemId\"\r\n\r\n7\r\n";
  const std::string other = "--x\r\nContent-Disposition: form-data; name=b\r\n\r\nitemId=9\r\n";
  for (const char* type : {"multipart/form-data; boundary=x", "Multipart/Form-Data;Boundary=\"x\"",
                           "multipart/form-data; charset=utf-8 ; boundary=x"})
    for (const auto& body : std::vector<std::string>{
             part + "--x--", part + "--x--\r\n", other + part + "--x--",
             part + other + "--x-- \r\n",
             "--x\r\ncontent-disposition:form-data;NAME=itemId\r\n\r\n7\r\n--x--"})
      CHECK(item(body, type) == 7);
  const std::string type = "multipart/form-data; boundary=x";
  for (const auto& body : std::vector<std::string>{
           part, part + "--x", part + part + "--x--", "early" + part + "--x--", part + "--x--late",
           part + "--x--\r\n" + other + "--x--\r\n", other + "--x--\r\n" + part + "--x--",
           part + "--xy--", part + "--x--\r\n\r\n", "--x--", "itemId=7",
           "--x\r\nContent-Disposition: form-data; name=\"itemId\r\n\r\n7\r\n--x--",
           "--x\r\nContent-Disposition: attachment; name=itemId\r\n\r\n7\r\n--x--",
           "--x\r\n\r\n7\r\n--x--"}) {
    INFO(body);
    CHECK(item(body, type) == -400);
  }
  CHECK(item(part + "--x--", "multipart/form-data") == -400);
}

// --- sessions -----------------------------------------------------------------------------------

TEST_CASE("a token comes in the header, in the body, or in both alike") {
  Routes routes(Sessions::needed);
  const auto session = [&](const std::string& body, const std::string& head) {
    return routes.request("POST", "/v1/orders", body, head).ask.value().session;
  };
  const std::string plain = R"({"item":1})", with = R"({"item":1,"token":"t-1"})";
  CHECK(session(plain, "") == "");
  CHECK(session(plain, "Authorization: Bearer t-1\r\n") == "t-1");
  CHECK(session(plain, "authorization: bearer   t-1\r\n") == "t-1");
  CHECK(session(plain, "Authorization: Basic eDp5\r\n") == "");
  CHECK(session(plain, "Authorization: Bearer\r\n") == "");
  CHECK(session(with, "") == "t-1");
  CHECK(session(with, "Authorization: Bearer t-1\r\n") == "t-1");
  const std::tuple<std::string, std::string, std::string> wrong[] = {
      {with, "Authorization: Bearer t-2\r\n", "token"},
      {plain, "Authorization: Bearer a\r\nAuthorization: Bearer a\r\n", "Authorization"},
      {plain, "Authorization: Bearer " + std::string(4097, 't') + "\r\n", "Authorization"},
      {R"({"item":1,"token":""})", "", "token"},
      {R"({"item":1,"token":7})", "", "token"},
      {R"({"item":1,"token":"a","token":"a"})", "", "token"}};
  for (const auto& [body, head, field] : wrong) {
    const auto reply = routes.request("POST", "/v1/orders", body, head).reply.value();
    CHECK(reply.status == 400);
    CHECK(json::parse(reply.body).at("field") == field);
  }
}

TEST_CASE("every question that needs a session brings its token along") {
  Routes routes(Sessions::needed);
  const std::string head = "Authorization: Bearer t-1\r\n";
  CHECK(routes.request("GET", "/v1/orders/a", "", head).ask->session == "t-1");
  CHECK(routes.request("DELETE", "/v1/orders/a", "", head).ask->session == "t-1");
  CHECK(routes.request("POST", "/v1/orders/a/payments", R"({"id":"p","amount_cents":1})", head)
            .ask->session == "t-1");
  CHECK(
      routes
          .request("POST", "/v1/orders/a/payments", R"({"id":"p","amount_cents":1,"token":"t-2"})")
          .ask->session == "t-2");
  CHECK(routes.request("POST", "/miaosha/order", "itemId=1", head).ask->session == "t-1");
  CHECK(routes.request("POST", "/miaosha/order", "itemId=1&token=t-3").ask->session == "t-3");
  CHECK(routes.request("POST", "/miaosha/order", "itemId=1&token=a&token=a").reply->status == 400);
  CHECK(routes.request("GET", "/miaosha/order-result?requestId=a", "", head).ask->session == "t-1");
  const auto array =
      routes.request("POST", "/v1/orders", R"([{"item":1,"token":"t-4"},{"item":1}])", head)
          .array.value();
  CHECK(array.session == "t-1");
  CHECK(array.orders.at(0).session == "t-4");
  CHECK(array.orders.at(1).session == "");
}

TEST_CASE("where there are no sessions tokens are not looked at, and a user is needed") {
  Routes routes;
  const auto asked = routes.request("POST", "/v1/orders", R"({"item":1,"user":"ann","token":""})",
                                    "Authorization: Bearer a\r\nAuthorization: Bearer b\r\n");
  CHECK(asked.ask.value().session == "");
  CHECK(routes.request("POST", "/v1/orders", R"({"item":1})").reply->status == 400);
}

TEST_CASE("who needs a session is told how to show one") {
  Routes routes(Sessions::needed);
  for (const auto code : {Code::not_logged_in, Code::session_expired}) {
    const auto asked = routes.request("POST", "/v1/orders", R"({"item":1})").ask.value();
    const auto reply = routes.answer(asked, refused(code));
    CHECK(reply.status == 401);
    CHECK(header(reply, "WWW-Authenticate") == "Bearer");
  }
}

// --- the pages of springboot-seckill ---------------------------------------------------------

namespace {

const std::string kUrlencoded = "Content-Type: application/x-www-form-urlencoded\r\n";
const std::string kPageOrder = "itemId=7&amount=2&promoId=9&token=a.b.c";

json page(const HttpReply& reply) {
  CHECK(reply.status == 200);
  CHECK(reply.content_type == "application/json");
  auto body = json::parse(reply.body);
  CHECK(body.size() == 3);
  return body;
}

json refused_page(Routes& routes, const std::string& method, const std::string& target,
                  const std::string& body, const std::string& head = kUrlencoded) {
  const auto outcome = routes.request(method, target, body, head);
  REQUIRE(outcome.reply);
  return page(*outcome.reply);
}

}  // namespace

TEST_CASE("without webapp.compat the pages' routes are not there") {
  Routes routes(Sessions::needed);
  for (const char* method : {"GET", "POST", "OPTIONS"})
    for (const char* target : {"/user/login", "/order/create", "/item/get?id=1"})
      CHECK(routes.request(method, target, kPageOrder, kUrlencoded).reply.value().status == 404);
}

TEST_CASE("the pages' routes take the methods that the pages use") {
  Routes routes(Sessions::needed, true);
  for (const auto& [target, method, allowed] :
       {std::tuple{"/user/login", "GET", "POST, OPTIONS"},
        std::tuple{"/order/create", "GET", "POST, OPTIONS"},
        std::tuple{"/order/create", "PUT", "POST, OPTIONS"},
        std::tuple{"/item/get", "POST", "GET, HEAD, OPTIONS"}}) {
    const auto reply = routes.request(method, target, kPageOrder, kUrlencoded).reply.value();
    CHECK(reply.status == 405);
    CHECK(header(reply, "Allow") == allowed);
  }
  CHECK(routes.request("OPTIONS", "/order/create").reply.value().status == 204);
  CHECK(routes.request("POST", "/order/create/", kPageOrder, kUrlencoded).reply.value().status ==
        404);
}

TEST_CASE("a page's order waits five seconds for its decision, under an id that is made here") {
  Routes routes(Sessions::needed, true);
  const auto asked = routes.request("POST", "/order/create", kPageOrder, kUrlencoded).ask.value();
  CHECK(asked.ask.request.op == ClientOp::order);
  CHECK(asked.ask.mode == WaitMode::deadline);
  CHECK(asked.ask.request.deadline_ms == 5000);
  CHECK(asked.ask.request.first);
  CHECK(asked.ask.request.item == 7);
  CHECK(asked.ask.request.qty == 2);
  CHECK(asked.ask.request.promo == 9);
  CHECK(asked.session == "a.b.c");
  CHECK(asked.id.empty());
  CHECK(asked.user.empty());
  const auto body = page(routes.answer(asked, decided(State::confirmed)));
  CHECK(body.at("code") == 200);
  CHECK(body.at("data").at("id") == "1099511627781");
}

TEST_CASE("a page's order that came through a proxy may have come before") {
  Routes routes(Sessions::needed, true);
  for (const char* head : {"Via: 1.1 shop\r\n", "X-Forwarded-For: 10.0.0.1\r\n"})
    CHECK(!routes.request("POST", "/order/create", kPageOrder, kUrlencoded + head)
               .ask.value()
               .ask.request.first);
}

TEST_CASE("a session may stand in the header, too, but not be another one") {
  Routes routes(Sessions::needed, true);
  const auto with = [&](const std::string& form, const std::string& head) {
    return routes.request("POST", "/order/create", form, kUrlencoded + head);
  };
  CHECK(with("itemId=7&amount=1&token=", "Authorization: Bearer x.y\r\n").ask->session == "x.y");
  CHECK(with("itemId=7&amount=1", "").ask->session.empty());
  const auto wrong = with("itemId=7&amount=1&token=z", "Authorization: Bearer x.y\r\n");
  CHECK(page(wrong.reply.value()).at("msg") == "请求参数有误：token");
}

TEST_CASE("what a page's order is told") {
  Routes routes(Sessions::needed, true);
  const auto told = [&](HttpAnswer answer) {
    auto asked = routes.request("POST", "/order/create", kPageOrder, kUrlencoded).ask.value();
    answer.id = "r-1";
    return page(routes.answer(asked, answer));
  };
  CHECK(told(decided(State::rejected, RejectReason::sold_out)).at("code") == 20003);
  CHECK(told(decided(State::rejected, RejectReason::limit_reached)).at("code") == 500);
  HttpAnswer edge;
  edge.kind = ReplyKind::edge;
  CHECK(told(edge).at("msg") == "商品暂时售罄，请稍后再试");
  const auto open = told(refused(Code::deadline_passed));
  CHECK(open.at("code") == 100001);
  CHECK(open.at("data") == json{{"requestId", "r-1"}});
  CHECK(told(refused(Code::overloaded)) ==
        json{{"code", 500}, {"msg", "系统繁忙，请稍后再试"}, {"data", nullptr}});
  CHECK(told(refused(Code::not_logged_in)).at("code") == 30005);
  CHECK(told(refused(Code::session_expired)).at("code") == 30005);
  auto early = refused(Code::not_started);
  early.retry_after_ms = 2500;
  CHECK(told(early).at("msg") == "活动尚未开始，请3秒后再试");
  auto many = refused(Code::bad_request);
  many.field = "qty";
  CHECK(told(many).at("msg") == "请求参数有误：amount");
}

TEST_CASE("a page's form that is none, or has a wrong field, asks nobody") {
  Routes routes(Sessions::needed, true);
  CHECK(refused_page(routes, "POST", "/order/create", "itemId=x&amount=1").at("msg") ==
        "请求参数有误：itemId");
  CHECK(refused_page(routes, "POST", "/order/create", "itemId=7&amount=0").at("code") == 405);
  CHECK(refused_page(routes, "POST", "/order/create", "itemId=7&amount=1&promoId=x").at("code") ==
        405);
  const std::string none = "请求必须是一个完整的表单";
  CHECK(refused_page(routes, "POST", "/order/create", "itemId=%zz&amount=1").at("msg") == none);
  CHECK(refused_page(routes, "POST", "/order/create", R"({"itemId":7})",
                     "Content-Type: application/json\r\n")
            .at("msg") == none);
  CHECK(refused_page(routes, "POST", "/order/create", kPageOrder,
                     kUrlencoded + "Content-Encoding: gzip\r\n")
            .at("msg") == none);
  CHECK(refused_page(routes, "GET", "/item/get", "").at("msg") == "请求参数有误：id");
  CHECK(refused_page(routes, "GET", "/item/get?id=x", "").at("code") == 405);
  CHECK(refused_page(routes, "POST", "/user/login", "password=x").at("msg") ==
        "请求参数有误：telphone");
}

TEST_CASE("a page is shown one item, by anybody") {
  Routes routes(Sessions::needed, true);
  const auto ask = [&] {
    const auto asked = routes.request("GET", "/item/get?id=7").ask.value();
    CHECK(asked.ask.request.op == ClientOp::items);
    CHECK(asked.ask.request.one_item);
    CHECK(asked.ask.request.item == 7);
    return asked;
  };
  HttpAnswer found;
  found.kind = ReplyKind::items;
  found.items.resize(1);
  found.items[0].item = 7;
  CHECK(page(routes.answer(ask(), found)).at("data").at("id") == 7);
  found.items.clear();
  CHECK(page(routes.answer(ask(), found)).at("code") == 20001);
  CHECK(page(routes.answer(ask(), refused(Code::unknown_item))) ==
        json{{"code", 20001}, {"msg", "商品不存在"}, {"data", nullptr}});
  CHECK(page(routes.answer(ask(), refused(Code::no_backend))).at("code") == 500);
}

TEST_CASE("where people log in elsewhere a page is told so") {
  Routes routes(Sessions::needed, true);
  const auto told = refused_page(routes, "POST", "/user/login", "telphone=13800000000&password=x");
  CHECK(told ==
        json{{"code", 30007}, {"msg", "此处不提供账号登录，请从商城登录"}, {"data", nullptr}});
}

TEST_CASE("a malformed order counts for the user it names, each of an array for its address, too") {
  const RateSettings limits{1, 2, 9, 0};
  const auto from_7 = "X-Forwarded-For: 203.0.113.7\r\n";
  Routes routes(Sessions::no, false, std::make_shared<RateLimits>(limits, HashKey{1, 2}));
  const auto post = [&](const std::string& body) {
    const auto reply = routes.request("POST", "/v1/orders", body, from_7).reply.value();
    return json::parse(reply.body);
  };
  const std::string wrong = R"({"item":1,"qty":0,"user":"ann"})";
  CHECK(post(wrong).at("code") == "bad_request");
  CHECK(
      json::parse(routes.request("POST", "/v1/promos/7/tickets", R"({"user":"ann","x":1})", from_7)
                      .reply.value()
                      .body)
          .at("code") == "bad_request");
  const auto third = post(wrong);
  CHECK((third.at("code") == "rate_limited" && third.at("field") == "user"));
  CHECK(post(R"({"item":1,"qty":0,"user":"bob"})").at("code") == "bad_request");
  CHECK(post(R"({"item":1,"user":7})").at("code") == "bad_request");
  CHECK(post("[[[[[[").at("code") == "bad_request");
  const auto array = post("[" + wrong + R"(,{"user":"cid"},{"user":"cid"},{"user":"cid"}])");
  REQUIRE(array.size() == 4);
  CHECK((array[0].at("code") == "rate_limited" && array[0].at("field") == "user"));
  CHECK((array[1].at("code") == "bad_request" && array[1].at("field") == "item"));
  CHECK(array[2].at("code") == "bad_request");
  CHECK((array[3].at("code") == "rate_limited" && array[3].at("retry") == true));
}

TEST_CASE("an address over its limit is told so in the words of the path") {
  const RateSettings one_a_minute{0, 1, 1, 0};
  Routes routes(Sessions::needed, true, std::make_shared<RateLimits>(one_a_minute, HashKey{1, 2}));
  CHECK(routes.request("GET", "/item/get?id=7").ask);
  const auto told = refused_page(routes, "GET", "/item/get?id=7", "");
  CHECK(told.at("code") == 500);
  CHECK(told.at("msg") == "请求过于频繁，请60秒后再试");
  CHECK(routes.request("GET", "/v1/items/7").reply.value().status == 429);
}

TEST_CASE("who asks for an open order and waits is told its decision") {
  Routes routes;
  const auto asked = routes.request("GET", "/v1/orders/mine", "", "Prefer: wait=5\r\n");
  REQUIRE(asked.ask);
  CHECK_FALSE(routes.answered(asked.ask->token));  // it is queued
  const auto again = routes.asked_again();
  CHECK(again.token == asked.ask->token);
  CHECK(again.id == "mine");
  CHECK_FALSE(routes.answered(again.token));
  const auto reply = routes.answer(routes.asked_again(), decided(State::confirmed));
  CHECK(reply.status == 200);
  CHECK(json::parse(reply.body)["state"] == "confirmed");
  CHECK_FALSE(routes.ticks());  // nobody waits any more
}

TEST_CASE(
    "who does not wait is told at once that an order is open, and so is who takes his place") {
  Routes routes;
  const auto patient = routes.request("GET", "/v1/orders/mine", "", "Prefer: wait=5\r\n");
  CHECK(routes.answer(*patient.ask, decided(State::confirmed)).status == 200);
  const auto asked = routes.request("GET", "/v1/orders/other");
  CHECK(routes.answered(asked.ask->token));
  CHECK_FALSE(routes.ticks());
}
