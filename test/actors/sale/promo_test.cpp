// Promos in the book: windows, prices, limits, changes by an operator, and the same from the log.

#include <doctest/doctest.h>

#include <string>
#include <vector>

#include "actors/sale/order_book.h"

using namespace stampede;
using namespace stampede::actors;

namespace {

constexpr LogUuid kKey{1, 2, 3};
constexpr std::int64_t kStart = 1'800'000'000'000;  // ms
constexpr std::int64_t kEnd = kStart + 20'000;

struct PromoTest {
  OrderBook book{kKey, {1000, 100}};
  Lsn lsn = storage::make_lsn(1, 0);
  std::int64_t now_ms = kStart;

  PromoTest() { put_item(1, 100); }

  void put_item(std::uint64_t item, std::int64_t total, std::uint32_t limit = 0) {
    const auto id = "item-" + std::to_string(item);
    Request request;
    request.kind = RequestKind::item_put;
    request.id = id;
    request.item = item;
    request.terms = {"Phone", 999, total, limit, 5};
    book.apply_item(book.decide_item_put(request), ++lsn);
  }

  static PromoRequest adding(std::uint64_t promo) {
    PromoRequest request;
    request.action = PromoAction::add;
    request.put.request_id = "add";
    request.put.promo = promo;
    request.put.item = 1;
    request.put.name = "Half price";
    request.put.price_cents = 500;
    request.put.starts_at_ms = kStart;
    request.put.ends_at_ms = kEnd;
    return request;
  }
  PromoDecision change(const PromoRequest& request) {
    const auto decision = book.decide_promo(request, now_ms * 1000);
    if (decision.changed) book.apply_promo(decision, ++lsn);
    return decision;
  }
  PromoDecision add(std::uint64_t promo, std::int64_t from, std::int64_t to,
                    std::uint64_t item = 1) {
    auto request = adding(promo);
    const auto id = "add-" + std::to_string(promo);
    request.put.request_id = id;
    request.put.item = item;
    request.put.starts_at_ms = from;
    request.put.ends_at_ms = to;
    return change(request);
  }
  PromoDecision end(std::uint64_t promo, std::string_view id) {
    PromoRequest request;
    request.action = PromoAction::end;
    request.put.request_id = id;
    request.put.promo = promo;
    return change(request);
  }
  // Sets the terms whose bits are given, in the order of each_promo_term().
  PromoDecision set(std::uint64_t promo, std::string_view id, std::uint32_t given,
                    const storage::PromoPut& terms) {
    PromoRequest request{PromoAction::set, terms, given};
    request.put.promo = promo;
    request.put.request_id = id;
    return change(request);
  }
  OrderDecision order(std::string_view id, std::uint64_t promo, std::string_view user = "ann",
                      std::uint32_t qty = 1, std::uint64_t item = 1) {
    Request request;
    request.kind = RequestKind::order;
    request.id = id;
    request.item = item;
    request.user = user;
    request.qty = qty;
    request.promo = promo;
    const auto decision = book.decide_order(request, now_ms * 1000);
    if (decision.error == Code::none && !decision.known)
      book.apply_order(decision, user, ++lsn, now_ms * 1000);
    return decision;
  }
};

constexpr std::uint32_t kName = 2, kPrice = 4, kStarts = 8, kEnds = 16, kLimit = 32;

}  // namespace

TEST_CASE_FIXTURE(PromoTest,
                  "a window begins with its first millisecond and ends before its last") {
  REQUIRE(change(adding(7)).changed);
  now_ms = kStart - 1;
  const auto early = order("a", 7);
  CHECK(early.error == Code::not_started);
  CHECK(early.retry_after_ms == 1);
  now_ms = kStart;
  CHECK(order("a", 7).answer.state == State::confirmed);  // the same id: nothing was decided
  now_ms = kEnd - 1;
  CHECK(order("b", 7).answer.state == State::confirmed);
  now_ms = kEnd;
  CHECK(order("c", 7).error == Code::ended);
  CHECK(book.item(1)->left == 98);
}

