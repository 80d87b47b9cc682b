// Tickets in the book: who gets one, how many there are, what an order may do with one, and the
// same from the log and from a snapshot.

#include <doctest/doctest.h>

#include <map>
#include <string>
#include <vector>

#include "actors/sale/order_book.h"
#include "actors/sale/promo_rules.h"
#include "storage/commands/promo_terms.h"

using namespace stampede;
using namespace stampede::actors;

namespace {

constexpr LogUuid kKey{1, 2, 3};
constexpr std::int64_t kStart = 1'800'000'000'000;  // ms
constexpr std::int64_t kEnd = kStart + 20'000;
constexpr std::uint32_t kEnds = 1U << 4, kTicketTerm = 1U << 10, kGate = 1U << 11;

class Entries final : public storage::SnapshotSink {
 public:
  Entries() : SnapshotSink(storage::FeatureLevel::sale) {}
  void add(storage::SnapshotSection section, std::string_view entry) override {
    auto& [bytes, count] = all[section];
    bytes += entry;
    ++count;
  }
  std::map<storage::SnapshotSection, std::pair<std::string, std::uint32_t>> all;
};

struct TicketTest {
  OrderBook book{kKey, {1000, 100}};
  Lsn lsn = storage::make_lsn(1, 0);
  std::int64_t now_ms = kStart;
  std::vector<std::pair<Lsn, std::string>> log;  // payloads of EMITs that are replayed below

  TicketTest() {
    put_item(1, 10);
    add_promo(7, 1);
  }

  void put_item(std::uint64_t item, std::int64_t total, std::uint32_t limit = 0) {
    const auto id = "item-" + std::to_string(item);
    Request request;
    request.kind = RequestKind::item_put;
    request.id = id;
    request.item = item;
    request.terms = {"Phone", 999, total, limit, 5};
    book.apply_item(book.decide_item_put(request), ++lsn);
  }
  PromoDecision change(PromoRequest request) {
    const auto id = "change-" + std::to_string(lsn);
    request.put.request_id = id;
    const auto decision = book.decide_promo(request, now_ms * 1000);
    if (decision.changed) book.apply_promo(decision, ++lsn);
    return decision;
  }
  PromoDecision add_promo(std::uint64_t promo, std::uint32_t gate_factor, std::uint64_t item = 1,
                          std::uint32_t limit = 0) {
    PromoRequest request;
    request.action = PromoAction::add;
    request.put.promo = promo;
    request.put.item = item;
    request.put.name = "Half price";
    request.put.price_cents = 500;
    request.put.starts_at_ms = kStart;
    request.put.ends_at_ms = kEnd;
    request.put.limit_per_user = limit;
    request.put.ticket = 1;
    request.put.gate_factor = gate_factor;
    return change(request);
  }
  PromoDecision set(std::uint32_t given, const storage::PromoPut& terms) {
    PromoRequest request{PromoAction::set, terms, given};
    request.put.promo = 7;
    return change(request);
  }
  void end_promo(std::uint64_t promo) {
    PromoRequest request;
    request.action = PromoAction::end;
    request.put.promo = promo;
    change(request);
  }
  ItemDecision add_stock(std::int64_t delta) {
    const auto id = "stock-" + std::to_string(lsn);
    Request request;
    request.kind = RequestKind::stock_change;
    request.id = id;
    request.item = 1;
    request.delta = delta;
    const auto decision = book.decide_stock_change(request, now_ms * 1000);
    if (decision.changed) book.apply_item(decision, ++lsn);
    return decision;
  }

