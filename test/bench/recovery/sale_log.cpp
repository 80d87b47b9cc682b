#include "test/bench/recovery/sale_log.h"

#include <algorithm>
#include <bit>
#include <utility>

#include "config/process/invariant.h"

namespace stampede::bench {

namespace {

constexpr std::int64_t kBeginUs = 1'700'000'000'000'000;
constexpr std::int64_t kDayMs = 86'400'000;
constexpr std::int64_t kStartMs = kBeginUs / 1000;
constexpr std::int64_t kEndMs = kStartMs + 30 * kDayMs;
constexpr std::int64_t kHoldMs = 900'000;
constexpr std::int64_t kPriceCents = 1999;
constexpr std::uint64_t kUsers = 100'000;  // of orders without rules
constexpr std::uint64_t kPiece = 1024;     // orders of a kind in turn

std::string user_of(std::string_view kind, std::uint64_t number) {
  return std::string(kind) + std::to_string(number);
}

// Each of 1 … count once, and none near those of before and after.
class Shuffled {
 public:
  explicit Shuffled(std::uint64_t count) : count_(count), mask_(std::bit_ceil(count + 1) - 1) {}
  std::uint64_t next() {
    do at_ = (at_ * 0x5851'f42d'4c95'7f2dULL + 0x1405'7b7e'f767'814fULL) & mask_;
    while (at_ == 0 || at_ > count_);
    return at_;
  }

