#include "actors/sale/order_book.h"

#include <doctest/doctest.h>

#include <string>
#include <vector>

using namespace stampede;
using namespace stampede::actors;

namespace {

constexpr LogUuid kKey{1, 2, 3};

struct BookTest {
  OrderBook book{kKey, {1000, 100}};
  Lsn lsn = storage::make_lsn(1, 0);

  void put(std::uint64_t item, std::int64_t total, std::uint32_t limit = 0, std::uint32_t max = 5) {
    const auto id = "put-" + std::to_string(item);
    const auto decision = book.decide_item_put(
        {RequestKind::item_put, id, item, {}, 0, {"Phone", 999, total, limit, max}, 0});
    REQUIRE(decision.error == Code::none);
    if (decision.changed) book.apply_item(decision, ++lsn);
  }
  OrderDecision order(std::string_view id, std::uint64_t item, std::string_view user,
                      std::uint32_t qty = 1) {
    const auto decision = book.decide_order({RequestKind::order, id, item, user, qty, {}, 0});
    if (decision.error == Code::none && !decision.known) book.apply_order(decision, user, ++lsn);
    return decision;
  }
  std::int64_t left(std::uint64_t item) const { return book.item(item)->left; }
};

storage::Command put_command(const storage::ItemPut& put) {
  storage::Command command;
  command.kind = storage::CommandKind::item_put;
  command.put = put;
  return command;
}

storage::Command order_command(const storage::OrderInsert& order) {
  storage::Command command;
  command.kind = storage::CommandKind::order_insert;
  command.order = order;
  return command;
}

storage::Command amount_command(const storage::ItemAmountUpdate& amount) {
  storage::Command command;
  command.kind = storage::CommandKind::item_amount_update;
  command.amount = amount;
  return command;
}

// The rejections that a snapshot of a level holds.
struct SavedRejections final : storage::SnapshotSink {
  using SnapshotSink::SnapshotSink;
  void add(storage::SnapshotSection section, std::string_view entry) override {
    if (section != storage::SnapshotSection::rejections) return;
    bytes += entry.size();
    storage::EntryReader in(entry, level());
    storage::KnownRejection rejection;
    REQUIRE(decode(in, rejection));
    users.push_back(rejection.user_hash);
  }
  std::vector<std::uint64_t> users;
  std::size_t bytes = 0;
};

}  // namespace

TEST_CASE_FIXTURE(BookTest, "a rejection keeps whose it is, live, from the log and in a snapshot") {
  const RequestHasher hasher(kKey);
  put(1, 0);
  CHECK(order("a", 1, "ann").user_hash == hasher.user("ann"));
  const auto bob = order("b", 1, "bob");
  storage::Rejection logged;
  logged.request_hash = {7, 8};
  logged.item = 1;
  logged.reason = RejectReason::sold_out;
  logged.user_hash = hasher.user("eve");
  REQUIRE(book.replay_rejection(logged, ++lsn));
  SavedRejections saved(storage::FeatureLevel::format_2);
  book.save(saved);
  CHECK(saved.users == std::vector{hasher.user("ann"), bob.user_hash, hasher.user("eve")});
  CHECK(saved.bytes == 3 * 48);
  SavedRejections old(storage::FeatureLevel::format_1);  // of a log of format 1: as it always was
  book.save(old);
  CHECK(old.users == std::vector<std::uint64_t>(3));
  CHECK(old.bytes == 3 * storage::kKnownDecisionBytes);
  CHECK(hasher.user("ann") != hasher.user("bob"));
  CHECK(hasher.user("ann") != RequestHasher({9}).user("ann"));
}

TEST_CASE_FIXTURE(BookTest, "an order takes its units and a sold-out one changes nothing") {
  put(1, 3);
  CHECK(order("a", 1, "ann", 2).answer.state == State::confirmed);
  CHECK(left(1) == 1);
  const auto refused = order("b", 1, "bob", 2);
  CHECK(refused.answer.state == State::rejected);
  CHECK(refused.answer.reason == RejectReason::sold_out);
  CHECK(left(1) == 1);
  CHECK(order("c", 1, "bob", 1).answer.left == 0);
}

