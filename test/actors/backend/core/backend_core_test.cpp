#include "actors/backend/core/backend_core.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <map>
#include <random>
#include <set>

#include "actors/sale/limits.h"
#include "test/support/random_run.h"

using namespace stampede;
using namespace stampede::actors;
using storage::CommandKind;
using storage::RecordType;

namespace {

constexpr LogUuid kUuid{9};

// A backend without a disk and a database: the test decides when appends become durable and when a
// lane is done.
struct CoreTest {
  explicit CoreTest(const BackendLimits& of = limits()) : core(kUuid, of) {
    core.set_phase(Phase::replaying);
    core.take_over(1, 0, storage::kFeatureLevelFirst);
    core.set_phase(Phase::serving);
  }
  static BackendLimits limits() {
    BackendLimits limits;
    limits.projection = {2, 10, 10, 3};
    limits.backlog_commands_max = 100;
    return limits;
  }

  void put(std::uint64_t item, std::int64_t stock) {
    const auto id = "put-" + std::to_string(item);
    core.on_control(1, {RequestKind::item_put, id, item, {}, 0, {"Phone", 5, stock, 0, 5}, 0},
                    effects);
    sync();
    effects.clear();
  }
  void order(const std::string& id, std::uint64_t item, std::uint64_t number = 1) {
    std::string body;
    append_request(body, {RequestKind::order, id, item, "ann", 1, {}, 0});
    work(body, 1, number);
  }
  void work(const std::string& body, std::uint32_t count, std::uint64_t number) {
    core.on_work({.kind = transport::EnvelopeKind::work,
                  .count = count,
                  .origin = 1,
                  .sender = 5,
                  .number = number,
                  .broker = broker},
                 body, 1000, effects);
  }
  void flush() {
    core.flush(effects);
    for (auto& append : effects.appends) log.push_back(append);
    in_log += effects.appends.size();
    effects.appends.clear();
  }
  void sync() {
    flush();
    core.on_durable(in_log, effects);
    in_log = 0;
  }
  std::vector<Result> results() {
    std::vector<Result> all;
    BodyReader reader;
    for (const auto& message : effects.results) {
      reader.open(message.body);
      for (Result result; reader.next(result);) all.push_back(result);
    }
    return all;
  }
  std::multiset<std::string> logged(RecordType type) const {
    std::multiset<std::string> out;
    storage::CommandDecoder decoder;
    for (const auto& append : log) {
      storage::RecordCursor cursor(append->records, append->first_lsn);
      for (storage::RecordView record; cursor.next(record);) {
        storage::Outcome outcome;
        if (record.type != type || !decoder.outcome(record.payload, outcome)) continue;
        std::string text(to_text(outcome.kind));
        for (const auto number : outcome.numbers)
          text += " " + (number > 1000 ? storage::to_text(number) : std::to_string(number));
        out.insert(text);
      }
    }
    return out;
  }

  std::uint64_t broker = 11;
  BackendCore core;
  Effects effects;
  std::vector<AppendPtr> log;
  std::size_t in_log = 0;
};

}  // namespace

TEST_CASE("an item that cannot be taken over is told what stands in its way") {
  auto limits = CoreTest::limits();
  limits.book.orders_max = 1;
  BackendCore core(kUuid, limits);
  core.set_phase(Phase::replaying);
  core.take_over(1, 0, storage::kFeatureLevelFirst);
  Effects effects;
  const auto import_item = [&](const std::string& id, std::uint64_t item, std::uint32_t max_qty) {
    ItemRequest request;
    request.action = ItemAction::add;
    request.put.request_id = id;
    request.put.item = item;
    request.put.terms = {"Phone", 5, 9, 0, max_qty};
    return core.import_item(request, effects);
  };
  CHECK(import_item("import-1", 1, 0).find("its max_qty is out of bounds") != std::string::npos);
  CHECK(import_item("import-1", 1, 5).empty());
  CHECK(import_item("import-2", 2, 5).find("backend.orders_max") != std::string::npos);
}

