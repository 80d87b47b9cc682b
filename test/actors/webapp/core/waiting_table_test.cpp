// Who waits: counts, bounds, deadlines, arrays and what outlives its batch.

#include "actors/webapp/core/waiting_table.h"

#include <doctest/doctest.h>

#include <string>
#include <vector>

using namespace stampede::actors;
using Ids = std::vector<std::string>;

namespace {

constexpr std::int64_t kMs = 1000;

ClientToken client(std::string_view identity) {
  return ClientToken::router(ClientToken::Kind::dealer, identity);
}

ClientAsk ask(ClientOp op, std::string_view id, std::int64_t deadline_ms = 5000) {
  ClientAsk asked;
  asked.client = client("c");
  asked.request.op = op;
  asked.request.id = id;
  asked.request.user = "ann";
  asked.request.item = 1;
  asked.request.deadline_ms = deadline_ms;
  return asked;
}

Request order(std::string_view id) {
  Request request;
  request.kind = RequestKind::order;
  request.id = id;
  request.user = "ann";
  request.item = request.qty = 1;
  return request;
}

struct Table {
  WaitingTable table{100};
  WaitingBatch batch;

  Waiter& add(const ClientAsk& asked, std::int64_t now_us = 0) {
    return table.add(batch, asked, asked.request.id, now_us);
  }
  Waiter& order(std::string_view id, std::int64_t deadline_ms = 5000) {
    return add(ask(ClientOp::order, id, deadline_ms));
  }
  Waiter& detached(std::string_view id) {
    auto asked = ask(ClientOp::order, id);
    asked.mode = WaitMode::detach_now;
    auto& waiter = add(asked);
    WaitingTable::detach(batch, waiter);
    return waiter;
  }
  Ids due(std::int64_t now_us, bool detached_too = false) {
    Ids ids;
    table.begin_pass();
    table.pass(batch, now_us, detached_too, [&](Waiter& waiter) {
      ids.emplace_back(batch.id(waiter));
      table.finish(batch, waiter);
    });
    return ids;
  }
};

std::vector<Request> requests(const WaitingBatch& batch) {
  std::vector<Request> all;
  BodyReader reader;
  reader.open(batch.requests().body());
  for (Request request; reader.next(request);) all.push_back(request);
  CHECK_FALSE(reader.bad());
  return all;
}

}  // namespace

TEST_CASE("a waiter stands at the position of its request, under its id") {
  Table t;
  t.order("a");
  t.add(ask(ClientOp::get, "b"));
  auto page = ask(ClientOp::items, "");
  page.request.item = 9;
  page.request.limit = 20;
  t.table.add(t.batch, page, "page-1", 0);
  const auto asked = requests(t.batch);
  REQUIRE(asked.size() == 3);
  CHECK(asked[0].kind == RequestKind::order);
  CHECK(asked[1].kind == RequestKind::get);
  CHECK(asked[2].kind == RequestKind::items);
  CHECK(asked[2].item == 9);
  CHECK(asked[2].qty == 20);
  Ids ids;
  for (const auto& waiter : t.batch.waiters()) {
    CHECK(waiter.first == ids.size());
    ids.emplace_back(t.batch.id(waiter));
  }
  CHECK(ids == Ids{"a", "b", "page-1"});
  CHECK(t.table.entries() == 3);
}

TEST_CASE("one item is asked as a page without limit that brings one row") {
  Table t;
  auto asked = ask(ClientOp::items, "q");
  asked.request.one_item = true;
  CHECK(t.add(asked).rows == 1);
  CHECK(requests(t.batch).at(0).qty == 0);
}

TEST_CASE("a user who is called like the request is asked so") {
  Table t;
  auto asked = ask(ClientOp::order, "");
  asked.user_is_id = true;
  t.table.add(t.batch, asked, "minted", 0);
  CHECK(requests(t.batch).at(0).user == "minted");
}

TEST_CASE("entries count until their batch leaves, answered or not") {
  Table t;
  for (int i = 0; i < 60; ++i) t.order("x");
  CHECK_FALSE(t.table.full());
  CHECK_FALSE(t.table.full(39));
  CHECK(t.table.full(40));
  for (auto& waiter : t.batch.waiters()) t.table.finish(t.batch, waiter);
  CHECK(t.batch.open() == 0);
  CHECK(t.table.entries() == 60);
  t.table.remove(t.batch);
  CHECK(t.table.entries() == 0);
}

TEST_CASE("pages are refused room while too many rows are open, and find it again") {
  Table t;
  auto page = ask(ClientOp::items, "p");
  for (int i = 0; i < 64; ++i) {
    page.client = client("c" + std::to_string(i < 48 ? i % 8 : i));
    CHECK(t.table.has_room_for_page(page.client));
    t.add(page);
  }
  CHECK_FALSE(t.table.has_room_for_page(client("other")));
  SUBCASE("one is answered") {
    t.table.finish(t.batch, t.batch.waiters().front());
  }
  SUBCASE("all leave unanswered") {
    t.table.remove(t.batch);
  }
  CHECK(t.table.has_room_for_page(client("other")));
}

