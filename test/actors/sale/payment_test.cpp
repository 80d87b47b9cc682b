// Orders that need payment: paid, cancelled, expired, late; units, limits and the user's count with
// it; and the same from the log and from a snapshot.

#include <doctest/doctest.h>

#include <chrono>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "actors/sale/order_book.h"

using namespace stampede;
using namespace stampede::actors;
using storage::Command;
using storage::CommandKind;
using storage::Fulfilment;

namespace {

constexpr LogUuid kKey{1, 2, 3};
constexpr std::int64_t kStart = 1'800'000'000'000;  // ms
constexpr std::int64_t kHoldMs = 60'000;

Command sale_command(CommandKind kind) {
  Command command;
  command.kind = kind;
  command.level = storage::FeatureLevel::sale;
  command.sale = std::make_shared<storage::SaleArguments>();
  return command;
}

Command amount_command(std::uint64_t item, std::int64_t amount) {
  Command command;
  command.kind = CommandKind::item_amount_update;
  command.amount = {item, amount};
  return command;
}

// A book, and the log that its decisions would leave.
struct PaymentTest {
  OrderBook book{kKey, {1000, 100}};
  Lsn lsn = storage::make_lsn(1, 0);
  std::int64_t now_ms = kStart;
  std::vector<std::pair<Lsn, std::vector<Command>>> log;

  PaymentTest() {
    put_item(1, 10, 0);
    put_promo(7, 1, 0);
  }

  void put_item(std::uint64_t item, std::int64_t total, std::uint32_t limit) {
    Request request;
    request.kind = RequestKind::item_put;
    const auto id = "item-" + std::to_string(item) + "-" + std::to_string(lsn);
    request.id = id;
    request.item = item;
    request.terms = {"Phone", 999, total, limit, 5};
    const auto decision = book.decide_item_put(request);
    book.apply_item(decision, ++lsn);
    Command put;
    put.kind = CommandKind::item_put;
    put.put = decision.put;
    put.put.request_id = {};
    log.push_back({lsn, {put, amount_command(item, total)}});
  }
  void put_promo(std::uint64_t promo, std::uint64_t item, std::uint32_t limit) {
    PromoRequest request;
    request.action = PromoAction::add;
    const auto id = "promo-" + std::to_string(promo);
    request.put.request_id = id;
    request.put.promo = promo;
    request.put.item = item;
    request.put.name = "Half";
    request.put.price_cents = 500;
    request.put.starts_at_ms = kStart;
    request.put.ends_at_ms = kStart + 1'000'000;
    request.put.limit_per_user = limit;
    request.put.hold_s = kHoldMs / 1000;
    const auto decision = book.decide_promo(request, now_ms * 1000);
    REQUIRE(decision.changed);
    book.apply_promo(decision, ++lsn);
    auto put = sale_command(CommandKind::promo_put);
    put.sale->promo = decision.put;
    put.sale->promo.request_id = {};
    put.sale->promo.name = "Half";
    log.push_back({lsn, {put}});
  }
  OrderDecision order(std::string_view id, std::uint32_t qty = 1, std::string_view user = "ann",
                      std::uint64_t promo = 7, std::uint64_t item = 1) {
    Request request;
    request.kind = RequestKind::order;
    request.id = id;
    request.item = item;
    request.user = user;
    request.qty = qty;
    request.promo = promo;
    auto decision = book.decide_order(request, now_ms * 1000);
    if (decision.error != Code::none || decision.known || decision.answer.state != State::confirmed)
      return decision;
    book.apply_order(decision, user, ++lsn, now_ms * 1000);
    decision.answer.lsn = lsn;
    auto insert = sale_command(CommandKind::order_insert);
    insert.order = {id, item, user, qty, decision.answer.unit_price_cents, now_ms * 1000};
    insert.sale->order = {decision.promo, decision.pay_by_ms, decision.counted};
    log.push_back({lsn, {insert, amount_command(item, *decision.answer.left)}});
    return decision;
  }
  FulfilmentDecision pay(std::string_view payment, std::string_view order, std::int64_t amount) {
    Request request;
    request.kind = RequestKind::pay;
    request.id = payment;
    request.order = order;
    request.amount_cents = amount;
    return take(book.decide_payment(request, now_ms * 1000));
  }
  FulfilmentDecision cancel(std::string_view order, std::string_view user = {}) {
    Request request;
    request.kind = RequestKind::cancel;
    request.id = "cancel";
    request.order = order;
    request.user = user;
    return take(book.decide_cancel(request, now_ms * 1000));
  }
  std::uint64_t expire() {
    std::uint64_t expired = 0;
    for (bool more = true; more;) {
      const auto decision = book.decide_expiry(now_ms * 1000, more);
      if (decision) ++expired, take(*decision);
    }
    return expired;
  }
  FulfilmentDecision take(const FulfilmentDecision& decision) {
    if (decision.error != Code::none || decision.known) return decision;
    book.apply_fulfilment(decision, ++lsn);
    auto update = sale_command(CommandKind::order_update);
    update.sale->update = decision.update;
    std::vector<Command> set{update};
    if (decision.moved != 0) {
      set.push_back(amount_command(decision.update.item, decision.amount));
      auto stock = sale_command(CommandKind::stock_change);
      stock.sale->stock = decision.stock;
      set.push_back(stock);
    }
    log.push_back({lsn, std::move(set)});
    return decision;
  }
  std::int64_t left(std::uint64_t item = 1) const { return book.item(item)->left; }
};

class Entries final : public storage::SnapshotSink {
 public:
  Entries() : SnapshotSink(storage::FeatureLevel::sale) {}
  void add(storage::SnapshotSection section, std::string_view entry) override {
    entries.emplace_back(section, entry);
  }
  std::vector<std::pair<storage::SnapshotSection, std::string>> entries;
};

std::vector<std::pair<storage::SnapshotSection, std::string>> saved(const OrderBook& book) {
  Entries sink;
  book.save(sink);
  book.save_promos(sink);
  book.save_payments(sink);
  return sink.entries;
}

// What the log makes of it, and what its snapshot does, is what it is.
void check_same_from_log_and_snapshot(const PaymentTest& test) {
  OrderBook replayed(kKey, {1000, 100});
  for (const auto& [lsn, set] : test.log) REQUIRE(replayed.replay_set(set, lsn));
  OrderBook loaded(kKey, {1000, 100});
  for (const auto& [section, entry] : saved(replayed)) {
    storage::EntryReader in(entry, storage::FeatureLevel::sale);
    REQUIRE(loaded.load(section, in, 1));
  }
  CHECK(saved(loaded) == saved(replayed));
  for (const auto* book : {&replayed, &loaded}) {
    CHECK(book->books().hash == test.book.books().hash);
    CHECK(book->held().unpaid() == test.book.held().unpaid());
    CHECK(book->held().size() == test.book.held().size());
    for (const char* id : {"a", "b", "c", "d"})
      CHECK(book->look_up(id).answer == test.book.look_up(id).answer);
  }
}

}  // namespace

