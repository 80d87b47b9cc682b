// The waiting table: what is sent, when it is sent again, who is answered with what.

#include "actors/webapp/core/webapp_core.h"

#include <doctest/doctest.h>

#include "test/actors/webapp/core/webapp_fixture.h"

using namespace stampede::actors;
using Ids = std::vector<std::string>;

TEST_CASE("nothing is sent before a hello was heard, and all of it after") {
  WebappFixture webapp;
  webapp.take_and_send(WebappFixture::order("a"));
  webapp.take_and_send(WebappFixture::order("b"));
  CHECK(webapp.sent.empty());
  webapp.hello();
  REQUIRE(webapp.sent.size() == 1);
  CHECK(webapp.ids_of(webapp.sent[0]) == Ids{"a", "b"});
}

TEST_CASE("all that arrived in one round becomes one batch, numbered from 1") {
  WebappFixture webapp;
  webapp.hello();
  webapp.take(WebappFixture::order("a"));
  webapp.take(WebappFixture::get("b"));
  webapp.round();
  webapp.take_and_send(WebappFixture::order("c"));
  REQUIRE(webapp.sent.size() == 2);
  CHECK(webapp.sent[0].number == 1);
  CHECK(webapp.ids_of(webapp.sent[0]) == Ids{"a", "b"});
  CHECK(webapp.sent[1].number == 2);
}

TEST_CASE("a flood is split into batches of bounded size and loses nothing") {
  WebappFixture webapp;
  webapp.hello();
  const std::size_t orders = kBatchEntries + 10;
  for (std::size_t i = 0; i < orders; ++i) webapp.take(WebappFixture::order(std::to_string(i)));
  webapp.round();
  REQUIRE(webapp.sent.size() == 2);
  CHECK(webapp.sent[0].count == kBatchEntries);
  CHECK(webapp.sent[1].count == 10);
  CHECK(webapp.sent[0].body.size() <= kBatchBytesMax);
}

TEST_CASE("item pages are batched so that the result fits one message") {
  WebappFixture webapp;
  webapp.hello();
  ClientAsk ask{WebappFixture::dealer(), {}};
  ask.request.op = ClientOp::items;
  for (int i = 0; i < 20; ++i) webapp.take(ask);
  webapp.round();
  CHECK(webapp.sent.size() >= 4);
  for (const auto& batch : webapp.sent) CHECK(batch.count * kItemsPageMax * 580 < 2'000'000);
}

TEST_CASE("answers find their clients by position") {
  WebappFixture webapp;
  webapp.hello();
  webapp.take(WebappFixture::order("a", WebappFixture::dealer("one")));
  webapp.take(WebappFixture::order("b", WebappFixture::dealer("two")));
  webapp.round();
  webapp.result(1, WebappFixture::confirmed(9) + WebappFixture::sold_out());
  const auto replies = webapp.replies();
  REQUIRE(replies.size() == 2);
  CHECK(replies[0].client.identity() == "one");
  CHECK(replies[0].id == "a");
  CHECK(replies[0].answer.lsn == 9);
  CHECK(replies[1].client.identity() == "two");
  CHECK(replies[1].answer.reason == RejectReason::sold_out);
  CHECK_FALSE(webapp.core.busy());
  CHECK(webapp.core.counters().confirmed == 1);
  CHECK(webapp.core.counters().sold_out == 1);
}

TEST_CASE("the same id may be open from two clients and both are answered") {
  WebappFixture webapp;
  webapp.hello();
  webapp.take(WebappFixture::order("a", WebappFixture::dealer("one")));
  webapp.take(WebappFixture::order("a", WebappFixture::dealer("two")));
  webapp.round();
  webapp.result(1, WebappFixture::confirmed() + WebappFixture::confirmed());
  CHECK(webapp.replies().size() == 2);
}