TEST_CASE_FIXTURE(CoreTest, "no answer leaves before its decision is durable") {
  put(1, 1);
  order("a", 1);
  order("b", 1);  // sold out: waits as well
  flush();
  CHECK(effects.results.empty());
  sync();
  const auto answers = results();
  REQUIRE(answers.size() == 2);
  CHECK(answers[0].answer.state == State::confirmed);
  CHECK(answers[1].answer.reason == RejectReason::sold_out);
  CHECK(effects.results[0].envelope.counter == 1);
  CHECK(effects.results[1].envelope.counter == 2);
}

TEST_CASE_FIXTURE(CoreTest, "a repeat of an undurable order is answered with it, not before it") {
  put(1, 5);
  order("a", 1, 1);
  flush();
  order("a", 1, 2);
  flush();
  CHECK(effects.results.empty());
  core.on_durable(1, effects);
  const auto answers = results();
  REQUIRE(answers.size() == 2);
  CHECK(answers[0].answer.lsn == answers[1].answer.lsn);
  CHECK(answers[1].answer.replayed);
}

TEST_CASE_FIXTURE(CoreTest, "an item list waits for the changes it shows") {
  put(1, 5);
  order("a", 1);
  std::string body;
  append_request(body, {RequestKind::items, {}, 0, {}, 10, {}, 0});
  work(body, 1, 2);
  flush();
  CHECK(effects.results.empty());
  sync();
  CHECK(results()[1].items[0].left == 4);
}

TEST_CASE_FIXTURE(CoreTest,
                  "the database gets only what is durable, and nothing before it is claimed") {
  put(1, 5);
  order("a", 1);
  flush();
  CHECK(effects.work.empty());
  sync();
  CHECK(effects.work.empty());
  core.start_lanes(effects);
  REQUIRE(effects.work.size() >= 1);
  CHECK(effects.work[0].insert_count == 1);
}

TEST_CASE_FIXTURE(CoreTest,
                  "a burst on one item writes one amount and logs the others as left out") {
  put(1, 50);
  core.start_lanes(effects);
  for (const auto& work : effects.work) core.on_lane_done(work.lane, {}, effects);
  effects.clear();
  for (int i = 0; i < 20; ++i) order("o" + std::to_string(i), 1, 1);
  sync();
  for (int rounds = 0; rounds < 50 && !core.projection().idle(); ++rounds) {
    auto work = std::move(effects.work);
    effects.work.clear();
    for (const auto& one : work) core.on_lane_done(one.lane, {}, effects);
  }
  sync();
  CHECK(core.projection().idle());
  const auto optm = logged(RecordType::optm);
  CHECK(optm.count("ItemAmountUpdate 1 1.2 1.21") == 1);
  CHECK(logged(RecordType::exec).count("ItemAmountUpdate 1.21 1.21") == 1);
}

TEST_CASE_FIXTURE(CoreTest, "a failed row is FAIL, its neighbours are EXEC, and it is not stored") {
  put(1, 50);
  core.start_lanes(effects);
  for (const auto& work : effects.work) core.on_lane_done(work.lane, {}, effects);
  effects.clear();
  for (int i = 0; i < 5; ++i) order("o" + std::to_string(i), 1, 1);
  sync();
  const auto inserts = std::find_if(effects.work.begin(), effects.work.end(),
                                    [](const LaneWork& work) { return work.insert_count == 5; });
  REQUIRE(inserts != effects.work.end());
  const auto bad = storage::make_lsn(1, 4);
  core.on_lane_done(inserts->lane, {{CommandKind::order_insert, bad, 1, 406}}, effects);
  sync();
  CHECK(logged(RecordType::exec).count("OrderInsert 1.2 1.3 1.5 1.6") == 1);
  CHECK(logged(RecordType::fail).count("OrderInsert 1.4 406") == 1);
  CHECK_FALSE(core.projection().stored(bad));
  CHECK(core.projection().stored(bad + 1));
  CHECK(core.projection().failed() == 1);
}

TEST_CASE_FIXTURE(CoreTest,
                  "above the backlog bound orders are overloaded, repeats still answered") {
  put(1, 500);
  for (int i = 0; i < 120; ++i) {
    order("o" + std::to_string(i), 1, 1);
    sync();
  }
  order("o3", 1, 2);
  sync();
  const auto answers = results();
  CHECK(std::count_if(answers.begin(), answers.end(), [](const Result& r) {
          return r.kind == ResultKind::error && r.code == Code::overloaded &&
                 r.field == "log.backlog_commands_max";
        }) >= 20);
  CHECK(answers.back().answer.state == State::confirmed);
}