TEST_CASE_FIXTURE(PromoTest, "a promo's order has its price, another one the item's") {
  change(adding(7));
  const auto in = order("a", 7);
  CHECK(in.answer.unit_price_cents == 500);
  CHECK(in.answer.promo == 7);
  const auto out = order("b", kNoNumber);
  CHECK(out.answer.unit_price_cents == 999);
  CHECK(out.answer.promo == kNoNumber);
}

TEST_CASE_FIXTURE(PromoTest, "a promo that is unknown or another item's is unknown") {
  put_item(2, 10);
  change(adding(7));
  CHECK(order("a", 8).error == Code::unknown_promo);
  const auto others = order("b", 7, "ann", 1, 2);
  CHECK(others.error == Code::unknown_promo);
  CHECK(others.field == "promo");
}

TEST_CASE_FIXTURE(PromoTest, "a known id is answered although the promo has ended") {
  change(adding(7));
  order("a", 7);
  now_ms = kEnd + 1;
  const auto again = order("a", 7);
  CHECK(again.known);
  CHECK(again.answer.state == State::confirmed);
  CHECK(order("a", kNoNumber).error == Code::key_reused);
  CHECK(order("a", 8).error == Code::key_reused);
}

TEST_CASE_FIXTURE(PromoTest, "limits of item and promo count apart, and both hold") {
  put_item(2, 100, 4);
  auto request = adding(7);
  request.put.item = 2;
  request.put.limit_per_user = 2;
  change(request);
  CHECK(order("a", 7, "ann", 2, 2).answer.state == State::confirmed);
  CHECK(order("b", 7, "ann", 1, 2).answer.reason == RejectReason::limit_reached);  // promo's
  CHECK(order("c", kNoNumber, "ann", 2, 2).answer.state == State::confirmed);
  CHECK(order("d", kNoNumber, "ann", 1, 2).answer.reason == RejectReason::limit_reached);  // item's
  CHECK(order("e", 7, "bob", 2, 2).answer.state == State::confirmed);
}

TEST_CASE_FIXTURE(PromoTest, "valid_until_ms is the last moment to decide") {
  Request request;
  request.kind = RequestKind::order;
  request.id = "a";
  request.item = 1;
  request.user = "ann";
  request.qty = 1;
  request.valid_until_ms = kStart;
  CHECK(book.decide_order(request, (kStart + 1) * 1000).error == Code::expired_request);
  CHECK(book.decide_order(request, kStart * 1000 + 999).error == Code::none);
}

TEST_CASE_FIXTURE(PromoTest, "sale time does not go back behind what was decided") {
  CHECK(book.sale_time_us(5) == 5);
  change(adding(7));
  now_ms = kStart + 100;
  order("a", 7);
  CHECK(book.sale_time_us(kStart * 1000) == now_ms * 1000);
  CHECK(book.sale_time_us((now_ms + 1) * 1000) == (now_ms + 1) * 1000);
}

TEST_CASE_FIXTURE(PromoTest, "windows of one item do not overlap; those of others may") {
  put_item(2, 10);
  change(adding(7));
  CHECK(add(8, kEnd, kEnd + 1).error == Code::none);
  CHECK(add(9, kStart - 1, kStart).error == Code::none);
  for (const auto& [from, to] : std::vector<std::pair<std::int64_t, std::int64_t>>{
           {kStart, kEnd}, {kStart - 5, kStart + 1}, {kEnd - 1, kEnd}, {kStart + 1, kStart + 2}}) {
    const auto refused = add(10, from, to);
    CHECK(refused.error == Code::bad_request);
    CHECK(refused.field == (from < kStart ? "promo 7" : refused.field));
    CHECK(refused.field.starts_with("promo "));
  }
  CHECK(add(11, kStart, kEnd, 2).error == Code::none);
  CHECK(book.promos().find(10) == nullptr);
}

TEST_CASE_FIXTURE(PromoTest, "what a promo cannot be is refused, naming the member") {
  CHECK(add(7, kEnd, kEnd).field == "ends_at_ms");
  CHECK(add(7, kStart, kEnd, 3).error == Code::unknown_item);
  auto request = adding(7);
  request.put.name = "";
  CHECK(change(request).field == "name");
  request = adding(7);
  request.put.price_cents = -1;
  CHECK(change(request).field == "price_cents");
  request = adding(7);
  request.put.ends_at_ms = kTimeMsMax + 1;
  CHECK(change(request).field == "ends_at_ms");
  CHECK(set(7, "s", kPrice, {}).error == Code::unknown_promo);
  CHECK(end(7, "e").error == Code::unknown_promo);
  CHECK(book.promos().size() == 0);
}