TEST_CASE_FIXTURE(PaymentTest, "an order in a promo with a hold is unpaid until it is paid") {
  const auto order_a = order("a", 2);
  CHECK(order_a.answer.fulfilment == Fulfilment::unpaid);
  CHECK(order_a.answer.at_ms == kStart + kHoldMs);
  CHECK(order("plain", 1, "ann", kNoNumber).answer.fulfilment == Fulfilment::none);
  now_ms += 1000;
  const auto paid = pay("p-1", "a", 1000);
  CHECK(paid.error == Code::none);
  CHECK(paid.fulfilment() == Fulfilment::paid);
  CHECK(paid.at_ms == now_ms);
  CHECK(paid.moved == 0);
  CHECK(left() == 7);
  const auto known = book.look_up("a");
  CHECK(known.answer.fulfilment == Fulfilment::paid);
  CHECK(known.answer.unit_price_cents == 500);
  check_same_from_log_and_snapshot(*this);
}

TEST_CASE_FIXTURE(PaymentTest, "a payment says what it is wrong about") {
  order("a", 2);
  order("plain", 1, "ann", kNoNumber);
  CHECK(pay("p", "nobody", 1000).error == Code::unknown_request);
  CHECK(pay("p", "plain", 999).error == Code::not_payable);
  const auto wrong = pay("p", "a", 999);
  CHECK(wrong.error == Code::bad_request);
  CHECK(wrong.field == "amount_cents");
  CHECK(pay("p", "a", 1000).error == Code::none);
  CHECK(pay("q", "a", 1000).error == Code::already_paid);
  CHECK(cancel("a").error == Code::not_cancellable);
}