TEST_CASE("who fills the table leaves room for others, and for their pages") {
  Table t;
  const auto greedy = client("c"), modest = client("d");
  for (int i = 0; i < 78; ++i) {
    CHECK(t.table.has_room(greedy));
    t.order("o" + std::to_string(i));
  }
  CHECK(t.table.has_room(greedy));  // 78 own, 22 free, of these 12 for who has next to nothing
  t.order("last");
  CHECK_FALSE(t.table.has_room(greedy));  // 79 own, 21 free
  CHECK(t.table.has_room(modest, 8));
  CHECK_FALSE(t.table.has_room(modest, 9));
  CHECK(t.table.has_room(modest));
  CHECK_FALSE(t.table.full());
  // What is answered is given back at once, though its place is only free with the batch.
  for (std::size_t i = 0; i < 7; ++i) t.table.finish(t.batch, t.batch.waiters()[i]);
  CHECK(t.table.has_room(greedy));
  t.table.remove(t.batch);
  CHECK(t.table.has_room(greedy, 78));

  WaitingBatch pages;
  int taken = 0;
  for (; taken < 64 && t.table.has_room_for_page(greedy); ++taken)
    t.table.add(pages, ask(ClientOp::items, "p"), "p", 0);
  CHECK(taken == 50);
  CHECK(t.table.has_room_for_page(modest));
}