TEST_CASE_FIXTURE(PromoTest,
                  "the same promo again changes nothing, another one of its id is refused") {
  CHECK(change(adding(7)).changed);
  const auto again = change(adding(7));
  CHECK(again.known);
  CHECK(again.lsn == lsn);
  auto other_id = adding(7);
  other_id.put.request_id = "add-2";
  const auto unchanged = change(other_id);
  CHECK(unchanged.error == Code::none);
  CHECK_FALSE(unchanged.changed);
  other_id.put.price_cents = 1;
  CHECK(change(other_id).field == "promo");
  auto reused = adding(7);
  reused.put.price_cents = 1;
  CHECK(change(reused).error == Code::key_reused);
}

TEST_CASE_FIXTURE(PromoTest, "set changes what is given, for later orders only") {
  change(adding(7));
  order("a", 7);
  storage::PromoPut terms;
  terms.price_cents = 300;
  terms.limit_per_user = 1;
  terms.name = "Third price";
  CHECK(set(7, "s", kName | kPrice | kLimit, terms).changed);
  const auto later = order("b", 7);  // what was bought before the limit is not counted
  CHECK(later.answer.unit_price_cents == 300);
  CHECK(order("c", 7).answer.reason == RejectReason::limit_reached);
  CHECK(book.promos().find(7)->name == "Third price");
  CHECK(book.promos().find(7)->put.ends_at_ms == kEnd);
}

TEST_CASE_FIXTURE(PromoTest, "a promo that has begun keeps its start and what it has sold") {
  change(adding(7));
  now_ms = kStart + 10;
  order("a", 7);
  storage::PromoPut terms;
  terms.starts_at_ms = kStart + 1;
  CHECK(set(7, "s1", kStarts, terms).field == "starts_at_ms");
  terms.ends_at_ms = now_ms;
  CHECK(set(7, "s2", kEnds, terms).field == "ends_at_ms");
  terms.ends_at_ms = now_ms + 1;
  CHECK(set(7, "s3", kEnds, terms).changed);
  now_ms += 1;
  CHECK(order("b", 7).error == Code::ended);
}

TEST_CASE_FIXTURE(PromoTest,
                  "a promo that is to come can be moved, one that is over given more time") {
  now_ms = kStart - 1000;
  change(adding(7));
  storage::PromoPut terms;
  terms.starts_at_ms = kStart + 5;
  CHECK(set(7, "s1", kStarts, terms).changed);
  CHECK(add(8, kStart, kStart + 5).error == Code::none);  // what it left is free
  now_ms = kEnd;
  terms.ends_at_ms = kEnd + 5;
  CHECK(set(7, "s2", kEnds, terms).changed);
  CHECK(order("a", 7).answer.state == State::confirmed);
}

TEST_CASE_FIXTURE(PromoTest, "end ends it now, behind what it has sold, and one to come for good") {
  change(adding(7));
  now_ms = kStart + 10;
  order("a", 7);
  CHECK(end(7, "e").changed);
  CHECK(book.promos().find(7)->put.ends_at_ms == now_ms + 1);
  now_ms += 1;
  CHECK(order("b", 7).error == Code::ended);
  CHECK_FALSE(end(7, "e2").changed);
  add(8, kEnd, kEnd + 10);
  CHECK(end(8, "e3").changed);
  CHECK(order("c", 8).error == Code::ended);  // although its start is still to come
  CHECK(book.promos().find(8)->state(now_ms) == PromoState::ended);
  now_ms = kEnd;
  CHECK(order("d", 8).error == Code::ended);
  CHECK(add(9, kEnd, kEnd + 10).error == Code::none);
}

