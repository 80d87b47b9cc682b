// Orders that a webapp turns away by itself, and those that it must not.

#include <doctest/doctest.h>

#include "test/actors/webapp/core/webapp_fixture.h"

using namespace stampede::actors;

namespace {

// A webapp whose backend has told it that item 1 is sold out.
struct EdgeFixture : WebappFixture {
  static WebappSettings settings() {
    WebappSettings settings;
    settings.items_refresh_us = 1'000'000;
    return settings;
  }
  explicit EdgeFixture(WebappSettings settings = EdgeFixture::settings())
      : WebappFixture(settings) {
    hello();
    answer_changes({100, false, true});
    answer_page();
    core.on_news(1, row(0, 105));
  }
  static ItemRow row(std::int64_t left, Lsn seq, std::uint64_t item = 1) {
    ItemRow row;
    row.item = item;
    row.left = left;
    row.seq = seq;
    return row;
  }
  // The question that comes with time.
  void wait_for_question() {
    const auto before = sent.size();
    for (int i = 0; sent.size() == before; ++i) {
      REQUIRE(i < 300);
      pass(5);
    }
  }
  void answer_page() {  // there are no items to look at
    wait_for_question();
    std::string body;
    append_items(body, {}, std::nullopt);
    result(sent.back().number, body);
  }
  void answer_changes(const ItemChanges& changes, const std::vector<ItemRow>& rows = {},
                      std::uint64_t epoch = 1) {
    wait_for_question();
    std::string body;
    append_changes(body, changes, rows);
    result(sent.back().number, body, epoch);
  }
  static ClientAsk first(std::string_view id, ClientToken client = dealer()) {
    auto ask = order(id, client);
    ask.request.first = true;
    return ask;
  }
};

}  // namespace

TEST_CASE("a first try for a sold-out item is turned away here, and nothing is decided") {
  EdgeFixture webapp;
  const auto sent = webapp.sent.size();
  webapp.take_and_send(EdgeFixture::first("a"));
  const auto reply = webapp.only_reply();
  CHECK(reply.kind == ReplyKind::edge);
  CHECK(reply.id == "a");
  CHECK(webapp.sent.size() == sent);
  CHECK_FALSE(webapp.core.busy());
  CHECK(webapp.core.counters().edge == 1);
}

TEST_CASE("an order whose id is made here is turned away with that id") {
  EdgeFixture webapp;
  webapp.take(WebappFixture::order(""));
  const auto reply = webapp.only_reply();
  CHECK(reply.kind == ReplyKind::edge);
  CHECK(valid_request_id(reply.id));
}

TEST_CASE("whatever may have been asked before goes to the backend") {
  EdgeFixture webapp;
  auto ask = EdgeFixture::first("a");
  SUBCASE("an id that is not said to be new") {
    ask.request.first = false;
  }
  SUBCASE("another item") {
    ask.request.item = 2;
  }
  SUBCASE("over HTTP, where the gateway knows whether a proxy stands between") {
    ask = WebappFixture::http_order("", WaitMode::detach_at_deadline);
  }
  SUBCASE("a question") {
    ask = WebappFixture::get("a");
    ask.request.first = true;
    ask.request.item = 1;
  }
  const auto sent = webapp.sent.size();
  webapp.take_and_send(ask);
  CHECK(webapp.sent.size() == sent + 1);
  CHECK(webapp.replies().empty());
}

TEST_CASE("an id that was queued here is not turned away") {
  EdgeFixture webapp;
  webapp.take_and_send(WebappFixture::http_order("a", WaitMode::detach_now));
  CHECK(webapp.only_reply().kind == ReplyKind::queued);
  auto again = WebappFixture::http_order("a", WaitMode::detach_now, 2);
  again.request.first = true;
  webapp.take(again);
  CHECK(webapp.only_reply().kind == ReplyKind::queued);
}

TEST_CASE("an edge refusal is not remembered: the same id has the backend's answer") {
  EdgeFixture webapp;
  auto ask = WebappFixture::http_order("a", WaitMode::detach_now);
  ask.request.first = true;
  webapp.take(ask);
  CHECK(webapp.only_reply().kind == ReplyKind::edge);
  webapp.take_and_send(WebappFixture::get("a", WebappFixture::http(2)));
  webapp.result(webapp.sent.back().number, WebappFixture::confirmed());
  CHECK(webapp.only_reply().answer.state == State::confirmed);
}

