// What becomes of confirmed orders that need payment: payment, cancel, expiry, late payment.

#include <algorithm>

#include "actors/sale/order_book.h"
#include "config/process/invariant.h"

namespace stampede::actors {

using storage::StockReason;

namespace {

// The order that it speaks of stays named: who is refused hears it when what it became is durable.
FulfilmentDecision refused(FulfilmentDecision decision, Code code, std::string_view field = {}) {
  decision.error = code;
  decision.field = field;
  return decision;
}

StockReason reason_of(Fulfilment to) {
  if (to == Fulfilment::expired) return StockReason::expired;
  return to == Fulfilment::cancelled ? StockReason::cancelled : StockReason::late_payment;
}

// Less than so many percent of its units.
bool is_low(const ItemTable::Item& item, std::uint32_t percent) {
  return item.amount * 100 < item.terms.total * std::int64_t{percent};
}

// By the rules of an item or a promo; 0: an order needs no payment.
template <class Rules>
std::int64_t pay_by(const Rules& rules, const ItemTable::Item& item, std::int64_t now_ms) {
  std::int64_t hold_s = rules.hold_s;
  if (rules.hold_low_s != 0 && is_low(item, rules.low_stock_percent))
    hold_s = std::min(hold_s, std::int64_t{rules.hold_low_s});
  return hold_s == 0 ? 0 : now_ms + hold_s * 1000;
}

}  // namespace

// Whoever sells says how long: the promo, else the item. Less while less than a part of the total
// is left, before this order.
void OrderBook::set_time_to_pay(std::uint32_t position, const PromoTable::Promo* promo,
                                std::int64_t now_ms, OrderDecision& decision) const {
  const auto& item = items_[position];
  if (promo != nullptr)
    decision.pay_by_ms = pay_by(promo->put, item, now_ms);
  else if (const auto* sale = items_.sale(item); sale != nullptr)
    decision.pay_by_ms = pay_by(*sale, item, now_ms);
}

UnpaidUnits::Order OrderBook::unpaid_order(std::uint32_t at, std::uint32_t qty) const {
  const auto& held = held_[at];
  return {held.user_on_item, held.user_in_promo, qty};
}
UnpaidUnits::Order OrderBook::unpaid_order(std::uint32_t at) const {
  return unpaid_order(at, decided_.kept(held_[at].known).qty);
}

// Of the item's bound, and of the promo's.
bool OrderBook::too_many_unpaid(const Request& order, std::uint32_t position,
                                const Ruled& ruled) const {
  const bool of_item = bounds_unpaid(position);
  const bool of_promo = bounds_unpaid_in(ruled.promo);
  if (!of_item && !of_promo) return false;
  const auto on_item = hasher_.user_on_item(order.item, order.user);
  const auto order_at = [this](std::uint32_t at) { return unpaid_order(at); };
  if (of_item && unpaid_.on_item(on_item, order_at) + order.qty >
                     items_.sale(items_[position])->unpaid_per_user_max)
    return true;
  if (!of_promo) return false;
  const auto in_promo = user_in_promo(ruled.users, order.promo, order.user);
  return unpaid_.in_promo(on_item, in_promo, order_at) + order.qty >
         ruled.promo->put.unpaid_per_user_max;
}

// Of an item that a parked decision closed nothing is counted any more.
bool OrderBook::bounds_unpaid(std::uint32_t position) const {
  const auto* sale = items_.sale(items_[position]);
  return sale != nullptr && sale->unpaid_per_user_max != 0 && !is_closed(items_[position].id);
}

bool OrderBook::bounds_unpaid_in(const PromoTable::Promo* promo) const {
  return promo != nullptr && promo->put.unpaid_per_user_max != 0 && !is_closed(promo->put.item);
}

// An order becomes unpaid; that it was decided may not be remembered yet.
void OrderBook::count_unpaid(std::uint32_t at, std::uint32_t position, std::uint32_t qty) {
  const auto promo = held_[at].promo;
  const auto ahead = [&](const CountedAhead& counted, std::uint64_t key) {
    const auto found = counted.empty() ? counted.end() : counted.find(key);
    return found != counted.end() && at < found->second;
  };
  if (bounds_unpaid(position) || ahead(counted_items_, position) || bounds_unpaid_in(promo) ||
      ahead(counted_promos_, promo))
    count_among_unpaid(at, qty);
}

void OrderBook::count_among_unpaid(std::uint32_t at, std::uint32_t qty) {
  if (held_[at].among_unpaid) return;  // for another bound
  unpaid_.add(at, unpaid_order(at, qty),
              [this](std::uint32_t position) { return unpaid_order(position); });
  held_.set_among_unpaid(at, true);
}

// An order is unpaid no longer.
void OrderBook::uncount_unpaid(std::uint32_t at) {
  if (!held_[at].among_unpaid) return;
  unpaid_.subtract(at, unpaid_order(at));
  held_.set_among_unpaid(at, false);
}

// Shows the next orders that are unpaid to `count`; true: those were the last.
template <class Count>
bool OrderBook::count_on(std::uint32_t& next, std::uint32_t orders, Count&& count) {
  const auto size = static_cast<std::uint32_t>(held_.size());
  for (; orders > 0 && next < size; --orders, ++next) {
    const auto& held = held_[next];
    if (held.fulfilment == Fulfilment::unpaid) count(next, decided_.kept(held.known));
  }
  return next >= size;
}

bool OrderBook::look_ahead(const ItemDecision& decision, std::uint32_t orders) {
  const auto position = items_.find(decision.put.item);
  const bool begins = decision.sale.unpaid_per_user_max != 0 && position != ItemTable::kNone &&
                      !is_closed(decision.put.item) && !bounds_unpaid(position);
  if (!begins) return true;
  return count_on(counted_items_[position], orders, [&](std::uint32_t at, const Known& order) {
    if (order.item_position == position) count_among_unpaid(at, order.qty);
  });
}

bool OrderBook::look_ahead(const PromoDecision& decision, std::uint32_t orders) {
  const auto promo = decision.put.promo;
  const bool begins = decision.put.unpaid_per_user_max != 0 && promos_.find(promo) != nullptr &&
                      !is_closed(decision.put.item) && !bounds_unpaid_in(promo);
  if (!begins) return true;
  return count_on(counted_promos_[promo], orders, [&](std::uint32_t at, const Known& order) {
    if (held_[at].promo == promo) count_among_unpaid(at, order.qty);
  });
}

// Units of what has lost its bound stay counted: to take those of millions of users away again
// would take long, too.
void OrderBook::on_bound(CountedAhead& counted, std::uint64_t key, bool before, bool now) {
  if (now && !before) counted.erase(key);
  if (before && !now) counted[key] = kAllHeld;
}

void OrderBook::hold(const Confirmed& order, std::uint64_t user_on_item,
                     std::uint64_t user_in_promo, Lsn lsn) {
  HeldOrders::Order held;
  held.user_on_item = user_on_item;
  held.user_in_promo = user_in_promo;
  held.unit_price_cents = order.unit_price_cents;
  held.promo = order.promo;
  held.at_ms = order.pay_by_ms;
  held.known = decided_.kept();  // it is remembered next
  held.counted = static_cast<std::uint8_t>(order.counted);
  const auto at = static_cast<std::uint32_t>(held_.size());
  held_.add(held, lsn);
  count_unpaid(at, order.item_position, order.qty);
}

void OrderBook::add_fulfilment(const Known& known, Answer& answer) const {
  const auto at = held_.find(decided_.find_kept(known.hash));
  if (at == HeldOrders::kNone) return;
  const auto& held = held_[at];
  answer.fulfilment = held.fulfilment;
  answer.at_ms = held.at_ms;
  answer.unit_price_cents = held.unit_price_cents;
  answer.promo = held.promo;
}

std::int64_t OrderBook::total_cents(std::uint32_t held) const {
  const auto& order = held_[held];
  const std::int64_t qty = decided_.kept(order.known).qty;
  return order.unit_price_cents > kAmountCentsMax / qty ? kAmountCentsMax
                                                        : order.unit_price_cents * qty;
}

std::uint32_t OrderBook::held_order(Lsn order) const {
  const auto known = decided_.find_kept(order);
  return known == DecidedRequests::kNone ? HeldOrders::kNone : held_.find(known);
}

FulfilmentDecision OrderBook::as_it_is(std::uint32_t at) const {
  const auto& held = held_[at];
  const auto& order = decided_.kept(held.known);
  FulfilmentDecision decision;
  decision.held = at;
  decision.item_position = order.item_position;
  decision.qty = order.qty;
  decision.update.order = order.lsn;
  decision.update.item = items_[order.item_position].id;
  decision.update.fulfilment = static_cast<std::uint32_t>(held.fulfilment);
  decision.at_ms = held.at_ms;
  return decision;
}

// The order that was confirmed under this request id. `unpayable`: the error when it needs no
// payment, or was rejected.
FulfilmentDecision OrderBook::find_held(std::string_view order, Code unpayable) const {
  FulfilmentDecision decision;
  const auto hash = hasher_.id(order);
  const auto* known = decided_.find(hash);
  if (known == nullptr || known->kind == KnownKind::item_change)
    return refused(decision, Code::unknown_request, "order");
  decision.update.order = known->lsn;
  if (known->kind == KnownKind::rejected) return refused(decision, unpayable, "order");
  const bool closed = is_closed(items_[known->item_position].id);
  const auto held = held_.find(decided_.find_kept(hash));
  if (held == HeldOrders::kNone)
    return closed ? refused(decision, Code::internal) : refused(decision, unpayable, "order");
  decision = as_it_is(held);
  if (closed) decision.error = Code::internal;
  return decision;
}

// The decision that the order becomes so now.
void OrderBook::become(FulfilmentDecision& decision, Fulfilment to, std::string_view action,
                       std::int64_t sale_time_us) const {
  const auto& item = items_[decision.item_position];
  decision.moved = units_moved(decision.fulfilment(), to);
  decision.update.fulfilment = static_cast<std::uint32_t>(to);
  decision.update.action_id = action;
  decision.update.amount_cents = total_cents(decision.held);
  decision.update.decided_at_us = sale_time_us;
  decision.at_ms = sale_time_us / 1000;
  const auto delta = std::int64_t{decision.moved} * decision.qty;
  decision.amount = item.amount + delta;
  if (delta == 0) return;
  decision.stock = {decision.update.item, delta, static_cast<std::uint32_t>(reason_of(to)),
                    decision.update.order, sale_time_us};
}

// Of an order whose units went back: if they are there, and no limit is passed that it counted
// against, it is paid after all.
Fulfilment OrderBook::late_payment(const HeldOrders::Order& held, const Known& order) const {
  const auto& item = items_[order.item_position];
  const auto passes = [&](std::uint64_t user, std::uint32_t limit) {
    return limit != 0 && users_.bought(user) + order.qty > limit;
  };
  const auto* promo = held.promo == kNoNumber ? nullptr : promos_.find(held.promo);
  const bool over =
      ((held.counted & 1U) != 0 && passes(held.user_on_item, item.terms.limit_per_user)) ||
      ((held.counted & 2U) != 0 && promo != nullptr &&
       passes(held.user_in_promo, promo->put.limit_per_user));
  return over || item.amount < order.qty ? Fulfilment::refund_due : Fulfilment::paid;
}

FulfilmentDecision OrderBook::decide_payment(const Request& request,
                                             std::int64_t sale_time_us) const {
  auto decision = find_held(request.order, Code::not_payable);
  if (const auto paid = held_.paid_for(hasher_.id(request.id)); paid != HeldOrders::kNone) {
    const bool found = decision.error == Code::none || decision.error == Code::internal;
    if (!found || decision.held != paid || request.amount_cents != total_cents(paid)) {
      decision.update.order = decided_.kept(held_[paid].known).lsn;
      return refused(decision, Code::key_reused);
    }
    decision.error = Code::none;  // of an item that is closed it is known all the same
    decision.known = true;
    return decision;
  }
  if (decision.error != Code::none) return decision;
  if (request.amount_cents != total_cents(decision.held))
    return refused(decision, Code::bad_request, "amount_cents");
  const auto& held = held_[decision.held];
  if (held.fulfilment == Fulfilment::paid || held.fulfilment == Fulfilment::refund_due)
    return refused(decision, Code::already_paid, "order");
  const auto to = held.fulfilment == Fulfilment::unpaid
                      ? Fulfilment::paid
                      : late_payment(held, decided_.kept(held.known));
  become(decision, to, request.id, sale_time_us);
  return decision;
}

FulfilmentDecision OrderBook::decide_cancel(const Request& request,
                                            std::int64_t sale_time_us) const {
  auto decision = find_held(request.order, Code::not_cancellable);
  if (decision.error != Code::none) return decision;
  const auto& held = held_[decision.held];
  const bool his = request.user.empty() ||
                   hasher_.order_content(decision.update.item, request.user, decision.qty,
                                         held.promo) == decided_.kept(held.known).content;
  if (!his) return refused(decision, Code::not_allowed, "user");
  if (held.fulfilment == Fulfilment::cancelled) {
    decision.known = true;
    return decision;
  }
  if (held.fulfilment != Fulfilment::unpaid)
    return refused(decision, Code::not_cancellable, "order");
  become(decision, Fulfilment::cancelled, request.id, sale_time_us);
  return decision;
}

std::optional<FulfilmentDecision> OrderBook::decide_expiry(std::int64_t now_us, bool& more) {
  const auto due = held_.due(now_us / 1000);
  more = due.more;
  if (due.at == HeldOrders::kNone) return std::nullopt;
  auto decision = as_it_is(due.at);
  if (is_closed(decision.update.item)) {
    held_.pass_over_due();
    return std::nullopt;
  }
  become(decision, Fulfilment::expired, {}, sale_time_us(now_us));
  return decision;
}

void OrderBook::remember_payment(const storage::OrderUpdate& update, std::uint32_t held) {
  const auto to = static_cast<Fulfilment>(update.fulfilment);
  if (to != Fulfilment::paid && to != Fulfilment::refund_due) return;
  const auto payment = hasher_.id(update.action_id);
  if (held_.paid_for(payment) == HeldOrders::kNone) held_.remember_payment(payment, held);
}

void OrderBook::apply_fulfilment(const FulfilmentDecision& decision, Lsn lsn) {
  STAMPEDE_ASSERT(decision.error == Code::none && !decision.known, "only a new one is applied");
  const auto held = held_[decision.held];
  STAMPEDE_ASSERT(may_become(held.fulfilment, decision.fulfilment()), "what is final stays so");
  uncount_unpaid(decision.held);
  held_.become(decision.held, decision.update.order, decision.fulfilment(), decision.at_ms);
  remember_payment(decision.update, decision.held);
  note_decision(kNoNumber, decision.update.decided_at_us);
  if (decision.moved == 0) return;
  auto& item = items_[decision.item_position];
  STAMPEDE_ASSERT(decision.amount >= 0, "an item is never oversold");
  item.amount = decision.amount;
  item.seq = lsn;
  const auto count = [&](std::uint32_t bit, std::uint64_t user) {
    if ((held.counted & bit) == 0) return;
    if (decision.moved > 0)
      users_.subtract(user, decision.qty);
    else
      users_.add(user, decision.qty);
  };
  count(1U, held.user_on_item);
  count(2U, held.user_in_promo);
}

// --- what the log says --------------------------------------------------------------------------

// {OrderUpdate}, or {OrderUpdate, ItemAmountUpdate, StockChange} when units moved.
bool OrderBook::moves_as_said(const std::vector<storage::Command>& set,
                              FulfilmentDecision& decision) const {
  using storage::CommandKind;
  if (decision.moved == 0) return set.size() == 1;
  if (set.size() != 3 || set[1].kind != CommandKind::item_amount_update ||
      set[2].kind != CommandKind::stock_change || set[1].item() != decision.update.item ||
      set[2].item() != decision.update.item)
    return false;
  const auto& item = items_[decision.item_position];
  const auto delta = std::int64_t{decision.moved} * decision.qty;
  decision.amount = set[1].amount.amount;
  return decision.amount >= 0 && set[2].sale->stock.delta == delta &&
         set[2].sale->stock.order == decision.update.order &&
         item.amount + delta == decision.amount;
}

bool OrderBook::replay_update(const std::vector<storage::Command>& set, Lsn lsn) {
  const auto& update = set[0].sale->update;
  if (is_closed(update.item)) return take_update(set, lsn);
  const auto held = held_order(update.order);
  if (held == HeldOrders::kNone) return false;
  auto decision = as_it_is(held);
  const auto from = decision.fulfilment();
  const bool his_item = decision.update.item == update.item;
  decision.update = update;
  decision.moved = units_moved(from, decision.fulfilment());
  if (!his_item || !may_become(from, decision.fulfilment()) || !moves_as_said(set, decision))
    return false;
  decision.at_ms = decision.update.decided_at_us / 1000;
  apply_fulfilment(decision, lsn);
  return true;
}

// What an order became, without what that does to units and limits.
void OrderBook::note_fulfilment(const storage::OrderUpdate& update) {
  const auto held = held_order(update.order);
  if (held == HeldOrders::kNone) return;
  held_.become(held, update.order, static_cast<Fulfilment>(update.fulfilment),
               update.decided_at_us / 1000);
  remember_payment(update, held);
}

// Of an item that is closed, of which decisions were passed over: what is said of it is taken as it
// stands, and limits are not counted any more.
bool OrderBook::take_update(const std::vector<storage::Command>& set, Lsn lsn) {
  const auto& update = set[0].sale->update;
  const auto position = items_.find(update.item);
  if (position == ItemTable::kNone) return false;
  note_fulfilment(update);
  if (set.size() < 2 || set[1].kind != storage::CommandKind::item_amount_update) return true;
  items_[position].amount = set[1].amount.amount;
  items_[position].seq = lsn;
  return true;
}

}  // namespace stampede::actors