TEST_CASE_FIXTURE(BookTest, "a known id gets its old answer, whatever the stock is now") {
  put(1, 1);
  order("a", 1, "ann");
  order("b", 1, "bob");
  put(1, 1);
  const auto again = order("a", 1, "ann");
  CHECK(again.known);
  CHECK(again.answer.state == State::confirmed);
  CHECK(again.answer.replayed);
  CHECK(order("b", 1, "bob").answer.reason == RejectReason::sold_out);
  CHECK(left(1) == 0);
}

TEST_CASE_FIXTURE(BookTest, "the same id with other item, user or qty is key_reused") {
  put(1, 9);
  put(2, 9);
  order("a", 1, "ann", 1);
  CHECK(order("a", 2, "ann", 1).error == Code::key_reused);
  CHECK(order("a", 1, "bob", 1).error == Code::key_reused);
  CHECK(order("a", 1, "ann", 2).error == Code::key_reused);
  CHECK(order("put-1", 1, "ann", 1).error == Code::key_reused);
  CHECK(left(1) == 8);
}

TEST_CASE_FIXTURE(BookTest, "checks come in the order id, item, qty, limit, stock") {
  put(1, 1, 1, 3);
  CHECK(order("a", 9, "ann", 7).error == Code::unknown_item);
  const auto qty = order("a", 1, "ann", 4);
  CHECK(qty.error == Code::bad_request);
  CHECK(qty.field == "qty");
  CHECK(order("b", 1, "ann", 2).answer.reason == RejectReason::limit_reached);
  CHECK(order("c", 1, "ann", 1).answer.state == State::confirmed);
  CHECK(order("d", 1, "ann", 1).answer.reason == RejectReason::limit_reached);
  CHECK(order("e", 1, "bob", 1).answer.reason == RejectReason::sold_out);
  CHECK(order("a", 1, "bob", 1).answer.reason == RejectReason::sold_out);  // "a" was not remembered
}

TEST_CASE_FIXTURE(BookTest, "the oldest rejections are forgotten, confirmed orders never") {
  put(1, 1);
  order("won", 1, "ann");
  for (int i = 0; i < 250; ++i) order("lost-" + std::to_string(i), 1, "bob");
  CHECK(order("won", 1, "ann").known);
  CHECK(order("lost-249", 1, "bob").known);
  CHECK(order("lost-150", 1, "bob").known);
  CHECK_FALSE(book.decide_order({RequestKind::order, "lost-149", 1, "bob", 1, {}, 0}).known);
}

