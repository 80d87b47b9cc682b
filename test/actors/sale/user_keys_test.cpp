// What is made ahead of an order's user for its promo saves work and changes nothing.

#include <doctest/doctest.h>

#include <array>
#include <random>
#include <string>
#include <vector>

#include "actors/sale/order_book.h"

using namespace stampede;
using namespace stampede::actors;

namespace {

constexpr LogUuid kKey{4, 5, 6};
constexpr std::int64_t kNowMs = 1'800'000'000'000;
constexpr std::int64_t kEnds = kNowMs + 1'000'000;
constexpr std::uint64_t kPromos = 4;  // of an item each; bit 0 of the id: tickets, bit 1: limits

class Bytes final : public storage::SnapshotSink {
 public:
  Bytes() : SnapshotSink(storage::FeatureLevel::sale) {}
  void add(storage::SnapshotSection section, std::string_view entry) override {
    all += static_cast<char>(section);
    all += entry;
  }
  std::string all;
};

std::string saved(const OrderBook& book) {
  Bytes bytes;
  book.save(bytes);
  book.save_promos(bytes);
  book.save_payments(bytes);
  book.save_tickets(bytes);
  return bytes.all;
}

struct Order {
  std::string id, user;
  Request request;
};

// Two books with one history: of `ahead` all is made before, of `late` when it is needed.
struct TwoBooks {
  OrderBook ahead{kKey, {1000, 1000}};
  OrderBook late{kKey, {1000, 1000}};
  Lsn lsn = storage::make_lsn(1, 0);
  std::mt19937_64 random{13};

  std::uint64_t below(std::uint64_t bound) { return random() % bound; }

  template <class Do>
  void both(Do&& act) {
    ++lsn;
    act(ahead);
    act(late);
  }
  void put_promo(std::uint64_t promo, std::uint32_t limit, std::uint32_t hold_s) {
    const auto id = "promo-" + std::to_string(lsn);
    const bool there = ahead.promos().find(promo) != nullptr;
    PromoRequest request;
    request.action = there ? PromoAction::set : PromoAction::add;
    request.given = 1U << 5 | 1U << 6;  // limit_per_user, hold_s
    request.put = {id, promo, promo, "Sale", 5, kNowMs, kEnds, limit};
    request.put.hold_s = hold_s;
    request.put.ticket = promo & 1U;
    request.put.gate_factor = 100;
    both([&](OrderBook& book) {
      const auto decision = book.decide_promo(request, kNowMs * 1000);
      REQUIRE(decision.error == Code::none);
      if (decision.changed) book.apply_promo(decision, lsn);
    });
  }
  void add_item(std::uint64_t item) {
    const auto id = "item-" + std::to_string(item);
    Request request{RequestKind::item_put, id, item, {}, 0, {"Phone", 9, 60, 0, 3}, 0};
    both([&](OrderBook& book) { book.apply_item(book.decide_item_put(request), lsn); });
  }
  void give_ticket(std::uint64_t promo, const std::string& user, const std::string& id) {
    Request request;
    request.kind = RequestKind::ticket;
    request.id = id;
    request.user = user;
    request.promo = promo;
    both([&](OrderBook& book) {
      const auto decision = book.decide_ticket(request, kNowMs * 1000);
      if (decision.error == Code::none && !decision.known) book.apply_ticket(decision, lsn);
    });
  }
  void make(Order& order, int number) {
    order.id = "r-" + std::to_string(below(4) == 0 ? below(300) : 1000 + number);
    order.user = "u" + std::to_string(below(20));
    const auto item = below(kPromos);
    order.request = {RequestKind::order, order.id, item, order.user};
    order.request.qty = static_cast<std::uint32_t>(1 + below(2));
    if (below(5) > 0) order.request.promo = below(10) > 0 ? item : below(kPromos + 1);
    order.request.ticket_ms = kEnds;
    if (below(4) > 0 && item % 2 == 1) give_ticket(item, order.user, order.id);
  }
  void decide(const Order& order, const OrderKeys& keys) {
    const auto& request = order.request;
    const auto one = ahead.decide_order(request, keys, kNowMs * 1000);
    const auto other = late.decide_order(request, kNowMs * 1000);
    REQUIRE(one.error == other.error);
    REQUIRE(one.answer == other.answer);
    REQUIRE((one.user_hash == other.user_hash && one.pay_by_ms == other.pay_by_ms));
    REQUIRE(one.counted == other.counted);
    if (one.error != Code::none || one.known) return;
    ++lsn;
    ahead.apply_order(one, request.user, lsn, kNowMs * 1000);
    late.apply_order(other, request.user, lsn, kNowMs * 1000);
  }
};

}  // namespace

TEST_CASE_FIXTURE(TwoBooks, "an order is decided alike, whatever was made of its user before") {
  for (std::uint64_t item = 0; item < kPromos; ++item) add_item(item);
  for (std::uint64_t promo = 0; promo + 1 < kPromos; ++promo)
    put_promo(promo, (promo & 2U) != 0 ? 3 : 0, 0);
  std::array<Order, 5> batch;
  for (int number = 0; number < 1000; number += 5) {
    std::array<OrderKeys, 5> keys;
    std::array<UserKeys, 5> users;
    for (std::size_t at = 0; at < batch.size(); ++at) {
      make(batch[at], number + static_cast<int>(at));
      keys[at] = ahead.keys(batch[at].request);
      if (batch[at].request.promo == kNoNumber || below(8) == 0) continue;
      users[at] = ahead.user_keys(batch[at].request);
      keys[at].users = &users[at];
    }
    // What a promo asks for may change meanwhile; the last one comes to be.
    if (below(3) == 0)
      put_promo(below(kPromos), static_cast<std::uint32_t>(below(4)), below(2) == 0 ? 0 : 60);
    for (std::size_t at = 0; at < batch.size(); ++at) {
      ahead.prefetch(batch[at].request, keys[at]);
      if (keys[at].users != nullptr) {
        ahead.prefetch(users[at]);
        ahead.prefetch_ticket(users[at]);
      }
      decide(batch[at], keys[at]);
    }
  }
  CHECK(ahead.confirmed() > 100);
  CHECK(ahead.held().size() > 20);
  CHECK(saved(ahead) == saved(late));
}
