// Deciding and applying orders: one item and none remembered, or many of both (items, ids; the
// largest needs about 1.5 GB). bytes/item is the book's memory per remembered order.

#include <benchmark/benchmark.h>

#include <algorithm>
#include <memory>
#include <string>

#include "actors/sale/order_book.h"
#include "test/bench/micro/rates.h"
#include "tools/bench/decimal_digits.h"

namespace stampede::bench {
namespace {

using namespace actors;

constexpr LogUuid kUuid{7};
constexpr std::int64_t kStock = 1'000'000'000'000;

class Sale {
 public:
  Sale(std::uint64_t items, std::uint64_t orders) : items_(items), book_(kUuid, limits()) {
    for (std::uint64_t item = 1; item <= items; ++item) {
      const auto id = "put-" + std::to_string(item);
      const auto put = book_.decide_item_put(
          {RequestKind::item_put, id, item, {}, 0, {"Phone", 5, kStock, 0, 5}, 0});
      book_.apply_item(put, ++lsn_);
    }
    while (orders_ < orders) buy();
  }

  // One order that nobody sent before. False: it was not confirmed.
  bool buy() {
    Request order;
    order.kind = RequestKind::order;
    order.id = next_id();
    order.item = 1 + orders_ * 7919 % items_;
    order.user = "u000012345";
    order.qty = 1;
    const auto keys = book_.keys(order);
    const auto decision = book_.decide_order(order, keys);
    if (decision.error != Code::none || decision.answer.state != State::confirmed) return false;
    book_.apply_order(decision, order.user, ++lsn_);
    ++orders_;
    return true;
  }
  // The one sent `n` orders ago, once more. False: it is not known.
  bool repeat(std::uint64_t n) {
    write(orders_ - 1 - n % orders_);
    return book_.look_up({id_, sizeof id_ - 1}).known;
  }
  [[nodiscard]] double bytes_per_order() const {
    return static_cast<double>(book_.memory_bytes()) / static_cast<double>(orders_);
  }

 private:
  static OrderBookLimits limits() {
    OrderBookLimits limits;
    limits.orders_max = 200'000'000;
    return limits;
  }
  std::string_view next_id() {
    write(orders_);
    return {id_, sizeof id_ - 1};
  }
  void write(std::uint64_t number) {
    tools::write_digit_pairs<4>(id_ + 12, static_cast<std::uint32_t>(number % 100'000'000));
    tools::write_digit_pairs<1>(id_ + 10, static_cast<std::uint32_t>(number / 100'000'000));
  }

  std::uint64_t items_;
  OrderBook book_;
  Lsn lsn_ = storage::make_lsn(1, 0);
  std::uint64_t orders_ = 0;
  char id_[21] = "b1-4f81a2-0000000000";
};

// Building ten million ids takes a while: once, kept for the benchmarks of the same size.
Sale& sale_of(benchmark::State& state) {
  static std::unique_ptr<Sale> sale;
  static std::pair<std::int64_t, std::int64_t> size{-1, -1};
  const std::pair wanted{state.range(0), state.range(1)};
  if (size != wanted) {
    sale.reset();
    sale = std::make_unique<Sale>(static_cast<std::uint64_t>(wanted.first),
                                  static_cast<std::uint64_t>(wanted.second));
    size = wanted;
  }
  return *sale;
}

void order_book_buy(benchmark::State& state) {
  Sale& sale = sale_of(state);
  for (auto _ : state)
    if (!sale.buy()) state.SkipWithError("an order was not confirmed");
  report(state, 1, 0);
  state.counters["bytes/item"] = sale.bytes_per_order();
}

void order_book_repeat(benchmark::State& state) {
  Sale& sale = sale_of(state);
  std::uint64_t n = 0;
  for (auto _ : state)
    if (!sale.repeat(n += 7919)) state.SkipWithError("an order is not known");
  report(state, 1, 0);
  state.counters["bytes/item"] = sale.bytes_per_order();
}

void sizes(benchmark::internal::Benchmark* bench) {
  bench->ArgNames({"items", "ids"})->Args({1, 1})->Args({10'000, 1'000'000});
  bench->Args({1'000'000, 10'000'000});
}
BENCHMARK(order_book_buy)->Apply(sizes);
BENCHMARK(order_book_repeat)->Apply(sizes);

// A bound of unpaid units that is set on an item with so many unpaid orders, each of another user:
// one look ahead at a `piece` of them, as between two rounds of orders.
void order_book_look_ahead(benchmark::State& state) {
  const auto held = static_cast<std::uint64_t>(state.range(0));
  const auto piece = static_cast<std::uint32_t>(state.range(1));
  OrderBook book(kUuid, {200'000'000, 1000});
  Lsn lsn = storage::make_lsn(1, 0);
  ItemRequest put;
  put.action = ItemAction::add;
  put.put.request_id = "put";
  put.put.item = 1;
  put.put.terms = {"Phone", 5, kStock, 0, 5};
  put.sale.hold_s = 86'400;
  book.apply_item(book.decide_item(put), ++lsn);
  for (std::uint64_t i = 0; i < held; ++i) {
    const auto id = "o-" + std::to_string(i);
    const auto decision = book.decide_order({RequestKind::order, id, 1, id, 1, {}, 0}, 1000);
    book.apply_order(decision, id, ++lsn, 1000);
  }
  ItemRequest bound;
  bound.action = ItemAction::set;
  bound.put.request_id = "bound";
  bound.put.item = 1;
  bound.sale.unpaid_per_user_max = 2;
  bound.given = 1U << 9U;
  const auto decision = book.decide_item(bound);
  for (auto _ : state)
    if (book.look_ahead(decision, piece)) break;
  report(state, std::min<std::uint64_t>(piece, held), 0);
}
BENCHMARK(order_book_look_ahead)
    ->ArgNames({"held", "piece"})
    ->Args({1'000'000, 1'000'000})
    ->Iterations(1)
    ->Unit(benchmark::kMillisecond);
BENCHMARK(order_book_look_ahead)
    ->ArgNames({"held", "piece"})
    ->Args({1'000'000, 20'000})
    ->Iterations(45)
    ->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace stampede::bench