TEST_CASE("an absent id is minted and returned") {
  WebappFixture webapp;
  webapp.hello();
  webapp.take_and_send(WebappFixture::order(""));
  webapp.result(1, WebappFixture::confirmed());
  const auto reply = webapp.only_reply();
  CHECK(reply.id.size() == 32);
  CHECK(valid_request_id(reply.id));
  CHECK(webapp.ids_of(webapp.sent[0]) == Ids{reply.id});
}

TEST_CASE("ids of every length come back whole") {
  WebappFixture webapp;
  webapp.hello();
  std::string body;
  Ids ids;
  for (std::size_t size = 1; size <= kRequestIdBytesMax; ++size) {
    ids.emplace_back(size, 'x');
    webapp.take(WebappFixture::order(ids.back()));
    body += WebappFixture::confirmed();
  }
  webapp.round();
  webapp.result(1, body);
  Ids seen;
  for (const auto& reply : webapp.replies()) seen.push_back(reply.id);
  CHECK(seen == ids);
}

TEST_CASE("a new broker or a new epoch gets every unanswered batch again, unchanged") {
  WebappFixture webapp;
  webapp.hello(1, 1);
  webapp.take_and_send(WebappFixture::order("a"));
  webapp.take_and_send(WebappFixture::order("b"));
  SUBCASE("new broker") {
    webapp.hello(2, 1);
  }
  SUBCASE("new epoch") {
    webapp.hello(1, 2);
  }
  REQUIRE(webapp.sent.size() == 4);
  CHECK(webapp.sent[2].number == 1);
  CHECK(webapp.sent[2].body == webapp.sent[0].body);
  CHECK(webapp.sent[3].number == 2);
  CHECK(webapp.core.counters().resent == 2);
}

TEST_CASE("a repeated hello causes nothing") {
  WebappFixture webapp;
  webapp.hello();
  webapp.take_and_send(WebappFixture::order("a"));
  webapp.hello();
  CHECK(webapp.sent.size() == 1);
}