TEST_CASE_FIXTURE(PaymentTest, "a payment that is repeated is one payment") {
  order("a", 2);
  order("b", 2, "bob");
  pay("p", "a", 1000);
  const auto before = lsn;
  const auto again = pay("p", "a", 1000);
  CHECK(again.known);
  CHECK(again.fulfilment() == Fulfilment::paid);
  CHECK(pay("p", "a", 999).error == Code::key_reused);
  CHECK(pay("p", "b", 1000).error == Code::key_reused);
  CHECK(pay("p", "nobody", 1000).error == Code::key_reused);
  CHECK(lsn == before);
  // Ids of payments and of orders have nothing to do with each other.
  CHECK(pay("a", "b", 1000).error == Code::none);
  check_same_from_log_and_snapshot(*this);
}

TEST_CASE_FIXTURE(PaymentTest, "who gives his order back gives its units back, once") {
  order("a", 3);
  CHECK(cancel("a", "bob").error == Code::not_allowed);
  const auto gone = cancel("a", "ann");
  CHECK(gone.fulfilment() == Fulfilment::cancelled);
  CHECK(gone.stock.delta == 3);
  CHECK(left() == 10);
  CHECK(cancel("a", "ann").known);
  CHECK(left() == 10);
  CHECK(cancel("nobody").error == Code::unknown_request);
  order("plain", 1, "ann", kNoNumber);
  CHECK(cancel("plain").error == Code::not_cancellable);
  check_same_from_log_and_snapshot(*this);
}

TEST_CASE_FIXTURE(PaymentTest, "an unpaid order expires behind its time, in the order of times") {
  order("a", 1);
  now_ms += 10;
  order("b", 2);
  order("c", 3);
  pay("p", "b", 1000);
  now_ms = kStart + kHoldMs - 1;
  CHECK(expire() == 0);
  now_ms = kStart + kHoldMs;
  CHECK(expire() == 1);
  CHECK(book.look_up("a").answer.fulfilment == Fulfilment::expired);
  CHECK(left() == 5);
  now_ms += 10;
  CHECK(expire() == 1);
  CHECK(left() == 8);
  CHECK(expire() == 0);
  CHECK(book.held().unpaid() == 0);
  CHECK(cancel("a").error == Code::not_cancellable);
  check_same_from_log_and_snapshot(*this);
}

TEST_CASE_FIXTURE(PaymentTest,
                  "a payment behind the time to pay is in time until the expiry is decided") {
  order("a", 1);
  now_ms += kHoldMs + 500;
  CHECK(pay("p", "a", 500).fulfilment() == Fulfilment::paid);
  CHECK(expire() == 0);
  CHECK(left() == 9);
}

TEST_CASE_FIXTURE(PaymentTest, "a late payment takes the units again, or is to be given back") {
  order("a", 4);
  order("b", 4, "bob");
  now_ms += kHoldMs;
  CHECK(expire() == 2);
  CHECK(left() == 10);
  order("c", 4, "cy");
  const auto late = pay("p-a", "a", 2000);
  CHECK(late.fulfilment() == Fulfilment::paid);
  CHECK(late.stock.delta == -4);
  CHECK(left() == 2);
  const auto refund = pay("p-b", "b", 2000);
  CHECK(refund.fulfilment() == Fulfilment::refund_due);
  CHECK(refund.moved == 0);
  CHECK(left() == 2);
  CHECK(pay("p-b", "b", 2000).known);
  CHECK(pay("p-x", "b", 2000).error == Code::already_paid);
  check_same_from_log_and_snapshot(*this);
}

TEST_CASE("limits count what a user holds: given back with the units, and asked for again") {
  PaymentTest test;
  test.put_item(2, 100, 3);
  test.put_promo(8, 2, 2);
  CHECK(test.order("a", 2, "ann", 8, 2).answer.state == State::confirmed);
  CHECK(test.order("x", 1, "ann", 8, 2).answer.reason == RejectReason::limit_reached);
  CHECK(test.cancel("a").fulfilment() == Fulfilment::cancelled);
  CHECK(test.order("b", 2, "ann", 8, 2).answer.state == State::confirmed);
  // His limit is used up meanwhile: what comes late is given back.
  CHECK(test.pay("p-a", "a", 1000).fulfilment() == Fulfilment::refund_due);
  CHECK(test.pay("p-b", "b", 1000).fulfilment() == Fulfilment::paid);
  check_same_from_log_and_snapshot(test);
}