  TicketDecision ticket(std::string_view id, std::string_view user, std::uint64_t promo = 7) {
    Request request;
    request.kind = RequestKind::ticket;
    request.id = id;
    request.user = user;
    request.promo = promo;
    auto decision = book.decide_ticket(request, now_ms * 1000);
    if (decision.error == Code::none && !decision.known) {
      book.apply_ticket(decision, ++lsn);
      storage::ByteBuffer payload;
      storage::encode_grant_set(payload, decision.grant);
      log.emplace_back(lsn, std::string(payload.view()));
    }
    return decision;
  }
  OrderDecision order(std::string_view id, std::string_view user, std::int64_t ticket_ms = kEnd,
                      std::uint32_t qty = 1, std::uint64_t promo = 7, std::uint64_t item = 1) {
    Request request;
    request.kind = RequestKind::order;
    request.id = id;
    request.item = item;
    request.user = user;
    request.qty = qty;
    request.promo = promo;
    request.ticket_ms = ticket_ms;
    const auto decision = book.decide_order(request, now_ms * 1000);
    if (decision.error == Code::none && !decision.known)
      book.apply_order(decision, user, ++lsn, now_ms * 1000);
    return decision;
  }

  Entries saved() const {
    Entries entries;
    book.save(entries);
    book.save_promos(entries);
    book.save_payments(entries);
    book.save_tickets(entries);
    return entries;
  }
  OrderBook loaded(const Entries& entries, OrderBookLimits limits = {1000, 100}) const {
    OrderBook copy{kKey, limits};
    storage::SnapshotSummary summary;
    book.count(summary);
    copy.reserve(summary);
    for (const auto& [section, block] : entries.all) {
      storage::EntryReader in(block.first, storage::FeatureLevel::sale);
      REQUIRE(copy.load(section, in, block.second));
      REQUIRE(in.at_end());
    }
    return copy;
  }
};

}  // namespace

TEST_CASE_FIXTURE(TicketTest, "a promo gives as many tickets as its gate lets through, no more") {
  for (int i = 0; i < 10; ++i) {
    const auto user = "u" + std::to_string(i);
    const auto given = ticket("t" + std::to_string(i), user);
    CHECK(given.error == Code::none);
    CHECK(given.grant.granted == static_cast<std::uint64_t>(i) + 1);
    CHECK(given.grant.expires_at_ms == kEnd);
  }
  CHECK(ticket("t10", "u10").error == Code::gate_closed);
  CHECK(book.promos().find(7)->granted == 10);
  // Its gate grows and shrinks with the item's units; what was given stays given.
  REQUIRE(add_stock(1).changed);
  CHECK(ticket("t10", "u10").error == Code::none);
  CHECK(ticket("t11", "u11").error == Code::gate_closed);
  REQUIRE(add_stock(-5).changed);
  CHECK(ticket("t11", "u11").error == Code::gate_closed);
  REQUIRE(add_stock(5).changed);
  CHECK(ticket("t11", "u11").error == Code::gate_closed);
  // Nor does a unit that comes back open it: who has none is told so, not that he may try again.
  for (int i = 0; i < 11; ++i)
    CHECK(order("t" + std::to_string(i), "u" + std::to_string(i)).error == Code::none);
  CHECK(ticket("t11", "u11").error == Code::gate_closed);
}

TEST_CASE_FIXTURE(TicketTest, "a promo that says no factor has a gate for five times the units") {
  put_item(2, 3);
  REQUIRE(add_promo(8, 0, 2).changed);
  for (int i = 0; i < 15; ++i)
    CHECK(ticket("t" + std::to_string(i), "u" + std::to_string(i), 8).error == Code::none);
  CHECK(ticket("t15", "u15", 8).error == Code::gate_closed);
}

TEST_CASE_FIXTURE(TicketTest, "who has a ticket gets the same one, whatever he asks by") {
  CHECK_FALSE(ticket("t1", "ann").known);
  const auto again = ticket("t1", "ann");
  CHECK(again.known);
  CHECK(again.ticket_id() == "t1");
  const auto other = ticket("another-id", "ann");
  CHECK(other.known);
  CHECK(other.ticket_id() == "t1");
  CHECK(other.grant.expires_at_ms == kEnd);
  CHECK(other.lsn == lsn);  // it waits until that one is durable
  CHECK(book.promos().find(7)->granted == 1);
  const std::string longest(kRequestIdBytesMax, 'Z');
  CHECK(ticket(longest, "bob").ticket_id() == longest);
  CHECK(ticket("x", "bob").ticket_id() == longest);
}

