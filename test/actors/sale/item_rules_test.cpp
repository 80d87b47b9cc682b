// What an operator makes of an item, and the rules of its sale: closed, through promos only, holds,
// shorter ones, bounds of unpaid units; and the same from the log and from a snapshot.

#include <doctest/doctest.h>

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "actors/sale/order_book.h"

using namespace stampede;
using namespace stampede::actors;
using storage::Fulfilment;

namespace {

constexpr LogUuid kKey{1, 2, 3};
constexpr std::int64_t kStart = 1'800'000'000'000;  // ms

// A book, and the payloads of the log that its decisions leave.
struct RulesTest {
  OrderBook book{kKey, {1000, 100}};
  Lsn lsn = storage::make_lsn(1, 0);
  std::int64_t now_ms = kStart;
  std::uint64_t changes = 0;
  std::vector<std::pair<Lsn, std::string>> log;

  RulesTest() { add(1); }

  static ItemRequest request_of(ItemAction action, std::uint64_t item) {
    ItemRequest request;
    request.action = action;
    request.put.item = item;
    return request;
  }
  ItemDecision add(std::uint64_t item, const ItemSale& sale = {}, std::int64_t total = 10,
                   std::uint32_t limit = 0) {
    auto request = request_of(ItemAction::add, item);
    request.put.terms = {"Phone", 999, total, limit, 5};
    request.sale = sale;
    return take(request);
  }
  // `given`: the names of the terms of `request` that are.
  ItemDecision set(ItemRequest request, const std::vector<std::string_view>& given) {
    request.action = ItemAction::set;
    request.put.item = std::max<std::uint64_t>(request.put.item, 1);
    std::uint32_t bit = 1;
    storage::each_settable_term(
        [&](const storage::Term& term, const auto&) {
          if (std::find(given.begin(), given.end(), term.name) != given.end()) request.given |= bit;
          bit <<= 1U;
        },
        request);
    return take(request);
  }
  ItemDecision set_sale(const ItemSale& sale, const std::vector<std::string_view>& given) {
    ItemRequest request;
    request.sale = sale;
    return set(request, given);
  }
  ItemDecision open(std::uint64_t item = 1) { return take(request_of(ItemAction::open, item)); }
  ItemDecision close(std::uint64_t item = 1) { return take(request_of(ItemAction::close, item)); }
  ItemDecision take(ItemRequest request) {
    const auto id = "change-" + std::to_string(++changes);
    if (request.put.request_id.empty()) request.put.request_id = id;
    return take(book.decide_item(request, now_ms * 1000));
  }
  ItemDecision take(const ItemDecision& decision) {
    if (decision.error != Code::none || !decision.changed) return decision;
    storage::encode_item_set(log.emplace_back(++lsn, "").second, decision.put,
                             {decision.put.item, decision.amount}, decision.sale,
                             decision.stock.delta != 0 ? &decision.stock : nullptr);
    book.apply_item(decision, lsn);
    return decision;
  }
  ItemDecision stock(std::int64_t delta) {
    const auto id = "change-" + std::to_string(++changes);
    Request request;
    request.kind = RequestKind::stock_change;
    request.id = id;
    request.item = 1;
    request.delta = delta;
    return take(book.decide_stock_change(request, now_ms * 1000));
  }
  PromoDecision promo(std::uint64_t id, storage::PromoPut terms, PromoAction action,
                      std::uint32_t given = 0) {
    const auto request_id = "promo-change-" + std::to_string(++changes);
    PromoRequest request{action, terms, given};
    request.put.request_id = request_id;
    request.put.promo = id;
    request.put.item = 1;
    request.put.name = "Half";
    request.put.price_cents = 500;
    request.put.starts_at_ms = kStart;
    request.put.ends_at_ms = kStart + 1'000'000;
    const auto decision = book.decide_promo(request, now_ms * 1000);
    REQUIRE(decision.error == Code::none);
    storage::encode_promo_set(log.emplace_back(++lsn, "").second, decision.put);
    book.apply_promo(decision, lsn);
    return decision;
  }
  OrderDecision order(std::string_view id, std::uint32_t qty = 1, std::string_view user = "ann",
                      std::uint64_t in = kNoNumber, std::int64_t valid_until_ms = 0) {
    Request request;
    request.kind = RequestKind::order;
    request.id = id;
    request.item = 1;
    request.user = user;
    request.qty = qty;
    request.promo = in;
    request.valid_until_ms = valid_until_ms;
    const auto decision = book.decide_order(request, now_ms * 1000);
    if (decision.error != Code::none || decision.known) return decision;
    book.apply_order(decision, user, ++lsn, now_ms * 1000);
    if (decision.answer.state != State::confirmed) return decision;
    const storage::OrderInsert insert{id,           1, user, qty, decision.answer.unit_price_cents,
                                      now_ms * 1000};
    const storage::ItemAmountUpdate amount{1, *decision.answer.left};
    auto& payload = log.emplace_back(lsn, "").second;
    if (decision.promo == kNoNumber && decision.pay_by_ms == 0)
      storage::encode_order_set(payload, insert, amount);
    else
      storage::encode_order_set(payload, insert, amount,
                                {decision.promo, decision.pay_by_ms, decision.counted});
    return decision;
  }
  Code code(std::string_view id, std::uint32_t qty = 1, std::string_view user = "ann",
            std::uint64_t in = kNoNumber) {
    return order(id, qty, user, in).error;
  }
  FulfilmentDecision pay(std::string_view payment, std::string_view order, std::int64_t cents) {
    Request request;
    request.kind = RequestKind::pay;
    request.id = payment;
    request.order = order;
    request.amount_cents = cents;
    return take(book.decide_payment(request, now_ms * 1000));
  }
  FulfilmentDecision cancel(std::string_view order) {
    Request request;
    request.kind = RequestKind::cancel;
    request.id = "cancel";
    request.order = order;
    return take(book.decide_cancel(request, now_ms * 1000));
  }
  void expire() {
    for (bool more = true; more;) {
      const auto decision = book.decide_expiry(now_ms * 1000, more);
      if (decision) take(*decision);
    }
  }
  FulfilmentDecision take(const FulfilmentDecision& decision) {
    if (decision.error != Code::none || decision.known) return decision;
    auto& payload = log.emplace_back(++lsn, "").second;
    if (decision.moved == 0)
      storage::encode_update_set(payload, decision.update);
    else
      storage::encode_update_set(payload, decision.update, {decision.update.item, decision.amount},
                                 decision.stock);
    book.apply_fulfilment(decision, lsn);
    return decision;
  }
  // As it is after a restart: what the log makes of it, or its snapshot.
  void replay();
  void reload();
};

class Entries final : public storage::SnapshotSink {
 public:
  Entries() : SnapshotSink(storage::FeatureLevel::sale) {}
  void add(storage::SnapshotSection section, std::string_view entry) override {
    entries.emplace_back(section, entry);
  }
  std::vector<std::pair<storage::SnapshotSection, std::string>> entries;
};

void RulesTest::replay() {
  OrderBook replayed(kKey, {1000, 100});
  storage::CommandDecoder decoder;
  std::vector<storage::Command> set;
  for (const auto& [at, payload] : log) {
    REQUIRE(decoder.command_set(payload, set));
    REQUIRE(replayed.replay_set(set, at));
  }
  CHECK(replayed.books().hash == book.books().hash);
  CHECK(replayed.books().held_hash == book.books().held_hash);
  book = std::move(replayed);
}

void RulesTest::reload() {
  Entries saved;
  book.save(saved);
  book.save_promos(saved);
  book.save_payments(saved);
  OrderBook loaded(kKey, {1000, 100});
  for (const auto& [section, entry] : saved.entries) {
    storage::EntryReader in(entry, storage::FeatureLevel::sale);
    REQUIRE(loaded.load(section, in, 1));
  }
  Entries again;
  loaded.save(again);
  loaded.save_promos(again);
  loaded.save_payments(again);
  CHECK(again.entries == saved.entries);
  book = std::move(loaded);
}

constexpr ItemSale kAll{.decided_at_us = 0,
                        .description = "a phone, \xe6\x89\x8b",
                        .image_url = "https://shop.example/1.png",
                        .hold_s = 60,
                        .hold_low_s = 20,
                        .low_stock_percent = 50,
                        .unpaid_per_user_max = 3,
                        .promo_only = 1,
                        .closed = 0};

storage::PromoPut held(std::uint32_t hold_s, std::uint32_t unpaid_max = 0) {
  storage::PromoPut put;
  put.hold_s = hold_s;
  put.unpaid_per_user_max = unpaid_max;
  return put;
}

// fn(), then again as it is after a replay, and from a snapshot.
template <class Fn>
void in_each_life(RulesTest& test, Fn fn) {
  fn();
  test.replay();
  fn();
  test.reload();
  fn();
}

}  // namespace