TEST_CASE_FIXTURE(PaymentTest, "a record that contradicts the book is refused") {
  const auto a = order("a", 3);
  const auto update = [&](Fulfilment to, std::int64_t left, std::int64_t delta) {
    auto first = sale_command(CommandKind::order_update);
    first.sale->update.order = a.answer.lsn;
    first.sale->update.item = 1;
    first.sale->update.fulfilment = static_cast<std::uint32_t>(to);
    first.sale->update.action_id = "p";
    if (delta == 0) return std::vector<Command>{first};
    auto stock = sale_command(CommandKind::stock_change);
    stock.sale->stock.item = 1;
    stock.sale->stock.delta = delta;
    stock.sale->stock.order = a.answer.lsn;
    return std::vector<Command>{first, amount_command(1, left), stock};
  };
  CHECK_FALSE(book.replay_set(update(Fulfilment::refund_due, 0, 0), lsn + 1));
  CHECK_FALSE(book.replay_set(update(Fulfilment::expired, 0, 0), lsn + 1));
  CHECK_FALSE(book.replay_set(update(Fulfilment::expired, 9, 2), lsn + 1));
  CHECK_FALSE(book.replay_set(update(Fulfilment::expired, 9, 3), lsn + 1));
  CHECK_FALSE(book.replay_set(update(Fulfilment::paid, 10, 3), lsn + 1));
  CHECK(book.replay_set(update(Fulfilment::expired, 10, 3), lsn + 1));
  CHECK_FALSE(book.replay_set(update(Fulfilment::expired, 13, 3), lsn + 2));
  CHECK(book.replay_set(update(Fulfilment::paid, 7, -3), lsn + 2));
}

TEST_CASE_FIXTURE(PaymentTest,
                  "of a closed item what the log says of orders is taken as it stands") {
  OrderBook parked(kKey, {1000, 100});
  order("a", 3);
  now_ms += kHoldMs;
  expire();
  pay("p", "a", 1500);
  // The expiry is passed over; what follows contradicts what the book then holds.
  for (std::size_t i = 0; i < log.size(); ++i) {
    const auto& [at, set] = log[i];
    if (i + 2 == log.size())
      CHECK(parked.park_set(set, at) == 1);
    else
      CHECK(parked.replay_set(set, at));
  }
  CHECK(parked.look_up("a").answer.fulfilment == Fulfilment::paid);
  CHECK(parked.item(1)->left == 7);
  Request again;
  again.kind = RequestKind::pay;
  again.id = "p";
  again.order = "a";
  again.amount_cents = 1500;
  CHECK(parked.decide_payment(again, now_ms * 1000).known);
  bool more = true;
  CHECK_FALSE(parked.decide_expiry((now_ms + kHoldMs) * 1000, more).has_value());
}

TEST_CASE_FIXTURE(PaymentTest, "a payment that is passed over is known, and pays nothing else") {
  order("a", 2);
  order("c", 2, "cy");
  put_item(2, 10, 0);
  put_promo(8, 2, 0);
  order("b", 2, "bob", 8, 2);
  pay("p", "a", 1000);
  OrderBook parked(kKey, {1000, 100});
  for (std::size_t i = 0; i + 1 < log.size(); ++i)
    REQUIRE(parked.replay_set(log[i].second, log[i].first));
  CHECK(parked.park_set(log.back().second, log.back().first) == 1);
  const auto payment = [&](std::string_view order) {
    Request request;
    request.kind = RequestKind::pay;
    request.id = "p";
    request.order = order;
    request.amount_cents = 1000;
    return parked.decide_payment(request, now_ms * 1000);
  };
  CHECK(payment("a").known);
  CHECK(payment("a").fulfilment() == Fulfilment::paid);
  CHECK(payment("b").error == Code::key_reused);
  CHECK(payment("c").error == Code::key_reused);
  // Of the closed item nothing else is decided: an unpaid order of it never expires.
  bool more = true;
  for (int looks = 0; more && looks < 10; ++looks) {
    const auto due = parked.decide_expiry((now_ms + 2 * kHoldMs) * 1000, more);
    if (!due) continue;
    CHECK(due->update.item == 2);
    parked.apply_fulfilment(*due, lsn + 1 + static_cast<Lsn>(looks));
  }
  CHECK(parked.look_up("c").answer.fulfilment == Fulfilment::unpaid);
  CHECK(parked.look_up("b").answer.fulfilment == Fulfilment::expired);
}