TEST_CASE_FIXTURE(TicketTest, "an order needs the live ticket of its user, under its own id") {
  REQUIRE(ticket("t1", "ann").error == Code::none);
  REQUIRE(ticket("t2", "bob").error == Code::none);
  CHECK(order("t1", "ann", kNoTicket).error == Code::ticket_required);
  CHECK(order("t1", "ann", kForeignTicket).error == Code::ticket_invalid);
  CHECK(order("t2", "ann").error == Code::ticket_invalid);     // bob's
  CHECK(order("t1", "bob").error == Code::ticket_invalid);     // ann's
  CHECK(order("other", "ann").error == Code::ticket_invalid);  // not its id
  CHECK(order("t3", "carl").error == Code::ticket_invalid);    // was never given
  CHECK(order("t1", "ann", kStart).error == Code::ticket_expired);
  CHECK(order("t1", "ann", kStart).field == "ticket");
  CHECK(order("t1", "ann").answer.state == State::confirmed);
  CHECK(order("t2", "bob", kEnd, 2).answer.state == State::confirmed);
  CHECK(book.item(1)->left == 7);
}

TEST_CASE_FIXTURE(TicketTest, "one ticket buys once, and its order is answered for ever") {
  REQUIRE(ticket("t1", "ann").error == Code::none);
  REQUIRE(order("t1", "ann").answer.state == State::confirmed);
  CHECK(book.live_tickets() == 0);
  CHECK(order("t1", "ann").known);
  CHECK(order("t1", "ann", kNoTicket).known);
  CHECK(order("t1", "ann", kForeignTicket).known);
  CHECK(order("again", "ann").error == Code::ticket_invalid);
  now_ms = kEnd + 5;
  CHECK(order("t1", "ann", kStart).known);
  now_ms = kStart;
  CHECK(ticket("t1", "ann").error == Code::key_reused);  // its order's
  const auto next = ticket("t2", "ann");
  CHECK(next.error == Code::none);
  CHECK_FALSE(next.known);
  CHECK(book.promos().find(7)->granted == 2);
}

TEST_CASE_FIXTURE(TicketTest, "tickets are given shortly before the start and not after the end") {
  now_ms = kStart - 60'001;
  const auto early = ticket("t1", "ann");
  CHECK(early.error == Code::not_started);
  CHECK(early.retry_after_ms == 1);
  now_ms = kStart - 60'000;
  CHECK(ticket("t1", "ann").error == Code::none);
  CHECK(order("t1", "ann").error == Code::not_started);
  now_ms = kEnd - 1;
  CHECK(ticket("t2", "bob").error == Code::none);
  now_ms = kEnd;
  CHECK(ticket("t1", "ann").error == Code::ended);
  CHECK(ticket("t3", "carl").error == Code::ended);
  CHECK(order("t1", "ann").error == Code::ended);
}

TEST_CASE_FIXTURE(TicketTest, "who may not buy gets no ticket") {
  CHECK(ticket("t1", "ann", 9).error == Code::unknown_promo);
  CHECK(ticket("t1", "ann", 9).field == "promo");
  put_item(2, 5, 1);
  add_promo(8, 5, 2, 2);
  REQUIRE(ticket("t1", "ann", 8).error == Code::none);
  REQUIRE(order("t1", "ann", kEnd, 1, 8, 2).answer.state == State::confirmed);
  CHECK(ticket("t2", "ann", 8).error == Code::limit_reached);  // the item's
  CHECK(ticket("t2", "bob", 8).error == Code::none);
  ItemRequest close;
  close.action = ItemAction::close;
  close.put.request_id = "close";
  close.put.item = 2;
  book.apply_item(book.decide_item(close, now_ms * 1000), ++lsn);
  CHECK(ticket("t3", "carl", 8).error == Code::closed);
  CHECK(ticket("t2", "bob", 8).known);
  PromoRequest free;
  free.action = PromoAction::add;
  free.put = book.promos().find(7)->terms();
  free.put.promo = 10;
  free.put.ticket = 0;
  free.put.starts_at_ms = kEnd;
  free.put.ends_at_ms = kEnd + 1;
  REQUIRE(change(free).changed);
  CHECK(ticket("t3", "carl", 10).error == Code::bad_request);
}