TEST_CASE_FIXTURE(CoreTest, "with a full log nothing new is decided, repeats are answered") {
  put(1, 1);
  order("bought", 1);
  order("late", 1);
  sync();
  core.set_log_room(0);
  order("bought", 1);
  order("late", 1);
  order("new", 1);  // a rejection would have to be logged, too
  sync();
  auto answers = results();
  REQUIRE(answers.size() == 5);
  CHECK(answers[2].answer.state == State::confirmed);
  CHECK(answers[3].answer.state == State::rejected);
  CHECK(answers[4].code == Code::overloaded);
  CHECK(answers[4].field == "log.dir");
  core.set_log_room(1000);
  order("new", 1);
  sync();
  CHECK(results().back().answer.state == State::rejected);
}

TEST_CASE_FIXTURE(CoreTest,
                  "while orders are refused repeats are answered, and nothing is decided") {
  put(1, 9);
  order("bought", 1);
  sync();
  core.refuse_orders(true);
  order("bought", 1);
  order("new", 1);
  sync();
  auto answers = results();
  REQUIRE(answers.size() == 3);
  CHECK(answers[1].answer.state == State::confirmed);
  CHECK(answers[2].code == Code::draining);
  CHECK(answers[2].field == kOrdersRefused);
  core.refuse_orders(false);
  order("new", 1);
  sync();
  CHECK(results().back().answer.state == State::confirmed);
}

TEST_CASE_FIXTURE(CoreTest, "outside serving every batch is refused with its reason") {
  put(1, 5);
  core.set_phase(Phase::draining);
  order("a", 1);
  REQUIRE(effects.results.size() == 1);
  CHECK(effects.results[0].envelope.kind == transport::EnvelopeKind::refusal);
  CHECK(static_cast<Code>(effects.results[0].envelope.code) == Code::draining);
}

TEST_CASE_FIXTURE(CoreTest, "a new broker's credit starts from zero") {
  put(1, 50);
  order("a", 1);
  sync();
  broker = 12;
  order("b", 1);
  sync();
  CHECK(effects.results[0].envelope.counter == 1);
  CHECK(effects.results[1].envelope.counter == 1);
  CHECK(effects.results[1].envelope.broker == 12);
}

TEST_CASE_FIXTURE(CoreTest, "a broken body is answered entry by entry and decides no more") {
  put(1, 5);
  std::string body;
  append_request(body, {RequestKind::order, "a", 1, "ann", 1, {}, 0});
  work(body + "\xc1\xc1", 3, 1);
  sync();
  CHECK(effects.results[0].envelope.count == 3);
  BodyReader reader;
  reader.open(effects.results[0].body);
  Result result;
  REQUIRE(reader.next(result));
  CHECK(result.answer.state == State::confirmed);
  REQUIRE(reader.next(result));
  CHECK(result.code == Code::internal);
}

TEST_CASE_FIXTURE(CoreTest, "what changed is told behind an lsn, once it is durable") {
  const auto ask = [&](Lsn since) {
    effects.clear();
    Request request;
    request.kind = RequestKind::changes;
    request.item = since;
    request.qty = 500;
    std::string body;
    append_request(body, request);
    work(body, 1, 9);
    sync();
    const auto all = results();
    REQUIRE_FALSE(all.empty());
    REQUIRE(all.back().kind == ResultKind::changes);
    return all.back();
  };
  put(1, 5);
  put(2, 5);
  auto heard = ask(0);
  CHECK(heard.changes.anew);
  CHECK(heard.items.empty());
  const auto before = heard.changes.upto;
  order("a", 2);
  flush();  // not durable
  CHECK(ask(before).items.empty());
  CHECK(ask(before).items.size() == 1);
  CHECK(ask(before).items.front().left == 4);
  CHECK(ask(ask(before).changes.upto).items.empty());
}