TEST_CASE("entries of an array are turned away in their place") {
  EdgeFixture webapp;
  webapp.take_frame({{{"op", "order"}, {"id", "a"}, {"item", 1}, {"user", "u"}, {"first", true}},
                     {{"op", "order"}, {"id", "b"}, {"item", 1}, {"user", "u"}},
                     {{"op", "order"}, {"item", 1}, {"user", "u"}},
                     {{"op", "order"}, {"id", "d"}, {"item", 2}, {"user", "u"}, {"first", true}}});
  webapp.round();
  webapp.result(webapp.sent.back().number, WebappFixture::sold_out() + WebappFixture::confirmed());
  const auto array = webapp.only_array();
  REQUIRE(array.replies.size() == 4);
  CHECK(array.replies[0].kind == ReplyKind::edge);
  CHECK(array.replies[0].id == "a");
  CHECK(array.replies[1].answer.reason == RejectReason::sold_out);
  CHECK(array.replies[2].kind == ReplyKind::edge);
  CHECK(valid_request_id(array.replies[2].id));
  CHECK(array.replies[3].answer.state == State::confirmed);
}

TEST_CASE("an item that came back is asked for again: by news, by an answer, by a new epoch") {
  EdgeFixture webapp;
  std::uint64_t epoch = 1;
  SUBCASE("news") {
    webapp.core.on_news(1, EdgeFixture::row(5, 106));
  }
  SUBCASE("what changed") {
    webapp.answer_changes({120, false, false}, {EdgeFixture::row(5, 110)});
  }
  SUBCASE("a new epoch") {
    webapp.hello(1, epoch = 2);
  }
  SUBCASE("the answer of a new epoch") {
    webapp.take_and_send(WebappFixture::order("x"));
    webapp.result(webapp.sent.back().number, WebappFixture::confirmed(), epoch = 2);
    webapp.replies();
  }
  webapp.take_and_send(EdgeFixture::first("a"));
  CHECK(webapp.replies().empty());
  webapp.result(webapp.sent.back().number, WebappFixture::confirmed(), epoch);
  CHECK(webapp.only_reply().answer.state == State::confirmed);
}

TEST_CASE("news of an epoch that is over are not believed") {
  EdgeFixture webapp;
  webapp.hello(1, 2);
  webapp.answer_changes({1000, false, true}, {}, 2);
  webapp.core.on_news(1, EdgeFixture::row(0, 1005));
  webapp.take(EdgeFixture::first("a"));
  CHECK(webapp.replies().empty());
}

TEST_CASE("rejections teach what is sold out, repeated ones do not") {
  EdgeFixture webapp;
  webapp.core.on_news(1, EdgeFixture::row(5, 106));
  const auto rejected = [&](std::optional<std::int64_t> left) {
    Answer answer;
    answer.state = State::rejected;
    answer.reason = RejectReason::sold_out;
    answer.lsn = 110;
    answer.item = answer.qty = 1;
    answer.left = left;
    answer.replayed = !left;
    std::string body;
    append_answer(body, answer);
    webapp.take_and_send(WebappFixture::order("x"));
    webapp.result(webapp.sent.back().number, body);
    webapp.replies();
    webapp.take_and_send(EdgeFixture::first("a"));
    const bool turned_away = !webapp.replies().empty();
    if (!turned_away) webapp.result(webapp.sent.back().number, WebappFixture::confirmed());
    webapp.replies();
    return turned_away;
  };
  CHECK_FALSE(rejected(std::nullopt));
  CHECK_FALSE(rejected(1));  // of two that were wanted
  CHECK(rejected(0));
}

TEST_CASE("a webapp that hears no answer any more turns nobody away") {
  EdgeFixture webapp;
  webapp.pass(4900);
  webapp.take(EdgeFixture::first("a"));
  CHECK(webapp.only_reply().kind == ReplyKind::edge);
  webapp.pass(2100);  // the questions are sent, and never answered
  webapp.take(EdgeFixture::first("b"));
  CHECK(webapp.replies().empty());
}