TEST_CASE_FIXTURE(TicketTest, "who has a ticket is not told sold out for good") {
  REQUIRE(ticket("t1", "ann").error == Code::none);
  REQUIRE(ticket("t2", "bob").error == Code::none);
  REQUIRE(ticket("t3", "carl").error == Code::none);
  REQUIRE(order("t1", "ann", kEnd, 5).answer.state == State::confirmed);
  REQUIRE(order("t2", "bob", kEnd, 5).answer.state == State::confirmed);
  CHECK(ticket("t4", "dora").error == Code::sold_out_for_now);
  const auto none_left = order("t3", "carl");
  CHECK(none_left.error == Code::sold_out_for_now);
  CHECK_FALSE(none_left.known);
  CHECK(info(none_left.error).text == "sold_out");
  CHECK(info(none_left.error).retry);
  REQUIRE(add_stock(1).changed);
  CHECK(order("t3", "carl").answer.state == State::confirmed);
}

TEST_CASE_FIXTURE(TicketTest, "a limit that is reached ends the ticket") {
  put_item(2, 5);
  add_promo(8, 5, 2, 2);
  REQUIRE(ticket("t1", "ann", 8).error == Code::none);
  const auto over = order("t1", "ann", kEnd, 3, 8, 2);
  CHECK(over.answer.reason == RejectReason::limit_reached);
  CHECK(book.live_tickets() == 0);
  CHECK(ticket("t2", "ann", 8).grant.granted == 2);
  CHECK(order("t2", "ann", kEnd, 2, 8, 2).answer.state == State::confirmed);
}

TEST_CASE_FIXTURE(TicketTest, "a ticket whose id somebody used for something else is none") {
  REQUIRE(ticket("t1", "ann").error == Code::none);
  REQUIRE(order("t1", "bob", kNoTicket, 1, kNoNumber).answer.state == State::confirmed);
  CHECK(order("t1", "ann").error == Code::key_reused);
  const auto next = ticket("t2", "ann");
  CHECK_FALSE(next.known);
  CHECK(order("t2", "ann").answer.state == State::confirmed);
}