TEST_CASE("a batch without answer is sent again after resend_ms, ever more rarely") {
  WebappFixture webapp;
  webapp.hello();
  auto ask = WebappFixture::order("a");
  ask.request.deadline_ms = 60'000;
  webapp.take_and_send(ask);
  webapp.pass(900);
  CHECK(webapp.sent.size() == 1);
  webapp.pass(300);
  CHECK(webapp.sent.size() == 2);
  CHECK(webapp.sent[1].number == 1);
  webapp.pass(10'000);
  CHECK(webapp.sent.size() <= 5);
  webapp.result(1, WebappFixture::confirmed());
  CHECK(webapp.only_reply().kind == ReplyKind::answer);
  webapp.pass(20'000);
  CHECK(webapp.sent.size() <= 5);
}

TEST_CASE("a second answer to a batch, and answers for others, are ignored and counted") {
  WebappFixture webapp;
  webapp.hello(1, 3);
  webapp.take_and_send(WebappFixture::order("a"));
  webapp.result(1, WebappFixture::confirmed(), 3, 78);
  webapp.result(9, WebappFixture::confirmed(), 3);
  webapp.result(1, WebappFixture::confirmed(), 2);
  CHECK(webapp.replies().empty());
  CHECK(webapp.core.counters().results_ignored == 3);
  webapp.result(1, WebappFixture::confirmed(), 3);
  CHECK(webapp.replies().size() == 1);
  webapp.result(1, WebappFixture::confirmed(), 3);
  CHECK(webapp.replies().empty());
  CHECK(webapp.core.counters().results_ignored == 4);
}

TEST_CASE("a malformed result answers what can be read; the rest is asked again") {
  WebappFixture webapp;
  webapp.hello();
  webapp.take(WebappFixture::order("a"));
  webapp.take(WebappFixture::order("b"));
  webapp.round();
  webapp.result(1, WebappFixture::confirmed() + "\xc1");
  CHECK(webapp.only_reply().id == "a");
  CHECK(webapp.core.counters().results_malformed == 1);
  webapp.pass(1200);
  REQUIRE(webapp.sent.size() == 2);
  webapp.result(1, WebappFixture::confirmed() + WebappFixture::confirmed());
  CHECK(webapp.only_reply().id == "b");
  CHECK_FALSE(webapp.core.busy());
}

TEST_CASE("an answer that does not fit the question reads internal") {
  WebappFixture webapp;
  webapp.hello();
  webapp.take_and_send(WebappFixture::order("a"));
  std::string items;
  append_items(items, {}, std::nullopt);
  webapp.result(1, items);
  CHECK(webapp.only_reply().code == Code::internal);
}

TEST_CASE("a message waits until its own deadline and no longer") {
  WebappFixture webapp;
  webapp.hello();
  auto soon = WebappFixture::order("soon");
  soon.request.deadline_ms = 100;
  webapp.take(soon);
  webapp.take(WebappFixture::order("later"));
  webapp.round();
  webapp.pass(90);
  CHECK(webapp.replies().empty());
  webapp.pass(20);
  const auto reply = webapp.only_reply();
  CHECK(reply.id == "soon");
  CHECK(reply.code == Code::deadline_passed);
  webapp.result(1, WebappFixture::confirmed() + WebappFixture::confirmed());
  CHECK(webapp.only_reply().id == "later");
  CHECK(webapp.core.counters().answers_late == 1);
}

TEST_CASE("the default deadline is five seconds and frees the table") {
  WebappFixture webapp;
  webapp.hello();
  webapp.take_and_send(WebappFixture::order("a"));
  webapp.pass(4900);
  CHECK(webapp.replies().empty());
  webapp.pass(200);
  CHECK(webapp.only_reply().code == Code::deadline_passed);
  CHECK_FALSE(webapp.core.busy());
}

TEST_CASE("while no backend serves the deadline says why") {
  WebappFixture webapp;
  Code expected = Code::no_backend;
  SUBCASE("no hello was heard") {}
  SUBCASE("the hello says replaying") {
    webapp.hello(1, 1, Phase::replaying);
    expected = Code::replaying;
  }
  SUBCASE("the hello says there is none") {
    webapp.hello(1, 0, Phase::stopped);
  }
  webapp.take_and_send(WebappFixture::order("a"));
  webapp.pass(5100);
  CHECK(webapp.only_reply().code == expected);
  CHECK_FALSE(webapp.core.busy());
}

TEST_CASE("a batch refused for want of a backend waits, tries again and is answered in the end") {
  WebappFixture webapp;
  webapp.hello();
  webapp.take_and_send(WebappFixture::order("a"));
  Code code = Code::replaying;
  SUBCASE("replaying") {}
  SUBCASE("draining") {
    code = Code::draining;
  }
  SUBCASE("no backend") {
    code = Code::no_backend;
  }
  webapp.refuse(1, code);
  CHECK(webapp.replies().empty());
  webapp.pass(1200);
  CHECK(webapp.sent.size() == 2);
  webapp.refuse(1, code);
  webapp.hello(1, 2);
  CHECK(webapp.sent.size() == 3);
  webapp.result(1, WebappFixture::confirmed(), 2);
  CHECK(webapp.only_reply().kind == ReplyKind::answer);
}

TEST_CASE("the code of the last refusal is the answer at the deadline") {
  WebappFixture webapp;
  webapp.hello();
  webapp.take_and_send(WebappFixture::order("a"));
  webapp.refuse(1, Code::replaying);
  webapp.pass(5100);
  CHECK(webapp.only_reply().code == Code::replaying);
}

TEST_CASE("while a backend waits for room before it serves, that is what everybody hears") {
  WebappFixture webapp;
  webapp.hello(1, 1, Phase::replaying);
  webapp.take_and_send(WebappFixture::order("early"));
  webapp.refuse(1, Code::replaying);
  CHECK(webapp.replies().empty());
  CHECK(webapp.core.standstill().empty());
  webapp.hello(1, 1, Phase::replaying, 0, Standstill::log_room);
  CHECK(webapp.core.state() == "replaying");
  const std::string full(webapp.core.standstill());
  CHECK(full.starts_with("the disk of the command log (log.dir) is full"));
  webapp.take_and_send(WebappFixture::order("late"));
  webapp.refuse(webapp.sent.back().number, Code::replaying);
  auto reply = webapp.only_reply();
  CHECK((reply.id == "late" && reply.code == Code::overloaded && reply.message == full));
  webapp.pass(5100);  // who asked before it was known waits as for every start
  reply = webapp.only_reply();
  CHECK((reply.id == "early" && reply.code == Code::overloaded && reply.message == full));
  webapp.hello(1, 2);
  CHECK(webapp.core.standstill().empty());
}

TEST_CASE("overloaded is said at once and the batch is forgotten") {
  WebappFixture webapp;
  webapp.hello();
  webapp.take_and_send(WebappFixture::order("a"));
  webapp.refuse(1, Code::overloaded);
  const auto reply = webapp.only_reply();
  CHECK(reply.code == Code::overloaded);
  CHECK(reply.id == "a");
  webapp.pass(3000);
  CHECK(webapp.sent.size() == 1);
  CHECK_FALSE(webapp.core.busy());
}

TEST_CASE("overloaded for a repeat does not end the wait for the first copy") {
  WebappFixture webapp;
  webapp.hello();
  webapp.take_and_send(WebappFixture::order("a"));
  webapp.pass(1200);
  REQUIRE(webapp.sent.size() == 2);
  webapp.refuse(1, Code::overloaded);
  CHECK(webapp.replies().empty());
  webapp.result(1, WebappFixture::confirmed());
  CHECK(webapp.only_reply().kind == ReplyKind::answer);
}

TEST_CASE(
    "a broker that falls silent counts as no backend, and gets everything again when it is back") {
  WebappFixture webapp;
  webapp.hello();
  auto ask = WebappFixture::order("a");
  ask.request.deadline_ms = 20'000;
  webapp.take_and_send(ask);
  webapp.broker_falls_silent();
  webapp.pass(4'000);
  CHECK(webapp.core.state() == "ready");
  webapp.pass(2'000);
  CHECK(webapp.core.state() == "no_backend");
  const auto sent = webapp.sent.size();
  webapp.hello();
  CHECK(webapp.sent.size() == sent + 1);
  webapp.broker_falls_silent();
  webapp.pass(20'000);
  CHECK(webapp.only_reply().code == Code::no_backend);
}

TEST_CASE("a full waiting table answers overloaded at once") {
  WebappSettings settings;
  settings.waiting_max = 2;
  WebappFixture webapp(settings);
  webapp.hello();
  for (const char* id : {"a", "b", "c"}) webapp.take(WebappFixture::order(id));
  const auto reply = webapp.only_reply();
  CHECK(reply.id == "c");
  CHECK(reply.code == Code::overloaded);
  webapp.round();
  webapp.result(1, WebappFixture::confirmed() + WebappFixture::confirmed());
  webapp.replies();
  webapp.take(WebappFixture::order("c"));
  CHECK(webapp.replies().empty());
}

TEST_CASE("what is beyond the window waits for answers") {
  WebappFixture webapp;
  webapp.hello(1, 1, Phase::serving, 2);
  webapp.take(WebappFixture::order("a"));
  webapp.take(WebappFixture::order("b"));
  webapp.take_and_send(WebappFixture::order("c"));
  REQUIRE(webapp.sent.size() == 1);
  webapp.result(1, WebappFixture::confirmed() + WebappFixture::confirmed());
  webapp.round();
  REQUIRE(webapp.sent.size() == 2);
  CHECK(webapp.ids_of(webapp.sent[1]) == Ids{"c"});
}

TEST_CASE("a broker that takes nothing costs no batch") {
  WebappFixture webapp;
  webapp.hello();
  webapp.broker_full = true;
  webapp.take_and_send(WebappFixture::order("a"));
  webapp.take_and_send(WebappFixture::order("b"));
  CHECK(webapp.sent.empty());
  webapp.broker_full = false;
  webapp.round();
  REQUIRE(webapp.sent.size() == 2);
  CHECK(webapp.ids_of(webapp.sent[0]) == Ids{"a"});
}

TEST_CASE("ack says queued first, to a DEALER only") {
  WebappFixture webapp;
  webapp.hello();
  auto ask = WebappFixture::order("a");
  ask.request.ack = true;
  webapp.take(ask);
  CHECK(webapp.only_reply().kind == ReplyKind::queued);
  ask.client = ClientToken::router(ClientToken::Kind::req, "r");
  webapp.take(ask);
  CHECK(webapp.replies().empty());
}

TEST_CASE("ping is answered from the last hello") {
  WebappFixture webapp;
  ClientAsk ping{WebappFixture::dealer(), {}};
  ping.request.op = ClientOp::ping;
  const auto state = [&] {
    webapp.take(ping);
    return webapp.only_reply().state;
  };
  CHECK(state() == "no_backend");
  webapp.hello(1, 1, Phase::replaying);
  CHECK(state() == "replaying");
  webapp.hello(1, 1, Phase::serving);
  CHECK(state() == "ready");
  webapp.hello(1, 1, Phase::stopped);
  CHECK(state() == "no_backend");
  webapp.core.drain();
  CHECK(state() == "draining");
}

TEST_CASE("errors of the backend reach the client with their field") {
  WebappFixture webapp;
  webapp.hello();
  webapp.take_and_send(WebappFixture::order("a"));
  webapp.result(1, WebappFixture::error(Code::bad_request, "qty"));
  const auto reply = webapp.only_reply();
  CHECK(reply.code == Code::bad_request);
  CHECK(reply.field == "qty");
  CHECK(webapp.core.counters().refused[static_cast<std::size_t>(Code::bad_request)] == 1);
}

TEST_CASE("a code nobody knows reads internal") {
  WebappFixture webapp;
  webapp.hello();
  webapp.take_and_send(WebappFixture::order("a"));
  webapp.result(1, WebappFixture::error(static_cast<Code>(999)));
  CHECK(webapp.only_reply().code == Code::internal);
}

TEST_CASE("one item that is not there reads unknown_item") {
  WebappFixture webapp;
  webapp.hello();
  ClientAsk ask{WebappFixture::dealer(), {}};
  ask.request.op = ClientOp::items;
  ask.request.one_item = true;
  ask.request.id = "q";
  webapp.take_and_send(ask);
  std::string none;
  append_items(none, {}, std::nullopt);
  webapp.result(1, none);
  const auto reply = webapp.only_reply();
  CHECK(reply.code == Code::unknown_item);
  CHECK(reply.id == "q");
}

TEST_CASE("a page of one row behind the last item is an empty page") {
  WebappFixture webapp;
  webapp.hello();
  for (const std::uint32_t limit : {2U, 1U}) {
    ClientAsk ask{WebappFixture::dealer(), {}};
    ask.request.op = ClientOp::items;
    ask.request.item = kItemIdMax;
    ask.request.limit = limit;
    webapp.take_and_send(ask);
    std::string none;
    append_items(none, {}, std::nullopt);
    webapp.result(webapp.sent.back().number, none);
    const auto reply = webapp.only_reply();
    CHECK(reply.kind == ReplyKind::items);
    CHECK(reply.items == 0);
  }
}

// --- draining -------------------------------------------------------------------------------

TEST_CASE("draining refuses what is new and answers what is open") {
  WebappFixture webapp;
  webapp.hello();
  webapp.take_and_send(WebappFixture::order("old"));
  webapp.core.drain();
  webapp.take(WebappFixture::order("new"));
  CHECK(webapp.only_reply().code == Code::draining);
  CHECK(webapp.core.busy());
  webapp.result(1, WebappFixture::confirmed());
  CHECK(webapp.only_reply().id == "old");
  CHECK_FALSE(webapp.core.busy());
}

TEST_CASE("draining ends at the deadlines when no answer comes, detached orders included") {
  WebappFixture webapp;
  webapp.hello();
  webapp.take(WebappFixture::http_order("d", WaitMode::detach_now));
  webapp.take_and_send(WebappFixture::order("a"));
  webapp.replies();
  webapp.core.drain();
  webapp.pass(5100);
  CHECK(webapp.only_reply().id == "a");
  CHECK_FALSE(webapp.core.busy());
}

TEST_CASE("while an operator refuses orders everything else goes on, and then they do") {
  WebappFixture webapp;
  webapp.hello();
  webapp.take_and_send(WebappFixture::order("old"));
  webapp.core.refuse_orders(true);
  CHECK(webapp.core.orders_refused());
  CHECK(webapp.core.state() == "draining");
  ClientAsk first = WebappFixture::order("new");
  first.request.first = true;
  webapp.take(first);
  CHECK(webapp.only_reply().code == Code::draining);
  ClientAsk get = WebappFixture::order("old");
  get.request.op = ClientOp::get;
  webapp.take_and_send(get);
  CHECK(webapp.sent.size() == 2);
  webapp.result(1, WebappFixture::confirmed());
  CHECK(webapp.only_reply().id == "old");
  webapp.core.refuse_orders(false);
  CHECK(webapp.core.state() == "ready");
  webapp.take_and_send(WebappFixture::order("new"));
  CHECK(webapp.sent.size() == 3);
}

// --- orders whose client does not wait ------------------------------------------------------

TEST_CASE("a detached order is queued at once, sent, and remembered when decided") {
  WebappFixture webapp;
  webapp.hello();
  webapp.take_and_send(WebappFixture::http_order("a", WaitMode::detach_now));
  CHECK(webapp.only_reply().kind == ReplyKind::queued);
  REQUIRE(webapp.sent.size() == 1);
  auto ask = WebappFixture::get("a", WebappFixture::http(2));
  webapp.take(ask);
  CHECK(webapp.only_reply().kind == ReplyKind::queued);
  webapp.result(1, WebappFixture::confirmed());
  CHECK(webapp.replies().empty());
  ask.cached = true;
  webapp.take(ask);
  CHECK(webapp.only_reply().answer.state == State::confirmed);
  ask.cached = false;  // whether it is stored, only the backend knows
  webapp.take_and_send(ask);
  CHECK(webapp.sent.size() == 2);
}

TEST_CASE("what was remembered is forgotten after its time") {
  WebappFixture webapp;
  webapp.hello();
  webapp.take_and_send(WebappFixture::http_order("a", WaitMode::detach_now));
  webapp.result(1, WebappFixture::confirmed());
  webapp.pass(61'000);
  webapp.replies();
  auto ask = WebappFixture::get("a", WebappFixture::http(2));
  ask.cached = true;
  webapp.take_and_send(ask);
  CHECK(webapp.replies().empty());
  CHECK(webapp.sent.size() == 2);
}

namespace {

// What GET order-result says of an id; `body`: what the backend says when it is asked.
SeenReply told(WebappFixture& webapp, std::string_view id, const std::string& body) {
  auto ask = WebappFixture::get(id, WebappFixture::http(9));
  ask.cached = true;
  const auto sent = webapp.sent.size();
  webapp.take_and_send(ask);
  if (webapp.sent.size() > sent) webapp.result(webapp.sent.back().number, body);
  return webapp.only_reply();
}

void post(WebappFixture& webapp, std::string_view id, const std::string& outcome) {
  webapp.take_and_send(WebappFixture::http_order(id, WaitMode::detach_now));
  webapp.result(webapp.sent.back().number, outcome);
  webapp.replies();
}

}  // namespace

TEST_CASE("a refusal of another request with the id takes no answer's place") {
  for (const auto code :
       {Code::key_reused, Code::unknown_item, Code::bad_request, Code::internal}) {
    WebappFixture webapp;
    webapp.hello();
    INFO(info(code).text);
    post(webapp, "k", WebappFixture::confirmed());
    post(webapp, "k", WebappFixture::error(code));
    CHECK(told(webapp, "k", WebappFixture::confirmed()).answer.state == State::confirmed);
    post(webapp, "r", WebappFixture::sold_out());
    post(webapp, "r", WebappFixture::error(code));
    CHECK(told(webapp, "r", WebappFixture::sold_out()).answer.state == State::rejected);
  }
}

TEST_CASE("a refusal does not hide what another door decided under the id") {
  for (const auto code : {Code::key_reused, Code::unknown_item, Code::bad_request}) {
    WebappFixture webapp;
    webapp.hello();
    INFO(info(code).text);
    post(webapp, "k", WebappFixture::error(code));
    CHECK(told(webapp, "k", WebappFixture::confirmed()).answer.state == State::confirmed);
  }
}

TEST_CASE("a refused order that was told queued hears why, as long as its id is unknown") {
  WebappFixture webapp;
  webapp.hello();
  post(webapp, "k", WebappFixture::error(Code::unknown_item));
  CHECK(told(webapp, "k", WebappFixture::error(Code::unknown_request)).code == Code::unknown_item);
  // Another order with the id is open: nothing is settled.
  webapp.take_and_send(WebappFixture::http_order("k", WaitMode::detach_now));
  webapp.replies();
  CHECK(told(webapp, "k", "").kind == ReplyKind::queued);
  webapp.result(webapp.sent.back().number, WebappFixture::confirmed());
  CHECK(told(webapp, "k", "").answer.state == State::confirmed);
  webapp.pass(61'000);
  CHECK(told(webapp, "k", WebappFixture::error(Code::unknown_request)).code ==
        Code::unknown_request);
}

TEST_CASE("who asks what became of an order that came too early hears how long it still is") {
  WebappFixture webapp;
  webapp.hello();
  std::string early;
  append_error(early, Code::not_started, {}, 30'000);
  const auto unknown = WebappFixture::error(Code::unknown_request);
  post(webapp, "k", early);
  auto reply = told(webapp, "k", unknown);
  CHECK(reply.code == Code::not_started);
  CHECK(reply.retry_after_ms == 30'000);
  webapp.pass(29'000);
  CHECK(told(webapp, "k", unknown).retry_after_ms == 1000);
  webapp.pass(990);
  reply = told(webapp, "k", unknown);
  CHECK(reply.code == Code::not_started);
  CHECK(reply.retry_after_ms == 100);
  webapp.pass(10);  // it has begun: nothing is decided, and the id may be posted again
  reply = told(webapp, "k", unknown);
  CHECK(reply.code == Code::unknown_request);
  CHECK(reply.retry_after_ms == 0);
}

TEST_CASE("a detached order outlives its deadline and every refusal that may be retried") {
  WebappFixture webapp;
  webapp.hello();
  webapp.take(WebappFixture::order("gone"));
  webapp.take_and_send(WebappFixture::http_order("kept", WaitMode::detach_now));
  webapp.replies();
  webapp.refuse(1, Code::overloaded);
  CHECK(webapp.only_reply().id == "gone");
  CHECK(webapp.core.waiting() == 1);
  webapp.pass(300);
  REQUIRE(webapp.sent.size() == 2);
  CHECK(webapp.sent[1].number == 2);
  CHECK(webapp.ids_of(webapp.sent[1]) == Ids{"kept"});
  webapp.result(2, WebappFixture::error(Code::log_unavailable));
  webapp.pass(300);
  REQUIRE(webapp.sent.size() == 3);
  webapp.pass(30'000);
  webapp.result(3, WebappFixture::confirmed());
  CHECK_FALSE(webapp.core.busy());
  auto ask = WebappFixture::get("kept", WebappFixture::http(2));
  ask.cached = true;
  webapp.take(ask);
  CHECK(webapp.only_reply().kind == ReplyKind::answer);
}

TEST_CASE("a wait that runs out says queued and the order goes on") {
  WebappFixture webapp;
  webapp.hello();
  auto ask = WebappFixture::http_order("a", WaitMode::detach_at_deadline);
  ask.request.deadline_ms = 200;
  webapp.take_and_send(ask);
  CHECK(webapp.replies().empty());
  webapp.pass(250);
  CHECK(webapp.only_reply().kind == ReplyKind::queued);
  webapp.pass(10'000);
  CHECK(webapp.core.busy());
  webapp.result(1, WebappFixture::confirmed());
  CHECK(webapp.replies().empty());
  CHECK_FALSE(webapp.core.busy());
}

TEST_CASE("a waiting HTTP order is answered when the decision comes in time") {
  WebappFixture webapp;
  webapp.hello();
  webapp.take_and_send(WebappFixture::http_order("a", WaitMode::detach_at_deadline, 42));
  webapp.result(1, WebappFixture::sold_out());
  const auto reply = webapp.only_reply();
  CHECK(reply.client.number() == 42);
  CHECK(reply.answer.state == State::rejected);
}

TEST_CASE("few detached orders do not keep a batch of finished ones in memory") {
  WebappFixture webapp;
  for (int i = 0; i < 100; ++i) webapp.take(WebappFixture::order("x" + std::to_string(i)));
  webapp.take(WebappFixture::http_order("kept", WaitMode::detach_now));
  webapp.pass(5100);
  CHECK(webapp.core.waiting() == 1);
  webapp.hello();
  webapp.pass(10);
  REQUIRE(webapp.sent.size() == 1);
  CHECK(webapp.ids_of(webapp.sent[0]) == Ids{"kept"});
}

TEST_CASE("the miaosha user is called like the minted request") {
  WebappFixture webapp;
  webapp.hello();
  auto ask = WebappFixture::http_order("", WaitMode::detach_now);
  ask.user_is_id = true;
  webapp.take_and_send(ask);
  const auto id = webapp.only_reply().id;
  BodyReader reader;
  reader.open(webapp.sent[0].body);
  Request request;
  REQUIRE(reader.next(request));
  CHECK(request.user == id);
}

TEST_CASE("while batches are on their way the next one gathers company until one is answered") {
  WebappFixture webapp;
  webapp.hello();
  int made = 0;
  const auto take = [&](std::size_t orders) {
    while (orders-- > 0) webapp.take(webapp.order("o" + std::to_string(made++)));
    webapp.round();
  };
  for (std::uint64_t i = 0; i < kSmallBatchesInFlightMax; ++i) take(1);
  auto first = std::exchange(webapp.sent, {});
  REQUIRE(first.size() == kSmallBatchesInFlightMax);
  take(1);
  take(kSmallBatch - 2);
  CHECK(std::exchange(webapp.sent, {}).empty());
  take(1);  // no longer small
  for (auto i = kSmallBatchesInFlightMax + 1; i < kBatchesInFlightMax; ++i) take(kSmallBatch);
  for (const auto& batch : webapp.sent) CHECK(batch.count == kSmallBatch);
  first.insert(first.end(), webapp.sent.begin(), webapp.sent.end());
  webapp.sent.clear();
  REQUIRE(first.size() == kBatchesInFlightMax);
  take(kSmallBatch);
  CHECK(std::exchange(webapp.sent, {}).empty());
  webapp.result(first[1].number, webapp.confirmed());
  webapp.round();
  const auto next = std::exchange(webapp.sent, {});
  REQUIRE(next.size() == 1);
  CHECK(next[0].count == kSmallBatch);

  SUBCASE("a batch that is refused makes room as well") {
    take(kSmallBatch);
    CHECK(std::exchange(webapp.sent, {}).empty());
    webapp.refuse(first[0].number, Code::overloaded);
    webapp.round();
    CHECK(std::exchange(webapp.sent, {}).size() == 1);
  }
  SUBCASE("a full one does not wait") {
    for (std::size_t i = 0; i <= kBatchEntries; ++i)
      webapp.take(webapp.order("x" + std::to_string(i)));
    webapp.round();
    const auto full = std::exchange(webapp.sent, {});
    REQUIRE(full.size() == 1);
    CHECK(full[0].count == kBatchEntries);
  }
}