TEST_CASE_FIXTURE(CoreTest, "a promo that is put is a change of its item") {
  put(1, 5);
  const auto before = core.durable_lsn();
  PromoRequest request;
  request.action = PromoAction::add;
  request.put.request_id = "promo-1";
  request.put.promo = 7;
  request.put.item = 1;
  request.put.name = "half price";
  request.put.starts_at_ms = 10'000;
  request.put.ends_at_ms = 20'000;
  REQUIRE(core.on_promo(1, request, 1000, effects));
  order("a", 1);
  sync();
  effects.clear();
  std::string body;
  Request changes;
  changes.kind = RequestKind::changes;
  changes.item = before;
  changes.qty = 500;
  append_request(body, changes);
  work(body, 1, 9);
  const auto all = results();
  REQUIRE(all.size() == 1);
  REQUIRE(all.front().items.size() == 1);
  REQUIRE(all.front().items.front().promo.has_value());
  CHECK(all.front().items.front().promo->promo == 7);
  CHECK(all.front().items.front().left == 4);
}

TEST_CASE_FIXTURE(CoreTest, "an item that sold out is told before all others") {
  put(1, 2);
  put(2, 1);
  std::string body;
  core.take_news(body, 10);
  order("a", 1);
  order("b", 2);
  sync();
  body.clear();
  CHECK(core.take_news(body, 1) == 1);
  BodyReader reader;
  ItemRow row;
  reader.open(body);
  REQUIRE(reader.next(row));
  CHECK(row.item == 2);
  CHECK(row.left == 0);
}

TEST_CASE_FIXTURE(CoreTest, "news speak only of durable amounts") {
  put(1, 5);
  std::string body;
  core.take_news(body, 10);
  body.clear();
  order("a", 1);
  flush();
  CHECK(core.take_news(body, 10) == 0);
  sync();
  order("b", 1);
  flush();
  CHECK(core.take_news(body, 10) == 1);
  BodyReader reader;
  ItemRow row;
  reader.open(body);
  REQUIRE(reader.next(row));
  CHECK(row.left == 4);
}

TEST_CASE_FIXTURE(CoreTest, "books are those of a durable decision") {
  put(1, 5);
  order("a", 1);
  core.on_books(9, effects);
  flush();
  CHECK(effects.books.empty());
  sync();
  REQUIRE(effects.books.size() == 1);
  CHECK(effects.books[0].books.confirmed == 1);
  CHECK(effects.books[0].books.sold == 1);
  CHECK(effects.books[0].lsn == core.durable_lsn());
}

// Random sales with lanes that finish in any order and fail at random: what the outcome records and
// the projection say must agree with what was really written.
TEST_CASE("random sales: every order is written once and the newest amount wins") {
  const auto seed = test::seed_of_run();
  CAPTURE(seed);
  MESSAGE("seed " << seed);
  std::mt19937_64 random(seed);
  for (int run = 0; run < 50; ++run) {
    CoreTest test;
    for (std::uint64_t item = 1; item <= 4; ++item) test.put(item, 30);
    test.core.start_lanes(test.effects);
    std::set<Lsn> rows;
    std::map<std::uint64_t, ItemChange> items;
    std::vector<LaneWork> busy;
    const auto finish_one = [&] {
      const auto at = random() % busy.size();
      const auto work = std::move(busy[at]);
      busy.erase(busy.begin() + static_cast<std::ptrdiff_t>(at));
      for (const auto& append : work.inserts) {
        storage::RecordCursor cursor(append->records, append->first_lsn);
        for (storage::RecordView record; cursor.next(record);)
          if (record.type == RecordType::emit) CHECK(rows.insert(record.lsn).second);
      }
      for (const auto& change : work.items)
        if (items[change.item].last < change.last) items[change.item] = change;
      test.core.on_lane_done(work.lane, {}, test.effects);
    };
    for (int step = 0; step < 200; ++step) {
      test.order("r" + std::to_string(random() % 150), 1 + random() % 4, 1);
      if (random() % 3 == 0) test.sync();
      for (auto& work : test.effects.work) busy.push_back(std::move(work));
      test.effects.work.clear();
      if (!busy.empty() && random() % 2 == 0) finish_one();
    }
    test.sync();
    for (auto& work : test.effects.work) busy.push_back(std::move(work));
    test.effects.work.clear();
    while (!busy.empty()) {
      finish_one();
      for (auto& work : test.effects.work) busy.push_back(std::move(work));
      test.effects.work.clear();
    }
    CHECK(test.core.projection().idle());
    std::size_t confirmed_rows = rows.size();
    for (std::uint64_t item = 1; item <= 4; ++item) {
      CHECK(items[item].amount == test.core.book().item(item)->left);
      confirmed_rows -= rows.contains(storage::make_lsn(1, item)) ? 1 : 0;  // the ItemPuts
    }
    CHECK(confirmed_rows == test.core.book().confirmed());
  }
}