TEST_CASE_FIXTURE(RulesTest, "an item is changed term by term, and stays so") {
  ItemRequest request;
  request.put.terms.name = "Telephone";
  request.put.terms.price_cents = 1200;
  request.put.terms.max_qty = 3;
  const auto renamed = set(request, {"name", "price_cents", "max_qty"});
  CHECK(renamed.changed);
  CHECK(renamed.put.terms.total == 10);
  CHECK(renamed.amount == 10);
  CHECK(set_sale(kAll, {"description", "image_url", "hold_s", "hold_low_s", "low_stock_percent",
                        "unpaid_per_user_max", "promo_only"})
            .changed);
  CHECK_FALSE(set_sale(kAll, {"description", "hold_s"}).changed);
  in_each_life(*this, [&] {
    const auto row = book.item(1);
    CHECK(row->terms == ItemTerms{"Telephone", 1200, 10, 0, 3});
    CHECK(same_terms(row->sale, kAll));
  });
  CHECK(set_sale({}, {"description"}).changed);
  in_each_life(*this, [&] {
    CHECK(book.item(1)->sale.description.empty());
    CHECK(book.item(1)->sale.image_url == kAll.image_url);
  });
  std::vector<std::string_view> all;
  storage::each_sale_term([&](const storage::Term& term) { all.push_back(term.name); });
  CHECK(set_sale({}, all).changed);
  in_each_life(*this, [&] {
    CHECK(same_terms(book.item(1)->sale, ItemSale{}));
    CHECK(book.item(1)->terms.max_qty == 3);
  });
}