TEST_CASE_FIXTURE(PromoTest, "one that was ended sells no more, even while the clock goes back") {
  change(adding(7));
  now_ms = kStart + 10;
  order("a", 7);
  const auto ended = end(7, "e");
  CHECK(ended.put.decided_at_us == ended.put.ends_at_ms * 1000);
  const auto hour_back = (now_ms - 3'600'000) * 1000;
  CHECK(book.promos().find(7)->state(book.sale_time_us(hour_back) / 1000) == PromoState::ended);
  Request late;
  late.kind = RequestKind::order;
  late.id = "b";
  late.item = 1;
  late.user = "ann";
  late.qty = 1;
  late.promo = 7;
  CHECK(book.decide_order(late, book.sale_time_us(hour_back)).error == Code::ended);
}

// --- the log ------------------------------------------------------------------------------------

namespace {

// Sets as the log holds them, and what is decoded from them.
struct LoggedPromos : PromoTest {
  OrderBook other{kKey, {1000, 100}};
  std::string payload;
  std::vector<storage::Command> commands;

  bool replay(const std::string& bytes, Lsn at) {
    payload = bytes;
    storage::CommandDecoder decoder;
    REQUIRE(decoder.command_set(payload, commands));
    return other.replay_set(commands, at);
  }
  bool replay_item(std::uint32_t limit = 0) {
    std::string bytes;
    storage::encode_item_set(bytes, {"item-1", 1, {"Phone", 999, 100, limit, 5}, 0}, {1, 100});
    return replay(bytes, storage::make_lsn(1, 1));
  }
  static std::string order_set(std::string_view id, std::int64_t left, std::int64_t at_ms,
                               std::uint32_t counted = 0) {
    std::string bytes;
    const storage::OrderSale sale{.promo = 7, .counted = counted};
    storage::encode_order_set(bytes, {id, 1, "ann", 1, 500, at_ms * 1000}, {1, left}, sale);
    return bytes;
  }
  static std::string promo_set(std::int64_t from, std::int64_t to, std::uint32_t limit = 0) {
    auto put = adding(7).put;
    put.starts_at_ms = from;
    put.ends_at_ms = to;
    put.limit_per_user = limit;
    put.decided_at_us = from * 1000;
    std::string bytes;
    storage::encode_promo_set(bytes, put);
    return bytes;
  }
};

}  // namespace

TEST_CASE_FIXTURE(LoggedPromos, "a replay does not judge windows again") {
  REQUIRE(replay_item());
  REQUIRE(replay(promo_set(kStart, kEnd), storage::make_lsn(1, 2)));
  // Decided behind the end, as when the operator has ended the promo by hand: it stands.
  CHECK(replay(order_set("a", 99, kEnd + 100), storage::make_lsn(1, 3)));
  CHECK(other.item(1)->left == 99);
  CHECK(other.sale_time_us(0) == (kEnd + 100) * 1000);
  CHECK_FALSE(replay(order_set("b", 99, kEnd), storage::make_lsn(1, 4)));  // the stock says no
}

TEST_CASE_FIXTURE(LoggedPromos, "a replay counts against the limits that the record names") {
  REQUIRE(replay_item(1));
  REQUIRE(replay(promo_set(kStart, kEnd, 1), storage::make_lsn(1, 2)));
  REQUIRE(replay(order_set("a", 99, kStart, 0), storage::make_lsn(1, 3)));
  Request next;
  next.kind = RequestKind::order;
  next.id = "n";
  next.item = 1;
  next.user = "ann";
  next.qty = 1;
  next.promo = 7;
  CHECK(other.decide_order(next, kStart * 1000).answer.state == State::confirmed);
  REQUIRE(replay(order_set("b", 98, kStart, 2), storage::make_lsn(1, 4)));
  CHECK(other.decide_order(next, kStart * 1000).answer.reason == RejectReason::limit_reached);
  next.promo = kNoNumber;
  CHECK(other.decide_order(next, kStart * 1000).answer.state == State::confirmed);
  REQUIRE(replay(order_set("c", 97, kStart, 1), storage::make_lsn(1, 5)));
  CHECK(other.decide_order(next, kStart * 1000).answer.reason == RejectReason::limit_reached);
}

TEST_CASE_FIXTURE(LoggedPromos, "an order of a promo that the log never put contradicts it") {
  REQUIRE(replay_item());
  CHECK_FALSE(replay(order_set("a", 99, kStart), storage::make_lsn(1, 2)));
  CHECK(other.item(1)->left == 100);
}