TEST_CASE_FIXTURE(CoreTest, "memory is made ahead only while nothing is open or owed") {
  put(1, 5);
  core.start_lanes(effects);
  REQUIRE(effects.work.size() == 1);
  CHECK_FALSE(core.make_room(1000));  // the item is on its way to the database
  core.on_lane_done(effects.work[0].lane, {}, effects);
  sync();
  effects.clear();
  CHECK(core.make_room(1000));
  order("a", 1);
  CHECK_FALSE(core.make_room(1000));  // waits for the log
  sync();
  CHECK_FALSE(core.make_room(1000));  // and now for the database
  for (auto lane = effects.work[0].lane; !core.projection().idle();) {
    core.on_lane_done(lane, {}, effects);
    sync();
    if (!effects.work.empty()) lane = effects.work.back().lane;
  }
  int pieces = 0;
  while (core.make_room(100'000)) REQUIRE(++pieces < 1000);
  CHECK(pieces > 0);
}

TEST_CASE("a change that has to look at many orders is told to come again") {
  auto limits = CoreTest::limits();
  limits.looks_ahead_max = 2;
  CoreTest test(limits);
  test.put(1, 100);
  const auto change = [&](std::uint64_t number, const char* id, std::uint32_t bits, ItemSale sale) {
    ItemRequest request;
    request.action = ItemAction::set;
    request.put.request_id = id;
    request.put.item = 1;
    request.sale = sale;
    request.given = bits;
    return test.core.on_item(number, request, 1000, test.effects);
  };
  CHECK(change(2, "hold", 1U << 6U, {.hold_s = 60}));
  for (int i = 0; i < 5; ++i) test.order("o-" + std::to_string(i), 1);
  test.sync();
  test.effects.clear();
  const ItemSale bound{.unpaid_per_user_max = 5};
  CHECK_FALSE(change(3, "bound", 1U << 9U, bound));
  test.order("o-5", 1);  // goes first
  CHECK_FALSE(change(3, "bound", 1U << 9U, bound));
  CHECK(change(3, "bound", 1U << 9U, bound));
  test.order("o-6", 1);
  test.sync();
  REQUIRE(test.effects.controls.size() == 1);
  CHECK(test.effects.controls.front().number == 3);
  CHECK(test.results().at(0).answer.state == State::confirmed);
  CHECK(test.results().at(1).code == Code::unpaid_limit);
  CHECK(change(3, "bound", 1U << 9U, bound));  // known: nothing is looked at
}

TEST_CASE_FIXTURE(CoreTest, "what was due before the start waits for payments, then it expires") {
  using storage::Fulfilment;
  constexpr std::int64_t kSecond = 1'000'000;
  put(1, 2);
  ItemRequest hold;
  hold.action = ItemAction::set;
  hold.put.request_id = "hold";
  hold.put.item = 1;
  hold.sale.hold_s = 1;
  hold.given = 1U << 6U;
  REQUIRE(core.on_item(1, hold, 1000, effects));
  order("a", 1);
  order("b", 1);
  sync();
  core.expire_from(40 * kSecond);  // as at a start, 30 s behind it
  const auto become = [&](const char* id) { return core.book().look_up(id).answer.fulfilment; };
  for (const auto now_us : {10 * kSecond, 40 * kSecond - 1})
    CHECK_FALSE(core.expire(now_us, effects));
  CHECK(become("a") == Fulfilment::unpaid);
  std::string body;
  Request payment;
  payment.kind = RequestKind::pay;
  payment.id = "p";
  payment.order = "a";
  payment.amount_cents = 5;
  append_request(body, payment);
  core.on_work({.kind = transport::EnvelopeKind::work,
                .count = 1,
                .origin = 1,
                .sender = 5,
                .number = 2,
                .broker = broker},
               body, 40 * kSecond - 1, effects);
  sync();
  CHECK(results().back().fulfilled.fulfilment == Fulfilment::paid);
  core.expire(40 * kSecond, effects);
  CHECK(become("a") == Fulfilment::paid);
  CHECK(become("b") == Fulfilment::expired);
  CHECK(core.counters().expired == 1);
}

// Whoever orders waits behind one call's: few at once, and still 100,000 in a second.
TEST_CASE("many that are due end in small steps, and more than 100,000 a second") {
  constexpr std::int64_t kSecond = 1'000'000;
  constexpr std::uint64_t kOrders = 20'000;
  auto limits = CoreTest::limits();
  limits.backlog_commands_max = 10 * kOrders;
  CoreTest test(limits);
  test.put(1, kOrders);
  ItemRequest hold;
  hold.action = ItemAction::set;
  hold.put.request_id = "hold";
  hold.put.item = 1;
  hold.sale.hold_s = 1;
  hold.given = 1U << 6U;
  REQUIRE(test.core.on_item(1, hold, 1000, test.effects));
  for (std::uint64_t i = 0; i < kOrders; ++i) {
    test.order("o-" + std::to_string(i), 1);
    if (i % 100 == 99) test.sync();
  }
  const auto ended = [&] { return test.core.counters().expired; };
  auto now_us = 10 * kSecond;
  REQUIRE(test.core.expire(now_us, test.effects));
  CHECK(ended() <= 1024);  // however long nobody asked
  const auto begin_us = now_us;
  while (ended() < kOrders) {
    test.sync();
    const auto before = ended();
    now_us += 2'000;
    test.core.expire(now_us, test.effects);
    REQUIRE(ended() > before);
    CHECK(ended() - before <= 300);
  }
  CHECK(now_us - begin_us < kSecond / 5);
}

namespace {

Request session_of(SessionEvent what, std::string_view user, std::string_view id,
                   std::int64_t until_ms = 60'000) {
  const auto hash = session_hash(user, id);
  Request request;
  request.kind = RequestKind::session;
  request.item = hash[0];
  request.promo = hash[1];
  request.user = user;
  request.qty = static_cast<std::uint32_t>(what);
  request.valid_until_ms = until_ms;
  return request;
}

struct SessionTest : CoreTest {
  using CoreTest::CoreTest;
  void ask(const Request& request) {
    std::string body;
    append_request(body, request);
    work(body, 1, ++number);
  }
  // Those that have ended, as a webapp is told behind an lsn.
  EndedSessionsPage ended(Lsn since = 0, std::uint32_t limit = 1000) {
    effects.clear();
    ask({RequestKind::ended_sessions, {}, since, {}, limit, {}, 0});
    const auto all = results();
    REQUIRE(all.size() == 1);
    REQUIRE(all[0].kind == ResultKind::ended_sessions);
    effects.clear();
    return all[0].sessions;
  }
  std::uint64_t number = 0;
};

}  // namespace

TEST_CASE("that a session has ended is told when it is durable, and not before") {
  SessionTest test;
  test.ask(session_of(SessionEvent::ended, "ann", "s1"));
  test.ask(session_of(SessionEvent::ended, "ann", "s1"));  // a repeat waits for the same
  test.flush();
  CHECK(test.results().empty());
  test.ask({RequestKind::ended_sessions, {}, 0, {}, 1000, {}, 0});
  std::string news;
  CHECK(test.core.take_session_news(news, 100, 1000) == 0);
  test.sync();
  const auto results = test.results();
  REQUIRE(results.size() == 3);
  CHECK(results[2].sessions.rows.empty());  // the list waited behind them, and knew of none
  for (int n = 0; n < 2; ++n) {
    CHECK(results[n].kind == ResultKind::session_kept);
    CHECK(results[n].session.session == session_hash("ann", "s1"));
    CHECK(results[n].session.left_ms == 60'000 - 1);
  }
  CHECK(test.ended().rows.size() == 1);
  CHECK(test.core.take_session_news(news, 100, 1000) == 1);
  CHECK(test.core.take_session_news(news, 100, 1000) == 0);
  REQUIRE(test.log.size() == 1);
  CHECK(test.log[0]->decisions == 1);
  CHECK(test.log[0]->level == storage::FeatureLevel::sale);
}

TEST_CASE("a session that was opened ends the one before it in the same decision") {
  SessionTest test;
  test.ask(session_of(SessionEvent::opened, "ann", "s1"));
  test.ask(session_of(SessionEvent::opened, "bob", "s1"));
  test.sync();
  CHECK(test.ended().rows.empty());
  test.ask(session_of(SessionEvent::opened, "ann", "s2"));
  test.sync();
  auto page = test.ended();
  REQUIRE(page.rows.size() == 1);
  CHECK(page.rows[0].session == session_hash("ann", "s1"));
  CHECK(page.rows[0].what == SessionEvent::replaced);
  CHECK(page.upto == test.core.durable_lsn());
  CHECK(test.ended(page.upto).rows.empty());
  test.ask(session_of(SessionEvent::opened, "ann", "s1"));  // late
  test.sync();
  CHECK(test.results().at(0).code == Code::session_replaced);
}

TEST_CASE("sessions beyond auth.revoked_max are refused, and a webapp is told all page by page") {
  auto limits = CoreTest::limits();
  limits.book.revoked_max = 25;
  SessionTest test(limits);
  for (int n = 0; n < 26; ++n)
    test.ask(session_of(SessionEvent::ended, "ann", "s" + std::to_string(n)));
  test.sync();
  const auto results = test.results();
  REQUIRE(results.size() == 26);
  CHECK((results[25].code == Code::overloaded && results[25].field == limit::kRevoked));
  CHECK(std::count_if(results.begin(), results.end(), [](const Result& one) {
          return one.kind == ResultKind::session_kept;
        }) == 25);
  std::size_t seen = 0;
  Lsn since = 0;
  for (bool more = true; more;) {
    const auto page = test.ended(since, 10);
    seen += page.rows.size();
    more = page.more;
    since = page.upto;
  }
  CHECK(seen == 25);
  // Who has heard of a later log than there is begins anew.
  CHECK(test.ended(storage::make_lsn(9, 1)).rows.size() == 25);
}

TEST_CASE("a bar of the operator is told when it is durable, and is one however often it comes") {
  SessionTest test;
  constexpr std::int64_t kMoment = 1'700'000'000'000;
  Request bar;
  bar.kind = RequestKind::session;
  bar.user = "ann";
  bar.valid_until_ms = kMoment + kBarKnownMs;
  test.core.on_control(9, bar, test.effects, kMoment * 1000);
  test.core.on_control(10, bar, test.effects, kMoment * 1000);
  test.flush();
  CHECK(test.effects.controls.empty());
  test.sync();
  REQUIRE(test.effects.controls.size() == 2);
  CHECK(test.effects.controls[0].number == 9);
  CHECK(test.effects.controls[1].lsn == test.effects.controls[0].lsn);
  REQUIRE(test.log.size() == 1);
  CHECK(test.log[0]->decisions == 1);
  BodyReader reader;
  Result told;
  reader.open(test.effects.controls[0].body);
  REQUIRE(reader.next(told));
  CHECK(told.kind == ResultKind::session_kept);
  test.effects.clear();
  const auto page = test.ended();
  REQUIRE(page.rows.size() == 1);
  CHECK(page.rows[0].session == bar_hash("ann"));
  CHECK(page.rows[0].what == SessionEvent::barred);
  CHECK(page.rows[0].opened_ms == kMoment);
}

TEST_CASE("what no webapp sends of sessions is refused and not written down") {
  SessionTest test;
  for (const auto what : {SessionEvent::invalid, SessionEvent::replaced, SessionEvent::barred,
                          static_cast<SessionEvent>(5)})
    test.ask(session_of(what, "ann", "s1"));
  test.ask(session_of(SessionEvent::ended, "ann", "s1", -1));
  test.ask(session_of(SessionEvent::ended, "ann", "s1", kTimeMsMax + 1));
  auto nobody = session_of(SessionEvent::ended, "ann", "s1");
  nobody.user = {};
  test.ask(nobody);
  test.sync();
  for (const auto& one : test.results()) CHECK(one.code == Code::bad_request);
  CHECK(test.log.empty());
}

TEST_CASE("a full log takes no session, and the list can be asked all the same") {
  SessionTest test;
  test.core.set_log_room(0);
  test.ask(session_of(SessionEvent::ended, "ann", "s1"));
  CHECK(test.results().at(0).field == limit::kLogRoom);
  CHECK(test.ended().rows.empty());
}