TEST_CASE_FIXTURE(RulesTest, "a wrong term is named and changes nothing") {
  const std::string long_text(4001, 'x');
  const auto refused = [&](ItemSale sale, std::string_view term) {
    const auto decision = set_sale(sale, {term});
    CHECK(decision.error == Code::bad_request);
    CHECK(decision.field == term);
    CHECK(same_terms(book.item(1)->sale, ItemSale{}));
    const auto added = add(2, sale);
    CHECK(added.error == Code::bad_request);
    CHECK(added.field == term);
  };
  refused({.description = long_text}, "description");
  refused({.description = "two\nlines"}, "description");
  refused({.image_url = std::string_view(long_text).substr(0, 501)}, "image_url");
  refused({.hold_s = 86'401}, "hold_s");
  refused({.hold_low_s = 86'401}, "hold_low_s");
  refused({.low_stock_percent = 101}, "low_stock_percent");
  refused({.unpaid_per_user_max = 1'000'000'001}, "unpaid_per_user_max");
  refused({.promo_only = 2}, "promo_only");
  ItemRequest request;
  request.put.terms.max_qty = 0;
  CHECK(set(request, {"max_qty"}).field == "max_qty");
  CHECK(set(request, {"name"}).field == "name");
  request.put.item = 9;
  CHECK(set(request, {"price_cents"}).error == Code::unknown_item);
  CHECK(close(9).error == Code::unknown_item);
  const std::string longest(4000, 'y');
  CHECK(set_sale({.description = longest}, {"description"}).changed);
}

TEST_CASE_FIXTURE(RulesTest, "the same change again is one change") {
  auto request = request_of(ItemAction::close, 1);
  request.put.request_id = "once";
  const auto first = take(request);
  CHECK(first.changed);
  in_each_life(*this, [&] {
    const auto again = take(request);
    CHECK(again.known);
    CHECK(again.lsn == lsn);
    auto other = request_of(ItemAction::open, 1);
    other.put.request_id = "once";
    CHECK(take(other).error == Code::key_reused);
  });
  CHECK_FALSE(close().changed);
  CHECK(open().changed);
  auto add_again = request_of(ItemAction::add, 1);
  add_again.put.terms = {"Phone", 999, 10, 0, 5};
  CHECK(take(add_again).error == Code::none);
  add_again.sale.hold_s = 5;
  CHECK(take(add_again).field == "item");
}

TEST_CASE_FIXTURE(RulesTest, "a closed item sells nothing, and all it sold stays") {
  set_sale(kAll, {"hold_s"});
  order("a");
  order("b");
  close();
  in_each_life(*this, [&] {
    CHECK(code("new") == Code::closed);
    CHECK(code("new", 0) == Code::closed);  // before what is wrong with the quantity
    CHECK(code("new", 99) == Code::closed);
    CHECK(order("a").known);
    CHECK(book.item(1)->sale.closed == 1);
  });
  CHECK(pay("p", "a", 999).fulfilment() == Fulfilment::paid);
  CHECK(cancel("b").fulfilment() == Fulfilment::cancelled);
  CHECK(pay("late", "b", 999).fulfilment() == Fulfilment::paid);
  replay();
  open();
  CHECK(code("new") == Code::none);
  replay();
}

TEST_CASE_FIXTURE(RulesTest, "an item for promos only is sold through promos only") {
  promo(7, {}, PromoAction::add);
  set_sale(kAll, {"promo_only"});
  in_each_life(*this, [&] {
    CHECK(code("plain") == Code::promo_only);
    CHECK(code("plain", 9) == Code::bad_request);
    CHECK(order("plain", 1, "ann", kNoNumber, kStart - 1).error == Code::expired_request);
    CHECK(code("plain", 1, "ann", 8) == Code::unknown_promo);
  });
  const auto through = order("through", 1, "ann", 7);
  CHECK(through.answer.unit_price_cents == 500);
  CHECK(through.answer.fulfilment == Fulfilment::none);
  replay();
}

TEST_CASE_FIXTURE(RulesTest, "an item with a hold has unpaid orders, a promo its own hold") {
  set_sale(kAll, {"hold_s"});
  promo(7, {}, PromoAction::add);
  const auto plain = order("a", 2);
  CHECK(plain.answer.fulfilment == Fulfilment::unpaid);
  CHECK(plain.answer.at_ms == kStart + 60'000);
  CHECK(plain.answer.unit_price_cents == 999);
  CHECK(order("b", 1, "ann", 7).answer.fulfilment == Fulfilment::none);
  promo(7, held(5), PromoAction::set, 1U << 6U);
  CHECK(order("c", 1, "ann", 7).answer.at_ms == kStart + 5'000);
  in_each_life(*this, [&] {
    CHECK(book.look_up("a").answer.at_ms == kStart + 60'000);
    CHECK(book.held().unpaid() == 2);
  });
  CHECK(pay("p", "a", 1998).fulfilment() == Fulfilment::paid);
  now_ms += 60'001;
  expire();
  CHECK(book.item(1)->left == 7);
  replay();
  set_sale({}, {"hold_s"});
  CHECK(order("d").answer.fulfilment == Fulfilment::none);
  replay();
}

TEST_CASE_FIXTURE(RulesTest, "while little is left, holds are shorter") {
  set_sale(kAll, {"hold_s", "hold_low_s", "low_stock_percent"});
  const auto hold = [&](std::string_view id, std::uint64_t in = kNoNumber) {
    return order(id, 1, "ann", in).answer.at_ms - now_ms;
  };
  for (const char* id : {"1", "2", "3", "4", "5"}) CHECK(hold(id) == 60'000);
  in_each_life(*this, [&] { CHECK(book.item(1)->left == 5); });
  CHECK(hold("6") == 60'000);  // half of it is not less than half
  CHECK(hold("7") == 20'000);
  stock(20);  // 23 of 30
  CHECK(hold("8") == 60'000);
  stock(-20);
  CHECK(hold("9") == 20'000);
  auto put = held(40);
  put.hold_low_s = 50;
  put.low_stock_percent = 100;
  promo(7, put, PromoAction::add);
  CHECK(hold("10", 7) == 40'000);  // never longer
  replay();
}

TEST_CASE_FIXTURE(RulesTest, "unpaid units are bounded, by the item and by the promo") {
  stock(90);
  set_sale(kAll, {"hold_s", "unpaid_per_user_max"});  // 3
  promo(7, held(60, 2), PromoAction::add);
  CHECK(code("a", 4) == Code::unpaid_limit);
  CHECK(code("a", 2) == Code::none);
  CHECK(code("b", 2, "ann", 7) == Code::unpaid_limit);  // 4 of the item
  CHECK(code("b", 1, "ann", 7) == Code::none);
  in_each_life(*this, [&] {
    CHECK(code("c") == Code::unpaid_limit);
    CHECK(code("c", 1, "ann", 7) == Code::unpaid_limit);
    CHECK(order("b", 1, "ann", 7).known);
  });
  CHECK(code("bob", 3, "bob", 7) == Code::unpaid_limit);  // of the promo
  CHECK(code("bob", 2, "bob", 7) == Code::none);
  CHECK(pay("p", "a", 1998).error == Code::none);
  CHECK(code("c", 2) == Code::none);
  CHECK(cancel("c").error == Code::none);
  replay();
  CHECK(code("d", 3) == Code::unpaid_limit);
  CHECK(code("d", 2) == Code::none);
  now_ms += 60'001;
  expire();
  CHECK(pay("late", "d", 1998).fulfilment() == Fulfilment::paid);
  reload();
  CHECK(code("e", 3) == Code::none);
  replay();
}

TEST_CASE_FIXTURE(RulesTest,
                  "a bound that comes later knows what is unpaid, one that goes binds nobody") {
  promo(7, held(60), PromoAction::add);
  set_sale(kAll, {"hold_s"});
  order("a", 2);
  order("b", 2, "ann", 7);
  promo(7, held(0, 3), PromoAction::set, 1U << 9U);
  CHECK(code("c", 2, "ann", 7) == Code::unpaid_limit);
  set_sale({.unpaid_per_user_max = 5}, {"unpaid_per_user_max"});
  in_each_life(*this, [&] { CHECK(code("c", 2) == Code::unpaid_limit); });
  CHECK(cancel("b").error == Code::none);
  CHECK(code("c", 3) == Code::none);
  set_sale({}, {"unpaid_per_user_max"});
  promo(7, {}, PromoAction::set, 1U << 9U);
  CHECK(pay("p", "a", 1998).error == Code::none);
  CHECK(code("d", 2, "ann", 7) == Code::none);
  set_sale({.unpaid_per_user_max = 6}, {"unpaid_per_user_max"});
  in_each_life(*this, [&] { CHECK(code("e", 2) == Code::unpaid_limit); });
  CHECK(code("e", 1) == Code::none);
}

namespace {

// What a bound of the item, or of promo 7, would be decided as now.
ItemDecision bound_of_item(const OrderBook& book, std::uint32_t bound) {
  ItemRequest request = RulesTest::request_of(ItemAction::set, 1);
  request.put.request_id = "bound";
  request.sale.unpaid_per_user_max = bound;
  request.given = 1U << 9U;
  return book.decide_item(request);
}
PromoDecision bound_of_promo(const OrderBook& book, std::uint32_t bound) {
  PromoRequest request{PromoAction::set, held(0, bound), 1U << 9U};
  request.put.request_id = "bound";
  request.put.promo = 7;
  return book.decide_promo(request, kStart * 1000);
}

}  // namespace

TEST_CASE_FIXTURE(RulesTest, "a bound is looked ahead to in pieces, and orders go on meanwhile") {
  stock(90);
  promo(7, held(60), PromoAction::add);
  set_sale(kAll, {"hold_s"});
  for (const char* id : {"0", "1", "2", "3", "4", "5"}) order(id, 1, id);
  order("in", 2, "in", 7);
  REQUIRE(bound_of_item(book, 2).sale.unpaid_per_user_max == 2);
  CHECK_FALSE(book.look_ahead(bound_of_item(book, 2), 3));
  CHECK_FALSE(book.look_ahead(bound_of_promo(book, 2), 3));
  CHECK(pay("p0", "0", 999).error == Code::none);  // seen, as unpaid
  CHECK(cancel("1").error == Code::none);
  CHECK(pay("p4", "4", 999).error == Code::none);  // not seen yet
  CHECK(code("2b", 1, "2") == Code::none);
  CHECK(code("inb", 1, "in", 7) == Code::none);
  CHECK_FALSE(book.look_ahead(bound_of_item(book, 2), 5));
  CHECK_FALSE(book.look_ahead(bound_of_promo(book, 2), 5));
  CHECK(book.look_ahead(bound_of_item(book, 2), 1));
  CHECK(code("new", 2, "new") == Code::none);  // not seen, either
  CHECK(book.look_ahead(bound_of_promo(book, 2), 3));
  set_sale({.unpaid_per_user_max = 2}, {"unpaid_per_user_max"});
  promo(7, held(0, 3), PromoAction::set, 1U << 9U);
  in_each_life(*this, [&] {
    for (const char* user : {"2", "new", "in"})
      CHECK_MESSAGE(code("x", 1, user) == Code::unpaid_limit, user);
    for (const char* user : {"3", "5"})
      CHECK_MESSAGE(code("x", 2, user) == Code::unpaid_limit, user);
    CHECK(code("x", 1, "in", 7) == Code::unpaid_limit);
  });
  for (const char* user : {"0", "1", "4"})  // nothing is unpaid
    CHECK_MESSAGE(code(std::string("y") + user, 2, user) == Code::none, user);
  for (const char* user : {"3", "5"})
    CHECK_MESSAGE(code(std::string("y") + user, 1, user) == Code::none, user);
  replay();
}

TEST_CASE_FIXTURE(RulesTest, "who has had a bound, or is new, is not looked at again") {
  set_sale(kAll, {"hold_s", "unpaid_per_user_max"});
  order("a", 2);
  order("b", 1, "bob");
  set_sale({}, {"unpaid_per_user_max"});
  CHECK(pay("p", "a", 1998).error == Code::none);
  CHECK(book.look_ahead(bound_of_item(book, 2), 0));
  set_sale({.unpaid_per_user_max = 2}, {"unpaid_per_user_max"});
  CHECK(code("c", 3) == Code::unpaid_limit);
  CHECK(code("d", 2, "bob") == Code::unpaid_limit);
  CHECK(code("c", 2) == Code::none);
  auto request = request_of(ItemAction::add, 2);
  request.put.request_id = "second";
  request.put.terms = {"Watch", 5, 10, 0, 5};
  request.sale.unpaid_per_user_max = 1;
  CHECK(book.look_ahead(book.decide_item(request), 0));
  replay();
  CHECK(code("e", 1) == Code::unpaid_limit);
}

TEST_CASE_FIXTURE(RulesTest, "many unpaid orders of one user count as few do") {
  stock(90);
  promo(7, held(60, 12), PromoAction::add);
  ItemSale rules = kAll;
  rules.unpaid_per_user_max = 40;
  set_sale(rules, {"hold_s", "unpaid_per_user_max"});
  for (int i = 0; i < 10; ++i) {
    order("two" + std::to_string(i), 2);
    order("in" + std::to_string(i), 1, "ann", 7);
  }
  in_each_life(*this, [&] { CHECK(code("x", 3, "ann", 7) == Code::unpaid_limit); });
  CHECK(code("in10", 2, "ann", 7) == Code::none);
  for (int i = 10; i < 14; ++i) order("two" + std::to_string(i), 2);
  in_each_life(*this, [&] {
    CHECK(code("x", 1) == Code::unpaid_limit);
    CHECK(code("x", 1, "ann", 7) == Code::unpaid_limit);
  });
  CHECK(code("bob", 5, "bob") == Code::none);
  for (int i = 0; i < 14; ++i) CHECK(cancel("two" + std::to_string(i)).error == Code::none);
  in_each_life(*this, [&] { CHECK(code("x", 1, "ann", 7) == Code::unpaid_limit); });
  for (int i = 0; i <= 10; ++i) CHECK(cancel("in" + std::to_string(i)).error == Code::none);
  CHECK(code("last", 5, "ann", 7) == Code::none);
  replay();
}

TEST_CASE_FIXTURE(RulesTest,
                  "an order that needs no payment is bound by no bound of unpaid units") {
  set_sale({.unpaid_per_user_max = 1}, {"unpaid_per_user_max"});
  CHECK(code("a", 3) == Code::none);
  replay();
}

TEST_CASE_FIXTURE(RulesTest, "a limit set during a sale counts orders from then on") {
  set_sale(kAll, {"hold_s"});
  order("a", 3);
  ItemRequest limit;
  limit.put.terms.limit_per_user = 2;
  set(limit, {"limit_per_user"});
  CHECK(order("b", 2).answer.state == State::confirmed);
  CHECK(cancel("a").error == Code::none);  // was not counted, gives nothing back
  in_each_life(*this, [&] {
    Request request;
    request.kind = RequestKind::order;
    request.id = "c";
    request.item = 1;
    request.user = "ann";
    request.qty = 1;
    CHECK(book.decide_order(request, now_ms * 1000).answer.reason == RejectReason::limit_reached);
  });
  CHECK(cancel("b").error == Code::none);
  CHECK(order("d", 2).answer.state == State::confirmed);
  replay();
}

// What it was counted against when it was bought is looked at, no limit that came behind it.
TEST_CASE_FIXTURE(RulesTest, "a late payment of an order that no limit counted is bound by none") {
  set_sale(kAll, {"hold_s"});
  order("a", 3);
  ItemRequest limit;
  limit.put.terms.limit_per_user = 2;
  set(limit, {"limit_per_user"});
  CHECK(order("b", 2).answer.state == State::confirmed);
  CHECK(cancel("a").error == Code::none);
  CHECK(cancel("b").error == Code::none);
  CHECK(order("c", 2).answer.state == State::confirmed);  // his limit is used up
  CHECK(pay("late-b", "b", 1998).fulfilment() == Fulfilment::refund_due);
  CHECK(pay("late-a", "a", 2997).fulfilment() == Fulfilment::paid);
  CHECK(cancel("c").error == Code::none);  // and what is paid late counts as it did before: not
  CHECK(order("d", 2).answer.state == State::confirmed);
  replay();
}

TEST_CASE_FIXTURE(RulesTest, "limits come before bounds, bounds before the stock") {
  add(2);
  ItemRequest limit;
  limit.put.terms.limit_per_user = 2;
  limit.sale = kAll;
  limit.sale.unpaid_per_user_max = 1;
  set(limit, {"limit_per_user", "hold_s", "unpaid_per_user_max"});
  CHECK(order("a", 3).answer.reason == RejectReason::limit_reached);
  CHECK(code("b", 2) == Code::unpaid_limit);
  stock(-10);
  CHECK(code("b", 2) == Code::unpaid_limit);
  CHECK(order("b", 1).answer.reason == RejectReason::sold_out);
}

TEST_CASE_FIXTURE(RulesTest, "stock that comes or goes is in the journal, and old logs have none") {
  const auto decision = stock(5);
  CHECK(decision.stock.delta == 5);
  CHECK(decision.stock.reason == static_cast<std::uint32_t>(storage::StockReason::add));
  CHECK(decision.stock.decided_at_us == kStart * 1000);
  CHECK(stock(-15).stock.delta == -15);
  CHECK(stock(-1).error == Code::sold_out);
  storage::CommandDecoder decoder;
  std::vector<storage::Command> set;
  REQUIRE(decoder.command_set(log.back().second, set));
  CHECK(set.size() == 3);
  CHECK(set[2].sale->stock.delta == -15);
  in_each_life(*this, [&] { CHECK(book.item(1)->left == 0); });
  set.pop_back();
  CHECK(book.replay_set(set, ++lsn));
}