TEST_CASE_FIXTURE(LoggedPromos, "a parked PromoPut closes its item and lets its orders stand") {
  REQUIRE(replay_item());
  payload = promo_set(kStart, kEnd);
  storage::CommandDecoder decoder;
  REQUIRE(decoder.command_set(payload, commands));
  CHECK(other.park_set(commands, storage::make_lsn(1, 2)) == 1);
  CHECK(other.promos().find(7) == nullptr);
  REQUIRE(other.parked_promo(7) != nullptr);
  CHECK(other.parked_promo(7)->item == 1);
  CHECK(other.parked_promo(7)->lsn == storage::make_lsn(1, 2));
  CHECK(other.parked_promo(8) == nullptr);
  auto again = adding(7);
  again.put.request_id = commands[0].sale->promo.request_id;
  CHECK(other.decide_promo(again, kStart * 1000).error != Code::none);  // nothing to show
  // Its number is taken, by whatever the parked change says: nobody is told a final no.
  for (const auto action : {PromoAction::add, PromoAction::set, PromoAction::end}) {
    auto change = adding(7);
    change.action = action;
    if (action == PromoAction::add) change.put.item = 2;
    change.put.request_id = "another";
    CHECK(other.decide_promo(change, kStart * 1000).error == Code::internal);
  }
  Request ticket;
  ticket.kind = RequestKind::ticket;
  ticket.promo = 7;
  ticket.id = "t";
  ticket.user = "ann";
  CHECK(other.decide_ticket(ticket, kStart * 1000).error == Code::internal);
  ticket.promo = 8;
  CHECK(other.decide_ticket(ticket, kStart * 1000).error == Code::unknown_promo);
  CHECK(replay(order_set("a", 99, kStart), storage::make_lsn(1, 3)));
  CHECK(other.item(1)->left == 99);
  Request next;
  next.kind = RequestKind::order;
  next.id = "n";
  next.item = 1;
  next.user = "ann";
  next.qty = 1;
  CHECK(other.decide_order(next, kStart * 1000).error == Code::internal);
}

TEST_CASE("times from now on count from the decision, and a repeat is answered like the first") {
  PromoTest test;
  auto request = PromoTest::adding(7);
  request.put.starts_at_ms = 0;
  request.put.ends_at_ms = 300'000;
  request.from_now = PromoRequest::kStartsFromNow | PromoRequest::kEndsFromNow;
  const auto first = test.change(request);
  REQUIRE(first.changed);
  CHECK(first.put.starts_at_ms == kStart);
  CHECK(first.put.ends_at_ms == kStart + 300'000);
  test.now_ms += 60'000;
  const auto again = test.change(request);
  CHECK(again.known);
  CHECK(again.lsn == test.lsn);
  CHECK(test.book.promos().find(7)->put.starts_at_ms == kStart);
  // Said as moments, or otherwise, it is another request.
  auto moments = request;
  moments.from_now = 0;
  moments.put.starts_at_ms = kStart;
  moments.put.ends_at_ms = kStart + 300'000;
  CHECK(test.change(moments).error == Code::key_reused);
  auto half = request;
  half.from_now = PromoRequest::kEndsFromNow;
  CHECK(test.change(half).error == Code::key_reused);
  PromoRequest set{PromoAction::set, {}, 16};
  set.put.request_id = "set";
  set.put.promo = 7;
  set.put.ends_at_ms = 10'000;
  set.from_now = PromoRequest::kEndsFromNow;
  CHECK(test.change(set).put.ends_at_ms == kStart + 70'000);
  test.now_ms += 1000;
  CHECK(test.change(set).known);
  CHECK(test.book.promos().find(7)->put.ends_at_ms == kStart + 70'000);
}

TEST_CASE("times from now on that lie nowhere are refused by name") {
  PromoTest test;
  auto request = PromoTest::adding(7);
  request.from_now = PromoRequest::kStartsFromNow | PromoRequest::kEndsFromNow;
  request.put.starts_at_ms = -2 * kStart;
  request.put.ends_at_ms = 1000;
  CHECK(test.change(request).field == "starts_at_ms");
  request.put.starts_at_ms = 0;
  request.put.ends_at_ms = storage::kPromoTimeMsMax;
  CHECK(test.change(request).field == "ends_at_ms");
  CHECK(test.book.promos().size() == 0);
}