 private:
  std::uint64_t count_;
  std::uint64_t mask_;
  std::uint64_t at_ = 0;
};

}  // namespace

SaleLog::SaleLog(const SaleShape& shape, DecisionSink& sink)
    : shape_(shape),
      sink_(sink),
      now_us_(kBeginUs),
      amounts_(shape.items + 1),
      granted_(shape.promos + 1) {
  STAMPEDE_ASSERT(shape.items > 0 && shape.promos <= shape.items, "a promo is of an item");
  STAMPEDE_ASSERT(shape.promos > 0 || shape.held + shape.tickets == 0, "they are of a promo");
  STAMPEDE_ASSERT(shape.paid + shape.expired <= shape.held, "an order becomes one of the two");
}

void SaleLog::write() {
  items();
  promos();
  while (plain_ < shape_.plain || held_.size() < shape_.held) {
    plain_orders(std::min(kPiece, shape_.plain - plain_));
    held_orders(std::min(kPiece, shape_.held - held_.size()));
    if (held_.size() - settled_ > shape_.lag) settle(held_.size() - settled_ - shape_.lag);
  }
  settle(shape_.paid + shape_.expired - settled_);
  grant_tickets(shape_.tickets);
}

// --- items and promos ---------------------------------------------------------------------------

void SaleLog::items() {
  Shuffled shuffled(shape_.items);
  for (std::uint64_t i = 1; i <= shape_.items; ++i) item(shape_.shuffled ? shuffled.next() : i);
}

void SaleLog::item(std::uint64_t id) {
  const auto request = "put-" + std::to_string(id);
  const auto name = "Phone " + std::to_string(id);
  auto& amount = amounts_[id];
  amount = static_cast<std::int64_t>(shape_.plain + shape_.held) + 7;
  const storage::ItemPut put{request, id, {name, kPriceCents, amount, 0, 5}, id};
  storage::ItemSale sale;
  if (shape_.bounded && id <= shape_.promos) sale.unpaid_per_user_max = 3;
  payload_.clear();
  storage::encode_item_set(payload_, put, {id, amount}, sale, nullptr);
  sink_.emit(payload_);
}

void SaleLog::promos() {
  for (std::uint64_t id = 1; id <= shape_.promos; ++id) {
    const auto request = "promo-" + std::to_string(id);
    storage::PromoPut put;
    put.request_id = request;
    put.promo = put.item = id;
    put.name = "Hour of the phone";
    put.price_cents = kPriceCents - 500;
    put.starts_at_ms = kStartMs;
    put.ends_at_ms = kEndMs;
    put.limit_per_user = shape_.limited ? 3 : 0;
    put.unpaid_per_user_max = shape_.bounded ? 3 : 0;
    put.ticket = shape_.tickets + shape_.ticket_uses > 0 ? 1 : 0;
    put.gate_factor = 5;
    put.hold_s = kHoldMs / 1000;
    put.content_hash = id;
    put.decided_at_us = next_moment_us();
    payload_.clear();
    storage::encode_promo_set(payload_, put);
    sink_.emit(payload_);
  }
}

// --- orders -------------------------------------------------------------------------------------

void SaleLog::plain_orders(std::uint64_t count) {
  for (; count > 0; --count, ++plain_) {
    const auto id = "bench-run-" + std::to_string(1'000'000'000 + plain_);
    const auto user = user_of("user-", plain_ % kUsers);
    const auto item = 1 + plain_ % shape_.items;
    payload_.clear();
    storage::encode_order_set(payload_, {id, item, user, 1, kPriceCents, next_moment_us()},
                              {item, --amounts_[item]});
    sink_.emit(payload_);
  }
}

void SaleLog::held_orders(std::uint64_t count) {
  for (; count > 0; --count) {
    const auto number = held_.size();
    const auto promo = 1 + number % shape_.promos;
    const auto user = user_of("buyer-", number / shape_.promos);
    const auto id = ticket_id('a', number);
    if (shape_.ticket_uses != 0 && number % shape_.ticket_uses == 0) grant(promo, user, id);
    const auto now_us = next_moment_us();
    payload_.clear();
    storage::encode_order_set(payload_, {id, promo, user, 1, kPriceCents - 500, now_us},
                              {promo, --amounts_[promo]},
                              {promo, now_us / 1000 + kHoldMs, shape_.limited ? 2U : 0U});
    held_.push_back(sink_.emit(payload_));
  }
}

// The first of a piece are paid, as many of them as of all held orders.
void SaleLog::settle(std::uint64_t count) {
  count = std::min(count, shape_.paid + shape_.expired - settled_);
  const auto all = std::max<std::uint64_t>(shape_.paid + shape_.expired, 1);
  const auto paid = (settled_ + count) * shape_.paid / all - paid_;
  pay(std::min(paid, count));
  expire(count - std::min(paid, count));
}

void SaleLog::pay(std::uint64_t count) {
  for (; count > 0; --count, ++settled_, ++paid_) {
    const auto payment = "payment-" + std::to_string(1'000'000'000 + settled_);
    const storage::OrderUpdate update{held_[settled_],
                                      1 + settled_ % shape_.promos,
                                      static_cast<std::uint32_t>(storage::Fulfilment::paid),
                                      payment,
                                      kPriceCents - 500,
                                      next_moment_us()};
    payload_.clear();
    storage::encode_update_set(payload_, update);
    sink_.emit(payload_);
  }
}

void SaleLog::expire(std::uint64_t count) {
  for (; count > 0; --count, ++settled_) {
    const auto order = held_[settled_];
    const auto item = 1 + settled_ % shape_.promos;
    const auto now_us = next_moment_us();
    payload_.clear();
    storage::encode_update_set(
        payload_,
        {order,
         item,
         static_cast<std::uint32_t>(storage::Fulfilment::expired),
         {},
         kPriceCents - 500,
         now_us},
        {item, ++amounts_[item]},
        {item, 1, static_cast<std::uint32_t>(storage::StockReason::expired), order, now_us});
    sink_.emit(payload_);
  }
}

// --- tickets ------------------------------------------------------------------------------------

void SaleLog::grant_tickets(std::uint64_t count) {
  for (; count > 0; --count, ++tickets_)
    grant(1 + tickets_ % shape_.promos, user_of("asker-", tickets_ / shape_.promos),
          ticket_id('b', tickets_));
}

void SaleLog::grant(std::uint64_t promo, std::string_view user, std::string_view id) {
  grant_.clear();
  storage::encode_grant_set(grant_,
                            {promo, promo, ++granted_[promo], user, id, kEndMs, next_moment_us()});
  sink_.emit(grant_.view());
}

// As the clients make them: 32 hex digits, or a UUID with its dashes.
std::string SaleLog::ticket_id(char kind, std::uint64_t number) const {
  auto id = std::to_string(number);
  id.insert(0, 32 - id.size(), kind);
  if (!shape_.long_ids) return id;
  for (const std::size_t at : {8U, 13U, 18U, 23U}) id.insert(at, 1, '-');
  return id;
}

}  // namespace stampede::bench