TEST_CASE("hundreds who take all that they can get leave room for a newcomer") {
  WaitingTable table{65'536};
  WaitingBatch batch;
  const auto take_all = [&](const ClientToken& from) {
    auto asked = ask(ClientOp::order, "o");
    asked.client = from;
    for (; table.has_room(from); table.add(batch, asked, "o", 0)) {
    }
  };
  for (int i = 0; i < 300; ++i) take_all(client("g" + std::to_string(i)));
  CHECK(65'536 - table.entries() > 500);
  int newcomers = 0;
  for (int i = 0; i < 300; ++i) newcomers += table.has_room(client("n" + std::to_string(i)));
  CHECK(newcomers > 250);  // but for those who are counted with one of the 300
  // One who had everything first does not keep them out, either.
  for (int i = 0; i < 300; ++i) take_all(client("g" + std::to_string(i)));
  CHECK(table.has_room(client("honest")));
}

TEST_CASE("a client's share is counted over its batches, and follows a detached order") {
  Table t;
  for (int i = 0; i < 79; ++i) t.detached("o" + std::to_string(i));
  CHECK_FALSE(t.table.has_room(client("c")));
  WaitingBatch kept;
  t.table.move_detached(t.batch, kept);
  t.table.remove(t.batch);
  CHECK(t.table.entries() == 79);
  CHECK_FALSE(t.table.has_room(client("c")));
  for (auto& waiter : kept.waiters()) t.table.finish(kept, waiter);
  CHECK(t.table.has_room(client("c")));
}

TEST_CASE("who is due is found at the deadline, once, and the next deadline is known") {
  Table t;
  t.order("later", 300);
  t.order("soon", 100);
  t.order("answered", 50);
  t.table.finish(t.batch, t.batch.waiters()[2]);
  CHECK(t.table.next_deadline_us() == 50 * kMs);
  CHECK(t.due(50 * kMs).empty());
  CHECK(t.table.next_deadline_us() == 100 * kMs);
  CHECK(t.due(99 * kMs).empty());
  CHECK(t.due(100 * kMs) == Ids{"soon"});
  CHECK(t.table.next_deadline_us() == 300 * kMs);
  CHECK(t.due(400 * kMs) == Ids{"later"});
  CHECK(t.table.next_deadline_us() == kNever);
}

TEST_CASE("the next deadline is that of all batches") {
  Table t;
  WaitingBatch other;
  t.order("here", 200);
  t.table.add(other, ask(ClientOp::order, "there", 100), "there", 0);
  Ids ids;
  const auto due = [&](Waiter&) { ids.emplace_back("due"); };
  t.table.begin_pass();
  t.table.pass(t.batch, 10 * kMs, false, due);
  t.table.pass(other, 10 * kMs, false, due);
  CHECK(ids.empty());
  CHECK(t.table.next_deadline_us() == 100 * kMs);
}

TEST_CASE("a detached order has no deadline, until it is looked at again") {
  Table t;
  t.detached("kept");
  CHECK(t.table.next_deadline_us() == kNever);
  CHECK(t.due(60'000 * kMs).empty());
  t.table.look_again(t.batch);
  CHECK(t.table.next_deadline_us() == 0);
  CHECK(t.due(4'000 * kMs, true).empty());
  CHECK(t.table.next_deadline_us() == 5'000 * kMs);
  CHECK(t.due(5'000 * kMs, true) == Ids{"kept"});
  CHECK(t.batch.open() == 0);
  CHECK(t.batch.detached() == 0);
}

TEST_CASE("an array is one waiter with all its entries and the latest of their deadlines") {
  Table t;
  t.order("before");
  auto array = t.batch.begin_array(ClientToken::router(ClientToken::Kind::req, "shop"));
  for (const auto& [id, ms] : {std::pair{"a", 100}, {"b", 900}, {"c", 500}})
    t.batch.append_order(array, order(id), ms * kMs);
  t.table.add(t.batch, array);
  const auto& waiter = t.batch.waiters().back();
  CHECK(waiter.first == 1);
  CHECK(waiter.count == 3);
  CHECK(t.table.entries() == 4);
  CHECK(t.batch.open() == 2);
  CHECK(t.batch.requests().id_at(waiter.first + 2) == "c");
  CHECK(t.due(899 * kMs).empty());
  CHECK(t.due(900 * kMs) == Ids{"a"});  // an array is called like its first entry
}

TEST_CASE("faults keep their place, their id and their reason") {
  Table t;
  auto first = t.batch.begin_array({});
  t.batch.append_fault(first, 0, {Code::bad_request, "w", "qty"});
  t.batch.append_order(first, order("a"), 5000 * kMs);
  t.table.add(t.batch, first);
  auto second = t.batch.begin_array({});
  t.batch.append_order(second, order("b"), 5000 * kMs);
  t.batch.append_fault(second, 1, {Code::overloaded, "xyz", {}});
  t.table.add(t.batch, second);
  CHECK(t.batch.faults(first).size() == 1);
  const auto faults = t.batch.faults(second);
  REQUIRE(faults.size() == 1);
  CHECK(faults[0].index == 1);
  CHECK(faults[0].code == Code::overloaded);
  CHECK(t.batch.id(faults[0]) == "xyz");
  CHECK(t.batch.id(t.batch.faults(first)[0]) == "w");
}

TEST_CASE("an array that is cut back was never there") {
  Table t;
  t.order("kept");
  const auto end = t.batch.end();
  auto array = t.batch.begin_array({});
  t.batch.append_fault(array, 0, {Code::bad_request, "w", "qty"});
  t.batch.append_order(array, order("a"), 5000 * kMs);
  t.batch.cut_back(end);
  CHECK(requests(t.batch).size() == 1);
  CHECK(t.table.entries() == 1);
  auto next = t.batch.begin_array({});
  CHECK(next.first == 1);
  CHECK(next.faults_at == 0);
  t.batch.append_fault(next, 0, {Code::bad_request, "n", {}});
  CHECK(t.batch.id(t.batch.faults(next)[0]) == "n");
}

TEST_CASE("open detached orders move into a batch of their own, and nobody else") {
  Table t;
  t.order("gone");
  t.detached("kept-1");
  t.detached("decided");
  t.detached("kept-2");
  t.table.finish(t.batch, t.batch.waiters()[0]);
  t.table.finish(t.batch, t.batch.waiters()[2]);
  WaitingBatch kept;
  t.table.move_detached(t.batch, kept);
  t.table.remove(t.batch);
  CHECK(t.table.entries() == 2);
  CHECK(kept.open() == 2);
  CHECK(kept.detached() == 2);
  Ids ids;
  for (const auto& waiter : kept.waiters()) ids.emplace_back(kept.id(waiter));
  CHECK(ids == Ids{"kept-1", "kept-2"});
  CHECK(requests(kept).size() == 2);
  t.table.remove(kept);
  CHECK(t.table.entries() == 0);
}

TEST_CASE("a cleared batch takes new waiters as a new one would") {
  Table t;
  t.detached("old");
  t.table.remove(t.batch);
  t.batch.clear();
  CHECK(t.batch.waiters().empty());
  CHECK(t.batch.open() == 0);
  CHECK(t.batch.detached() == 0);
  CHECK(t.order("new").first == 0);
  CHECK(t.due(5'000 * kMs) == Ids{"new"});
}

TEST_CASE("a token gives back the identity or the number that it was made of") {
  const auto router = ClientToken::router(ClientToken::Kind::req, std::string(22, 'i'));
  CHECK(router.identity() == std::string(22, 'i'));
  const auto http = ClientToken::numbered(ClientToken::Kind::http, 0xfedc'ba98'7654'3210);
  CHECK(http.number() == 0xfedc'ba98'7654'3210);
  CHECK_FALSE(http == router);
}

TEST_CASE("an HTTP connection has a share of its own, however its requests are called") {
  WaitingTable table{900};
  WaitingBatch batch;
  std::uint64_t number = 0;
  const auto of = [&](std::uint64_t connection) {
    return ClientToken::numbered(ClientToken::Kind::http, ++number, connection);
  };
  const auto take = [&](std::uint64_t connection) {
    auto asked = ask(ClientOp::order, "k");
    asked.client = of(connection);
    if (!table.has_room(asked.client)) return false;
    table.add(batch, asked, asked.request.id, 0);
    return true;
  };
  int taken = 0;
  while (take(1)) ++taken;
  CHECK(taken < 900);
  CHECK(take(2));
  CHECK_FALSE(take(1));
  const auto token = ClientToken::numbered(ClientToken::Kind::http, 5, 7);
  CHECK(token.number() == 5);
  CHECK(token.connection() == 7);
}