TEST_CASE("its own questions keep no webapp from ending, and none is asked then") {
  EdgeFixture webapp;
  webapp.pass(1100);
  const auto sent = webapp.sent.size();
  CHECK_FALSE(webapp.core.busy());
  webapp.core.drain();
  webapp.take(EdgeFixture::first("a"));
  CHECK(webapp.only_reply().code == Code::draining);
  webapp.pass(20'000);
  CHECK(webapp.sent.size() <= sent + 4);  // repeats of the one that was open
  CHECK_FALSE(webapp.core.busy());
}

TEST_CASE("a refused or unanswered question is asked again, and is nobody's reply") {
  EdgeFixture webapp;
  webapp.pass(1100);
  webapp.refuse(webapp.sent.back().number, Code::overloaded);
  CHECK(webapp.replies().empty());
  webapp.answer_changes({130, false, false}, {EdgeFixture::row(9, 120)});
  webapp.take(EdgeFixture::first("a"));
  CHECK(webapp.replies().empty());
}

// --- the copy of the items ----------------------------------------------------------------------

namespace {

// A webapp that holds item 1, all there is.
struct CopyFixture : WebappFixture {
  static WebappSettings settings(std::size_t items_max = 10) {
    WebappSettings settings;
    settings.items_refresh_us = 1'000'000;
    settings.items_max = items_max;
    return settings;
  }
  explicit CopyFixture(std::size_t items_max = 10) : WebappFixture(settings(items_max)) { hello(); }
  static ItemRow row(std::int64_t left, Lsn seq) {
    ItemRow row;
    row.item = 1;
    row.terms.name = "Phone";
    row.left = left;
    row.seq = seq;
    return row;
  }
  // What the webapp asks by itself next.
  Request question() {
    const auto before = sent.size();
    for (int i = 0; sent.size() == before; ++i) {
      REQUIRE(i < 300);
      pass(5);
    }
    BodyReader reader;
    reader.open(sent.back().body);
    Request request;
    REQUIRE(reader.next(request));
    return request;
  }
  void fill() {
    CHECK(question().kind == RequestKind::changes);
    std::string body;
    append_changes(body, {100, false, true}, {});
    result(sent.back().number, body);
    const auto page = question();
    CHECK((page.kind == RequestKind::items && page.item == 0 && page.qty == kItemsPageMax));
    answer_items({row(5, 50)});
  }
  void answer_items(const std::vector<ItemRow>& rows) {
    std::string body;
    append_items(body, rows, std::nullopt);
    result(sent.back().number, body);
  }
  void notice(const StockNotice& notice) override {
    notices += std::to_string(notice.item) + (notice.left > 0 ? "+" : "-");
  }
  std::string notices;
  ClientAsk items(bool one = false) {
    ClientAsk ask{dealer(), {}};
    ask.request.op = ClientOp::items;
    ask.request.id = "q";
    ask.request.one_item = one;
    ask.request.item = one ? 1 : 0;
    return ask;
  }
};

}  // namespace

TEST_CASE("a page is answered here once all items are known, and by the backend before") {
  CopyFixture webapp;
  webapp.take_and_send(webapp.items());
  CHECK(webapp.replies().empty());
  webapp.answer_items({CopyFixture::row(5, 50)});
  CHECK(webapp.only_reply().kind == ReplyKind::items);
  webapp.fill();
  const auto sent = webapp.sent.size();
  webapp.take_and_send(webapp.items());
  const auto reply = webapp.only_reply();
  CHECK((reply.kind == ReplyKind::items && reply.items == 1 && reply.id == "q"));
  CHECK(webapp.sent.size() == sent);
  CHECK(webapp.core.counters().copied == 1);
}

TEST_CASE("one item is answered here once its texts were asked for") {
  CopyFixture webapp;
  webapp.fill();
  webapp.take_and_send(webapp.items(true));
  CHECK(webapp.replies().empty());
  webapp.answer_items({CopyFixture::row(5, 50)});
  CHECK(webapp.only_reply().items == 1);
  const auto asked = webapp.question();
  CHECK((asked.kind == RequestKind::items && asked.item == 1 && asked.qty == 0));
  webapp.answer_items({CopyFixture::row(5, 50)});
  CHECK(webapp.replies().empty());
  webapp.take(webapp.items(true));
  CHECK(webapp.only_reply().items == 1);
}

TEST_CASE("a copy that could not be refreshed for five times its time is not used") {
  CopyFixture webapp;
  webapp.fill();
  webapp.pass(4900);
  webapp.take(webapp.items());
  CHECK(webapp.only_reply().kind == ReplyKind::items);
  webapp.pass(3000);
  webapp.take(webapp.items());
  CHECK(webapp.replies().empty());
}

TEST_CASE("who heard that an item is sold out hears behind a new epoch that it came back") {
  CopyFixture webapp;
  webapp.fill();
  webapp.core.on_news(1, CopyFixture::row(0, 105));
  CHECK(webapp.notices == "1-");
  const auto answer = [&](const std::string& body) {
    webapp.result(webapp.sent.back().number, body, 2);
  };
  webapp.hello(1, 2);
  REQUIRE(webapp.question().kind == RequestKind::changes);
  std::string changes;
  append_changes(changes, {200, false, true}, {});
  answer(changes);
  REQUIRE(webapp.question().kind == RequestKind::items);
  std::string page;
  SUBCASE("by the page that it is on") {
    append_items(page, {CopyFixture::row(3, 150)}, std::nullopt);
    answer(page);
  }
  SUBCASE("by a question of its own, asked again where it was not answered") {
    append_items(page, {}, std::nullopt);
    answer(page);
    const auto asks_for_it = [&] {
      const auto asked = webapp.question();
      return asked.kind == RequestKind::items && asked.item == 1 && asked.qty == 0;
    };
    CHECK(asks_for_it());
    std::string body;
    append_error(body, Code::overloaded);
    answer(body);
    REQUIRE(webapp.question().kind == RequestKind::changes);  // not before
    body.clear();
    append_changes(body, {210, false, false}, {});
    answer(body);
    CHECK(asks_for_it());
    body.clear();
    append_items(body, {CopyFixture::row(3, 150)}, std::nullopt);
    answer(body);
  }
  CHECK(webapp.notices == "1-1+");
  CHECK(webapp.replies().empty());
}

TEST_CASE("promos that end together make one question of a page") {
  CopyFixture webapp;
  CHECK(webapp.question().kind == RequestKind::changes);
  std::string body;
  append_changes(body, {100, false, true}, {});
  webapp.result(webapp.sent.back().number, body);
  std::vector<ItemRow> rows;
  for (std::uint64_t item = 1; item <= 5; ++item) {
    rows.push_back(CopyFixture::row(5, 50));
    rows.back().item = item;
    rows.back().promo = ShownPromo{item, "half", 50, 0, 1000, PromoState::running};
  }
  REQUIRE(webapp.question().kind == RequestKind::items);
  webapp.answer_items(rows);
  webapp.core.at_wall_time(1000);
  webapp.take_and_send(webapp.items());
  CHECK(webapp.replies().empty());
  webapp.answer_items({});  // to who asked
  webapp.replies();
  const auto asked = webapp.question();
  CHECK((asked.kind == RequestKind::items && asked.item == 1 && asked.qty == kItemsPageMax));
  for (auto& row : rows) row.promo.reset();
  webapp.answer_items(rows);
  const auto sent = webapp.sent.size();
  webapp.take_and_send(webapp.items());
  CHECK(webapp.only_reply().items == 5);
  CHECK(webapp.sent.size() == sent);
}

TEST_CASE("a new epoch begins with an empty copy, and fills it again") {
  CopyFixture webapp;
  webapp.fill();
  webapp.hello(1, 2);
  webapp.take_and_send(webapp.items());
  CHECK(webapp.replies().empty());
  CHECK(webapp.core.items().size() == 0);
}

TEST_CASE("an item that is unknown, or a question that is refused, is asked for no more") {
  CopyFixture webapp(1);
  webapp.fill();
  webapp.core.on_news(1, CopyFixture::row(4, 110));
  webapp.take_and_send(webapp.items(true));
  webapp.answer_items({CopyFixture::row(4, 110)});
  webapp.replies();
  CHECK(webapp.question().item == 1);
  webapp.result(webapp.sent.back().number, WebappFixture::error(Code::unknown_item, "item"));
  CHECK(webapp.replies().empty());
  CHECK_FALSE(webapp.core.busy());
  CHECK(webapp.question().kind == RequestKind::changes);
}

TEST_CASE("without room for items all is asked of the backend, and nothing by itself") {
  CopyFixture webapp(0);
  webapp.pass(3000);
  CHECK(webapp.sent.empty());
  webapp.core.on_news(1, CopyFixture::row(0, 110));
  webapp.take_and_send(webapp.items());
  webapp.take_and_send(EdgeFixture::first("a"));
  CHECK(webapp.replies().empty());
}