TEST_CASE_FIXTURE(TicketTest, "a ticket ends with the window it was given for") {
  REQUIRE(ticket("t1", "ann").error == Code::none);
  storage::PromoPut later;
  later.ends_at_ms = kEnd + 10'000;
  REQUIRE(set(kEnds, later).changed);
  CHECK(ticket("x", "ann").grant.expires_at_ms == kEnd);
  now_ms = kEnd;
  CHECK(order("t1", "ann", kEnd).error == Code::ticket_expired);
  CHECK(order("t1", "ann", kEnd + 10'000).error == Code::ticket_expired);  // whatever its text says
  const auto next = ticket("t2", "ann");
  CHECK_FALSE(next.known);
  CHECK(next.grant.expires_at_ms == kEnd + 10'000);
  CHECK(next.grant.granted == 2);  // what was not used does not go back to the gate
}

TEST_CASE_FIXTURE(TicketTest, "an operator cannot take back what was given") {
  storage::PromoPut terms;
  terms.gate_factor = 2;
  REQUIRE(set(kGate, terms).changed);
  for (int i = 0; i < 11; ++i) ticket("t" + std::to_string(i), "u" + std::to_string(i));
  terms.gate_factor = 1;
  CHECK(set(kGate, terms).error == Code::bad_request);
  CHECK(set(kGate, terms).field == "gate_factor");
  terms.gate_factor = 3;
  CHECK(set(kGate, terms).changed);
  const auto free = set(kTicketTerm, terms);
  CHECK(free.error == Code::bad_request);
  CHECK(free.field == "ticket");
}

TEST_CASE_FIXTURE(TicketTest, "a promo that says no gate has that of 5, whoever says so") {
  put_item(2, 4);
  const auto added = add_promo(8, 0, 2);
  REQUIRE(added.changed);
  CHECK(added.put.gate_factor == 5);
  for (const std::uint32_t gate_factor : {0U, 5U}) {
    const auto again = add_promo(8, gate_factor, 2);
    CHECK(again.error == Code::none);
    CHECK_FALSE(again.changed);
  }
  CHECK(add_promo(8, 4, 2).error == Code::bad_request);
  // One of a log that was written before.
  auto old = added;
  old.put.gate_factor = 0;
  book.apply_promo(old, ++lsn);
  CHECK_FALSE(add_promo(8, 5, 2).changed);
  storage::PromoPut terms;
  terms.gate_factor = 5;
  PromoRequest same{PromoAction::set, terms, kGate};
  same.put.promo = 8;
  CHECK_FALSE(change(same).changed);
}

TEST_CASE("a gate that is the same holds, whatever was given and is left") {
  PromoTable promos;
  storage::PromoPut put;
  put.promo = 8;
  promos.put(put, 1);  // as a log says it that was written before: none
  promos.note_grant(8, 20, 2);
  put.gate_factor = 5;
  CHECK(gate_holds(promos, put, 3));
  put.gate_factor = 6;
  CHECK_FALSE(gate_holds(promos, put, 3));
  CHECK(gate_holds(promos, put, 4));
}

TEST_CASE_FIXTURE(TicketTest, "before anybody has one a promo that is to come may want tickets") {
  now_ms = kStart - 1;
  storage::PromoPut terms;
  CHECK(set(kTicketTerm, terms).changed);
  CHECK(ticket("t1", "ann").error == Code::bad_request);
  terms.ticket = 1;
  CHECK(set(kTicketTerm, terms).changed);
  REQUIRE(ticket("t1", "ann").error == Code::none);
  terms.ticket = 0;
  CHECK(set(kTicketTerm, terms).field == "ticket");
}

TEST_CASE_FIXTURE(TicketTest, "time runs on from a ticket") {
  REQUIRE(ticket("t1", "ann").error == Code::none);
  CHECK(book.sale_time_us(0) == kStart * 1000);
  now_ms = kStart + 7;
  REQUIRE(ticket("t2", "bob").error == Code::none);
  CHECK(book.sale_time_us(0) == (kStart + 7) * 1000);
}

TEST_CASE_FIXTURE(TicketTest, "the log's tickets are taken as they stand") {
  auto replayed = loaded(saved());
  for (int i = 0; i < 10; ++i) ticket("t" + std::to_string(i), "u" + std::to_string(i));
  storage::CommandDecoder decoder;
  std::vector<storage::Command> set;
  for (const auto& [at, payload] : log) {
    REQUIRE(decoder.command_set(payload, set));
    REQUIRE(replayed.replay_set(set, at));
  }
  CHECK(replayed.live_tickets() == 10);
  CHECK(replayed.promos().find(7)->granted == 10);
  Entries one;
  Entries other;
  replayed.save_tickets(one);
  book.save_tickets(other);
  CHECK(one.all == other.all);
  // One that is counted twice, or left out, contradicts the log.
  CHECK_FALSE(replayed.replay_set(set, lsn + 1));
  set[0].sale->ticket.granted = 12;
  CHECK_FALSE(replayed.replay_set(set, lsn + 1));
  // The gate is not asked again.
  set[0].sale->ticket.granted = 11;
  CHECK(replayed.replay_set(set, lsn + 1));
}

TEST_CASE_FIXTURE(TicketTest, "a snapshot has the tickets that are live, and how many were given") {
  ticket("t1", "ann");
  ticket(std::string(kRequestIdBytesMax, '-'), "bob");
  ticket("t3", "carl");
  order("t1", "ann");
  const auto entries = saved();
  CHECK(entries.all.at(storage::SnapshotSection::tickets).second == 2);
  CHECK(entries.all.at(storage::SnapshotSection::grants).second == 1);
  auto copy = loaded(entries);
  CHECK(copy.promos().find(7)->granted == 3);
  CHECK(copy.promos().find(7)->grant_lsn == book.promos().find(7)->grant_lsn);
  std::swap(book, copy);
  CHECK(saved().all == entries.all);
  CHECK(ticket("x", "bob").ticket_id() == std::string(kRequestIdBytesMax, '-'));
  CHECK(order("t3", "carl").answer.state == State::confirmed);
  CHECK(ticket("t4", "dora").grant.granted == 4);
}

TEST_CASE_FIXTURE(TicketTest, "a sale without tickets has nothing of them in its snapshot") {
  const auto entries = saved();
  CHECK_FALSE(entries.all.contains(storage::SnapshotSection::tickets));
  CHECK_FALSE(entries.all.contains(storage::SnapshotSection::grants));
  storage::SnapshotSummary summary;
  book.count(summary);
  CHECK((summary.tickets == 0 && summary.grants == 0));
}

TEST_CASE_FIXTURE(TicketTest,
                  "tickets that are over are forgotten with the next change of a promo") {
  ticket("t1", "ann");
  ticket(std::string(kRequestIdBytesMax, '-'), "bob");
  now_ms = kEnd;
  CHECK(book.live_tickets() == 2);
  PromoRequest next;
  next.action = PromoAction::add;
  next.put = book.promos().find(7)->terms();
  next.put.promo = 8;
  next.put.starts_at_ms = kEnd;
  next.put.ends_at_ms = kEnd + 1000;
  REQUIRE(change(next).changed);
  CHECK(book.live_tickets() == 0);
  CHECK(ticket("t1", "ann", 8).error == Code::none);
}

TEST_CASE_FIXTURE(TicketTest, "tickets that are over make room for others, here and at a replay") {
  const OrderBookLimits limits{.orders_max = 1000, .tickets_max = 3};
  put_item(2, 10);
  PromoRequest later;
  later.action = PromoAction::add;
  later.put = book.promos().find(7)->terms();
  later.put.promo = 8;
  later.put.item = 2;
  later.put.ends_at_ms = kEnd + 10'000;
  REQUIRE(change(later).changed);
  auto replayed = loaded(saved(), limits);
  book = loaded(saved(), limits);
  ticket("t1", "ann");
  ticket("t2", "bob", 8);
  ticket("t3", "carl");
  CHECK(ticket("t4", "dora", 8).error == Code::overloaded);
  CHECK(ticket("t4", "dora", 8).field == "tickets");
  now_ms = kEnd - 1;
  CHECK(ticket("t4", "dora", 8).error == Code::overloaded);
  now_ms = kEnd;
  CHECK(ticket("t4", "dora", 8).error == Code::none);
  CHECK(book.live_tickets() == 2);
  CHECK(ticket("x", "bob", 8).ticket_id() == "t2");
  CHECK(ticket("t5", "erik", 8).error == Code::none);
  CHECK(ticket("t6", "fay", 8).error == Code::overloaded);
  storage::CommandDecoder decoder;
  std::vector<storage::Command> set;
  for (const auto& [at, payload] : log) {
    REQUIRE(decoder.command_set(payload, set));
    REQUIRE(replayed.replay_set(set, at));
  }
  Entries one;
  Entries other;
  replayed.save_tickets(one);
  book.save_tickets(other);
  CHECK(one.all == other.all);
}

TEST_CASE_FIXTURE(TicketTest, "a parked ticket closes its item and stays counted") {
  ticket("t1", "ann");
  auto entries = saved();
  entries.all.erase(storage::SnapshotSection::tickets);
  entries.all.erase(storage::SnapshotSection::grants);
  auto copy = loaded(entries);
  storage::CommandDecoder decoder;
  std::vector<storage::Command> set;
  REQUIRE(decoder.command_set(log.back().second, set));
  CHECK(copy.park_set(set, lsn) == 1);
  CHECK(copy.promos().find(7)->granted == 1);
  std::swap(book, copy);
  CHECK(ticket("t2", "bob").error == Code::internal);
  // What the log says of it further is taken as it stands.
  set[0].sale->ticket.granted = 5;
  CHECK(book.replay_set(set, lsn + 1));
  CHECK(book.promos().find(7)->granted == 5);
}

TEST_CASE("tickets: any id comes back as it was, and ends alone") {
  TicketTable table;
  std::map<std::uint64_t, std::string> all;
  constexpr std::string_view kLetters =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
  std::uint64_t random = 1;
  const auto next = [&random] {
    return random = random * 6364136223846793005U + 1442695040888963407U;
  };
  for (int i = 0; i < 2000; ++i) {
    std::string id;
    for (auto size = 1 + (next() >> 33) % kRequestIdBytesMax; size > 0; --size)
      id += kLetters[(next() >> 33) % kLetters.size()];
    const auto key = TicketTable::key(i % 7, next());
    table.put(key, id, 1000 + i);
    all[key] = id;
    if (i % 3 == 0) table.end(all.begin()->first), all.erase(all.begin());
  }
  CHECK(table.size() == all.size());
  for (const auto& [key, id] : all) {
    REQUIRE(table.find(key));
    CHECK(table.find(key)->id == id);
    CHECK(table.expiry(key, id) == table.find(key)->expires_at_ms);
    CHECK_FALSE(table.expiry(key, id + "x"));
    CHECK_FALSE(table.expiry(key, id.substr(1)));
    auto other = id;
    other.back() = id.back() == 'B' ? 'A' : 'B';
    CHECK_FALSE(table.expiry(key, other));
    CHECK_FALSE(table.expiry(key + 1, id));
    CHECK_FALSE(table.find(key + 1));
  }
  table.drop_expired(2000);
  for (const auto& [key, id] : all)
    if (const auto left = table.find(key)) CHECK(left->expires_at_ms > 2000);
  table.drop_expired(INT64_MAX);
  CHECK(table.size() == 0);
}

TEST_CASE("tickets: a UUID is kept with its dashes, and is not the id without them") {
  const std::string dashed = "0123abcd-4567-89ef-ABCD-fedcba987654";
  const std::string bare = "0123abcd456789efABCDfedcba987654";
  const std::string others[] = {"0123abcd-4567-89ef-ABCD_fedcba987654", dashed + "-",
                                "--------------------------------------"};
  TicketTable table;
  table.put(1, dashed, 1000);
  table.put(2, bare, 1000);
  table.put(3, std::string(36, '-'), 1000);
  CHECK(table.find(1)->id == dashed);
  CHECK(table.expiry(1, dashed));
  CHECK_FALSE(table.expiry(1, bare));
  CHECK(table.find(2)->id == bare);
  CHECK_FALSE(table.expiry(2, dashed));
  CHECK(table.find(3)->id == std::string(36, '-'));
  for (const auto& other : others) {
    table.put(4, other, 1000);
    CHECK(table.find(4)->id == other);
    CHECK_FALSE(table.expiry(1, other));
  }
  table.end(1);
  table.end(4);
  CHECK(table.size() == 2);
  CHECK(table.find(3)->expires_at_ms == 1000);
}

TEST_CASE("tickets: a million of usual length take 64 bytes each") {
  TicketTable table;
  constexpr std::uint64_t kTickets = 1'000'000;
  for (std::uint64_t i = 0; i < kTickets; ++i) {
    std::string id = std::to_string(i);
    id.insert(0, 32 - id.size(), 'a');
    table.put(TicketTable::key(7, i * 0x9e3779b97f4a7c15U), id, 1);
  }
  CHECK(table.size() == kTickets);
  CHECK(table.memory_bytes() <= 64 * kTickets + (1U << 20));
}