TEST_CASE_FIXTURE(PaymentTest, "a payment of the first order is none of one that is passed over") {
  order("a", 2);
  pay("p", "a", 1000);
  order("b", 2, "bob");
  OrderBook parked(kKey, {1000, 100});
  for (std::size_t i = 0; i + 1 < log.size(); ++i)
    REQUIRE(parked.replay_set(log[i].second, log[i].first));
  CHECK(parked.park_set(log.back().second, log.back().first) == 1);
  const auto payment = [&](std::string_view id, std::string_view order) {
    Request request;
    request.kind = RequestKind::pay;
    request.id = id;
    request.order = order;
    request.amount_cents = 1000;
    return parked.decide_payment(request, now_ms * 1000);
  };
  CHECK(payment("p", "a").known);
  CHECK(payment("p", "b").error == Code::key_reused);
  CHECK_FALSE(payment("p", "b").known);
  CHECK(payment("q", "b").error == Code::internal);
}

TEST_CASE("an order is its buyer's, whatever promo it was bought in, and nobody else's") {
  PaymentTest test;
  test.put_item(2, 1, 0);
  test.order("held", 2, "ann", 7);
  test.order("plain", 1, "ann", kNoNumber, 2);
  test.order("other", 3, "bob", 7);
  const auto code = [&](std::string_view id, std::string_view user) {
    return test.book.look_up(id, user).error;
  };
  for (const char* id : {"held", "plain"}) {
    CHECK(code(id, "ann") == Code::none);
    CHECK(test.book.look_up(id, "ann").answer == test.book.look_up(id).answer);
    CHECK(code(id, "bob") == Code::not_allowed);
    CHECK(test.book.look_up(id, "bob").answer.state == State::invalid);
  }
  CHECK(code("other", "bob") == Code::none);
  CHECK(code("other", "ann") == Code::not_allowed);
  CHECK(code("none", "ann") == Code::unknown_request);
  // Rejections are somebody's, too.
  Request late;
  late.kind = RequestKind::order;
  late.id = "late";
  late.item = 2;
  late.user = "ann";
  late.qty = 1;
  const auto decision = test.book.decide_order(late, test.now_ms * 1000);
  REQUIRE(decision.answer.state == State::rejected);
  test.book.apply_order(decision, "ann", ++test.lsn, test.now_ms * 1000);
  CHECK(code("late", "ann") == Code::none);
  CHECK(code("late", "bob") == Code::not_allowed);
  // And after a restart, which knows no names either.
  OrderBook again(kKey, {1000, 100});
  for (const auto& [lsn, set] : test.log) REQUIRE(again.replay_set(set, lsn));
  CHECK(again.look_up("held", "ann").error == Code::none);
  CHECK(again.look_up("held", "bob").error == Code::not_allowed);
}

TEST_CASE_FIXTURE(PaymentTest,
                  "whose an unpaid order is takes no longer for all the promos of its item") {
  order("a", 1);
  OrderBook many(kKey, {20'000, 100});
  for (const auto& [at, set] : log) REQUIRE(many.replay_set(set, at));
  auto put = many.promos().find(7)->terms();
  for (std::uint64_t promo = 8; !many.promos().full(); ++promo) {
    const auto id = "more-" + std::to_string(promo);
    put.request_id = id;
    put.promo = promo;
    put.starts_at_ms = put.ends_at_ms;
    put.ends_at_ms = put.starts_at_ms + 1;
    const auto decision = many.decide_promo({PromoAction::add, put}, now_ms * 1000);
    REQUIRE(decision.changed);
    many.apply_promo(decision, ++lsn);
  }
  const auto begun = std::chrono::steady_clock::now();
  for (int i = 0; i < 2000; ++i) REQUIRE(many.look_up("a", "eve").error == Code::not_allowed);
  // It took seconds.
  CHECK(std::chrono::steady_clock::now() - begun < std::chrono::milliseconds(500));
  CHECK(many.look_up("a", "ann").error == Code::none);
}