TEST_CASE("orders that room was made for take no memory, and it ends at the limits") {
  OrderBook book(kKey, {20'000, 3000});
  const auto fill = [&](std::uint64_t room) {
    while (book.make_room(room)) {
    }
    return book.memory_bytes();
  };
  const auto put =
      book.decide_item_put({RequestKind::item_put, "put", 1, {}, 0, {"Phone", 999, 9000, 0, 5}, 0});
  book.apply_item(put, storage::make_lsn(1, 1));
  const auto bytes = fill(9000);
  for (std::uint64_t i = 2; i < 11'500; ++i) {
    const auto id = "order-" + std::to_string(i);
    const auto decision = book.decide_order({RequestKind::order, id, 1, "ann", 1, {}, 0});
    REQUIRE(decision.error == Code::none);
    book.apply_order(decision, "ann", storage::make_lsn(1, i));
  }
  CHECK(book.confirmed() == 9000);
  CHECK(book.memory_bytes() == bytes);
  // Never for more than may come: an entry of 40 bytes and 48 of its index at the most.
  CHECK(fill(100'000'000) < 23'000 * 100 + 1'000'000);
}

TEST_CASE("at orders_max new orders are overloaded and nothing is forgotten") {
  BookTest test;
  test.book = OrderBook(kKey, {3, 10});
  test.put(1, 10);  // takes one place
  CHECK(test.order("a", 1, "ann").answer.state == State::confirmed);
  CHECK(test.order("b", 1, "ann").answer.state == State::confirmed);
  CHECK(test.order("c", 1, "ann").error == Code::overloaded);
  CHECK(test.order("a", 1, "ann").known);
}

TEST_CASE_FIXTURE(BookTest, "stock changes are deduplicated and never go below zero") {
  put(1, 5);
  order("a", 1, "ann", 3);
  const auto change = [&](std::string_view id, std::int64_t delta) {
    const auto decision =
        book.decide_stock_change({RequestKind::stock_change, id, 1, {}, 0, {}, delta});
    if (decision.error == Code::none && decision.changed && !decision.known)
      book.apply_item(decision, ++lsn);
    return decision;
  };
  CHECK(change("s1", -3).error == Code::sold_out);
  CHECK(change("s1", 4).changed);
  CHECK(left(1) == 6);
  CHECK(book.item(1)->terms.total == 9);
  CHECK(change("s1", 4).known);
  CHECK(left(1) == 6);
  CHECK(change("s1", 5).error == Code::key_reused);
  CHECK(change("s2", -6).changed);
  CHECK(left(1) == 0);
  CHECK(book.item(1)->terms.name == "Phone");
}

TEST_CASE_FIXTURE(BookTest,
                  "adding an identical item changes nothing, a different one is refused") {
  put(1, 5);
  const Request same{RequestKind::item_put, "other", 1, {}, 0, {"Phone", 999, 5, 0, 5}, 0};
  CHECK(book.decide_item_put(same).error == Code::none);
  CHECK_FALSE(book.decide_item_put(same).changed);
  auto other = same;
  other.terms.total = 6;
  CHECK(book.decide_item_put(other).error == Code::bad_request);
}

TEST_CASE_FIXTURE(BookTest, "a parked order keeps its answer and closes its item") {
  put(1, 10);
  put(2, 10);
  std::vector<storage::Command> set(2);
  set[0].kind = storage::CommandKind::order_insert;
  set[0].order.request_id = "poison";
  set[0].order.item = 1;
  set[0].order.user = "ann";
  set[0].order.qty = 3;
  set[1].kind = storage::CommandKind::item_amount_update;
  set[1].amount.item = 1;
  set[1].amount.amount = 7;
  const auto parked = ++lsn;
  CHECK(book.park_set(set, parked) == 1);
  CHECK(left(1) == 10);
  CHECK(book.confirmed() == 1);
  CHECK(order("poison", 1, "ann", 3).known);
  CHECK(order("poison", 1, "ann", 3).answer.lsn == parked);
  CHECK(order("poison", 1, "ann", 2).error == Code::key_reused);
  CHECK(order("new", 1, "bob").error == Code::internal);
  CHECK(order("other", 2, "bob").answer.state == State::confirmed);
  const Request change{RequestKind::stock_change, "s", 1, {}, 0, {}, 5};
  CHECK(book.decide_stock_change(change).error == Code::internal);
  const Request same{RequestKind::item_put, "again", 1, {}, 0, {"Phone", 999, 10, 0, 5}, 0};
  CHECK(book.decide_item_put(same).error == Code::internal);

  // What the log says of the item later is taken as it stands.
  set[0].order.request_id = "later";
  set[0].order.qty = 2;
  set[1].amount.amount = 5;
  CHECK(book.replay_set(set, ++lsn));
  CHECK(left(1) == 5);
  set[1].amount.amount = -1;
  CHECK_FALSE(book.replay_set(set, ++lsn));
}

TEST_CASE_FIXTURE(BookTest, "an item that only a parked record speaks of is there and closed") {
  put(1, 10);
  std::vector<storage::Command> set(2);
  set[0].kind = storage::CommandKind::item_put;
  set[0].put.request_id = "put-7";
  set[0].put.item = 7;
  set[1].kind = storage::CommandKind::item_amount_update;
  set[1].amount.item = 7;
  CHECK(book.park_set(set, ++lsn) == 7);
  CHECK(order("a", 7, "ann").error == Code::internal);
  CHECK(book.item(7)->left == 0);
  storage::Rejection rejection;
  rejection.item = 1;
  rejection.request_hash = book.keys({RequestKind::order, "no", 1, "ann", 1, {}, 0}).request;
  rejection.reason = RejectReason::sold_out;
  book.park_rejection(rejection, ++lsn);
  CHECK(book.look_up("no").answer.reason == RejectReason::sold_out);
  CHECK(order("b", 1, "ann").error == Code::internal);
}

TEST_CASE_FIXTURE(BookTest, "what a repeat of an item's change must have in common with it") {
  const auto put_of = [&](std::string_view name, std::uint32_t limit) {
    return book
        .decide_item_put({RequestKind::item_put, "p", 1, {}, 0, {name, 999, 10, limit, 5}, 0})
        .put.content_hash;
  };
  CHECK(put_of("Phone", 0) == 375866502795202825U);
  CHECK(put_of("Phone", 2) == 5495138295165144740U);
  CHECK(put_of("名", 0) == 3462904315407142315U);
  const Request change{RequestKind::stock_change, "s", 1, {}, 0, {}, -5};
  put(1, 10);
  CHECK(book.decide_stock_change(change).put.content_hash == 17954789997077658817U);
}

TEST_CASE_FIXTURE(BookTest, "a term out of its bounds is named") {
  const auto wrong = [&](std::string_view name, std::int64_t price, std::int64_t total,
                         std::uint32_t limit, std::uint32_t max) {
    const auto decision = book.decide_item_put(
        {RequestKind::item_put, "p", 1, {}, 0, {name, price, total, limit, max}, 0});
    return decision.error == Code::bad_request ? std::string(decision.field) : std::string();
  };
  const std::string longest(kItemNameBytesMax, 'n');
  CHECK(wrong(longest, storage::kPriceCentsMax, kStockMax, 1'000'000'000, kQtyMax).empty());
  CHECK(wrong("n", 0, 0, 0, 1).empty());
  CHECK(wrong("", -1, -1, 0, 0) == "name");
  CHECK(wrong(longest + "n", 0, 0, 0, 1) == "name");
  for (const std::string_view text : {"a\nb", "a\x1b[2J", "\x7f", "\xc2\x9b", "\xff"}) {
    CHECK(wrong(text, 0, 0, 0, 1) == "name");
  }
  for (const std::string_view text : {"\u202e rtl", "\u2066", "\ufeff a"})  // no controls
    CHECK(wrong(text, 0, 0, 0, 1).empty());
  CHECK(wrong("n", -1, -1, 0, 0) == "price_cents");
  CHECK(wrong("n", storage::kPriceCentsMax + 1, 0, 0, 1) == "price_cents");
  CHECK(wrong("n", 0, -1, 0, 0) == "total");
  CHECK(wrong("n", 0, kStockMax + 1, 0, 1) == "total");
  CHECK(wrong("n", 0, 0, 1'000'000'001, 1) == "limit_per_user");
  CHECK(wrong("n", 0, 0, 0, 0) == "max_qty");
  CHECK(wrong("n", 0, 0, 0, kQtyMax + 1) == "max_qty");
}

TEST_CASE_FIXTURE(BookTest, "pages list the items in order of their ids") {
  for (const std::uint64_t id : {7, 3, 9, 1}) put(id, 1);
  std::vector<ItemRow> rows;
  CHECK(book.page(2, 2, rows) == 9);
  REQUIRE(rows.size() == 2);
  CHECK(rows[0].item == 3);
  CHECK(rows[1].item == 7);
}

TEST_CASE_FIXTURE(BookTest,
                  "a book rebuilt from its records answers like the one that wrote them") {
  OrderBook copy{kKey, {1000, 100}};
  const std::vector<storage::Command> items{put_command({"put-1", 1, {"Phone", 999, 4, 2, 5}, 77}),
                                            amount_command({1, 4})};
  const std::vector<storage::Command> sale{order_command({"a", 1, "ann", 2, 999, 0}),
                                           amount_command({1, 2})};
  REQUIRE(copy.replay_set(items, storage::make_lsn(1, 1)));
  REQUIRE(copy.replay_set(sale, storage::make_lsn(1, 2)));
  put(1, 4, 2);
  order("a", 1, "ann", 2);
  const auto again = copy.decide_order({RequestKind::order, "a", 1, "ann", 2, {}, 0});
  CHECK(again.known);
  CHECK(copy.item(1)->left == left(1));
  CHECK(copy.books().hash == book.books().hash);
  const auto limited = copy.decide_order({RequestKind::order, "b", 1, "ann", 1, {}, 0});
  CHECK(limited.answer.reason == RejectReason::limit_reached);
  CHECK_FALSE(copy.replay_set(sale, storage::make_lsn(1, 3)));  // 2 - 2 is not 2
}

TEST_CASE_FIXTURE(BookTest, "an order counts before an older rejection of the same id") {
  put(1, 1);
  order("other", 1, "bob");
  const auto refused = order("a", 1, "ann");
  REQUIRE(refused.answer.reason == RejectReason::sold_out);
  // In the log: the rejection was forgotten, the stock refilled, the same request confirmed.
  const std::vector<storage::Command> refill{put_command({"more", 1, {"Phone", 999, 5, 0, 5}, 78}),
                                             amount_command({1, 4})};
  const std::vector<storage::Command> sale{order_command({"a", 1, "ann", 1, 999, 0}),
                                           amount_command({1, 3})};
  REQUIRE(book.replay_set(refill, ++lsn));
  REQUIRE(book.replay_set(sale, ++lsn));
  CHECK(order("a", 1, "ann").answer.state == State::confirmed);
  CHECK(book.look_up("a").answer.lsn == lsn);
}

TEST_CASE("the largest limits that the configuration allows fit the book") {
  const OrderBook book{kKey, {1'000'000'000, 1'000'000'000}};
  CHECK(book.confirmed() == 0);
}

TEST_CASE("a million items fit in 100 MB and a confirmed order in 64 bytes") {
  OrderBook book{kKey, {2'000'000, 10}};
  Lsn lsn = storage::make_lsn(1, 0);
  for (std::uint64_t i = 1; i <= 1'000'000; ++i) {
    storage::ItemPut put{"", i, {"Phone", 999, 1'000'000, 0, 5}, i};
    const auto id = "i" + std::to_string(i);
    put.request_id = id;
    REQUIRE(book.replay_set({put_command(put), amount_command({i, 1'000'000})}, ++lsn));
  }
  const auto with_items = book.memory_bytes();
  // A million items also take a million remembered requests; those are counted as such.
  CHECK(with_items - 1'000'000 * 64 <= 100'000'000);
  const std::uint64_t orders = 900'000;
  for (std::uint64_t i = 0; i < orders; ++i) {
    const auto id = "order-" + std::to_string(i);
    const auto decision = book.decide_order({RequestKind::order, id, 1 + i % 7, "ann", 1, {}, 0});
    REQUIRE(decision.answer.state == State::confirmed);
    book.apply_order(decision, "ann", ++lsn);
  }
  const auto per_order = static_cast<double>(book.memory_bytes() - with_items) / orders;
  CHECK(per_order <= 64.0);
  MESSAGE("bytes per item " << (with_items - 1'000'000 * 51) / 1'000'000 << ", per order "
                            << per_order);
}
