#include "test/sim/log_model.h"

#include <algorithm>
#include <cstring>

#include "actors/backend/core/sale_clock.h"
#include "storage/snapshot/snapshot_entries.h"
#include "test/sim/violation.h"

namespace stampede::sim {

using Kind = Decision::Kind;
using storage::CommandKind;
using storage::RecordType;

void LogModel::append(std::string_view records, Lsn first_lsn, Time now,
                      std::vector<std::pair<RecordType, storage::Outcome>>& outcomes) {
  now_ = now;
  storage::RecordCursor cursor(records, first_lsn);
  for (storage::RecordView record; cursor.next(record);) {
    switch (record.type) {
      case RecordType::emit:
        add_emit(record.payload, record.lsn);
        break;
      case RecordType::reject:
        add_reject(record.payload, record.lsn);
        break;
      case RecordType::revoke:
        add_session(record.payload, record.lsn);
        break;
      case RecordType::exec:
      case RecordType::fail:
      case RecordType::optm:
        outcomes.emplace_back(record.type, storage::Outcome{});
        require(decoder_.outcome(record.payload, outcomes.back().second), "log",
                "an outcome record cannot be read");
        break;
      default:
        break;
    }
  }
}

void LogModel::add_emit(std::string_view payload, Lsn lsn) {
  require(decoder_.command_set(payload, set_), "log", "a command set cannot be read");
  if (set_.size() == 1 && set_[0].kind == CommandKind::promo_put)
    return add_promo(set_[0].sale->promo, lsn);
  if (set_.size() == 1 && set_[0].kind == CommandKind::ticket_grant) return add_grant(lsn);
  if (!set_.empty() && set_[0].kind == CommandKind::order_update) return add_fulfilment(lsn);
  if (!set_.empty() && set_[0].kind == CommandKind::item_put) return add_item(lsn);
  require(set_.size() == 2 && set_[0].kind == CommandKind::order_insert, "log",
          "a command set of another size");
  Decision decision;
  decision.lsn = lsn;
  decision.amount = set_[1].amount.amount;
  const auto& order = set_[0].order;
  decision.id = order.request_id;
  decision.user = order.user;
  decision.item = order.item;
  decision.qty = order.qty;
  decision.price = order.unit_price_cents;
  decision.decided_at_us = order.decided_at_us;
  if (set_[0].sale) decision.promo = set_[0].sale->order.promo;
  decision.content_hash = hasher_.order_content(order.item, order.user, order.qty, decision.promo);
  if (set_[0].sale) decision.pay_by_ms = set_[0].sale->order.pay_by_ms;
  check_promo(decision);
  const auto item = items_.find(order.item);
  require(item != items_.end(), "S4", "an order of an item that the log does not know");
  require(item->second.amount - order.qty == decision.amount, "S4",
          "the amount in the log does not follow from the one before");
  check_rules(decision);
  decision.total = item->second.total;
  decision.hash = hasher_.id(decision.id);
  require(decision.amount >= 0, "S2", "the log sells more than there is");
  add(std::move(decision));
}

// {ItemPut, ItemAmountUpdate}, and {…, StockChange} where units come or go.
void LogModel::add_item(Lsn lsn) {
  require(set_.size() == 2 || set_.size() == 3, "log", "a command set of another size");
  const auto& put = set_[0].put;
  Decision decision;
  decision.kind = Kind::item_change;
  decision.lsn = lsn;
  decision.id = put.request_id;
  decision.hash = hasher_.id(decision.id);
  decision.item = put.item;
  decision.price = put.terms.price_cents;
  decision.total = put.terms.total;
  decision.amount = set_[1].amount.amount;
  decision.content_hash = put.content_hash;
  if (set_[0].sale) decision.sale = copy_of(set_[0].sale->item);
  const auto before = items_.find(put.item);
  const auto delta = before == items_.end() ? 0 : decision.total - before->second.total;
  if (before != items_.end())
    require(decision.total - decision.amount == before->second.total - before->second.amount, "S4",
            "a stock change changes what was sold");
  require((set_.size() == 3) == (delta != 0), "S18", "units come or go without a journal row");
  if (delta != 0) {
    require(set_[2].sale->stock.delta == delta && set_[2].sale->stock.order == storage::kNoNumber,
            "S18", "the journal says other units than come or go");
    decision.moved = delta;
  }
  require(decision.amount >= 0, "S2", "the log takes away more than there is");
  add(std::move(decision));
}

namespace {

// By the rules of an item or a promo.
template <class Rules>
std::int64_t hold_ms(const Rules& rules, const ItemTruth& item) {
  const bool low = item.amount * 100 < item.total * std::int64_t{rules.low_stock_percent};
  const auto hold_s =
      low && rules.hold_low_s != 0 ? std::min(rules.hold_s, rules.hold_low_s) : rules.hold_s;
  return std::int64_t{hold_s} * 1000;
}

}  // namespace

// Of the item as it was then: open, in the way in which it is sold, with its time to pay, and no
// more units unpaid than may be.
void LogModel::check_rules(const Decision& order) const {
  const auto& item = items_.at(order.item);
  const bool in_promo = order.promo != storage::kNoNumber;
  require(item.sale.closed == 0, "S18", "a closed item was sold");
  require(item.sale.promo_only == 0 || in_promo, "S18", "an item was sold without a promo");
  const auto hold = in_promo ? hold_ms(promo(order.promo)->put, item) : hold_ms(item.sale, item);
  const auto pay_by = hold == 0 ? 0 : order.decided_at_us / 1000 + hold;
  require(order.pay_by_ms == pay_by, "S17", "an order has another time to pay than it should");
  if (hold == 0) return;
  const auto passes = [&](const auto& unpaid, std::uint64_t of, std::uint32_t bound) {
    const auto found = unpaid.find({of, order.user});
    return bound != 0 && (found == unpaid.end() ? 0 : found->second) + order.qty > bound;
  };
  require(!passes(unpaid_, order.item, item.sale.unpaid_per_user_max), "S18",
          "a user has more units of an item unpaid than may be");
  require(!in_promo ||
              !passes(unpaid_in_promo_, order.promo, promo(order.promo)->put.unpaid_per_user_max),
          "S18", "a user has more units in a promo unpaid than may be");
}

void LogModel::count_unpaid(const Decision& order, std::int64_t qty) {
  unpaid_[{order.item, order.user}] += qty;
  if (order.promo != storage::kNoNumber) unpaid_in_promo_[{order.promo, order.user}] += qty;
}

// A window is judged when the order is decided: the log shows that it was, and at which price.
void LogModel::check_promo(const Decision& order) const {
  if (order.promo == storage::kNoNumber) return;
  const auto* put = promo(order.promo);
  require(put != nullptr && put->item == order.item, "S16", "an order of a promo of nothing");
  const auto at_ms = order.decided_at_us / 1000;
  require(at_ms >= put->put.starts_at_ms && at_ms < put->put.ends_at_ms, "S16",
          "an order was decided outside of its promo's window");
  require(order.price == put->put.price_cents, "S16", "an order has not its promo's price");
  if (put->put.ticket != 0) check_ticket(order);
}

// Who buys in a promo that needs tickets has one, whose id is his order's.
void LogModel::check_ticket(const Decision& order) const {
  const auto ticket = tickets_.find({order.promo, hasher_.user(order.user)});
  require(ticket != tickets_.end() && ticket->second.id == order.id, "S20",
          "an order was confirmed without a ticket");
  require(order.decided_at_us / 1000 < ticket->second.expires_at_ms, "S20",
          "an order was confirmed with a ticket whose time was over");
}

// No more than the gate lets through, one to a user at a time, while it may be used.
void LogModel::add_grant(Lsn lsn) {
  const auto& grant = set_[0].sale->ticket;
  Decision decision;
  decision.kind = Kind::grant;
  decision.lsn = lsn;
  decision.id = grant.ticket;
  decision.user = grant.user;
  decision.user_hash = hasher_.user(grant.user);
  decision.promo = grant.promo;
  decision.item = grant.item;
  decision.decided_at_us = grant.decided_at_us;
  decision.expires_at_ms = grant.expires_at_ms;
  decision.granted = grant.granted;
  const auto* put = promo(grant.promo);
  require(put != nullptr && put->item == grant.item && put->put.ticket != 0, "S20",
          "a ticket of a promo that needs none");
  const auto& item = items_.at(grant.item);
  decision.total = item.total;
  decision.amount = item.amount;
  require(grant.granted == granted(grant.promo).first + 1, "S20", "tickets are not counted");
  require(grant.granted <= storage::gate_of(put->put, item.total), "S20",
          "a promo gave more tickets than its gate lets through");
  const auto at_ms = grant.decided_at_us / 1000;
  require(at_ms >= put->put.starts_at_ms - tickets_ahead_ms_ && at_ms < put->put.ends_at_ms, "S20",
          "a ticket was given outside of its time");
  require(grant.expires_at_ms == put->put.ends_at_ms, "S20", "a ticket ends with its promo");
  require(item.amount > 0 && item.sale.closed == 0, "S20", "a ticket to buy nothing");
  const auto bought = [&](const auto& units, std::uint64_t of) {
    const auto found = units.find({of, decision.user});
    return found == units.end() ? 0 : found->second;
  };
  require(limit_per_user_ == 0 || bought(bought_, grant.item) < limit_per_user_, "S20",
          "a ticket for a user who has all that he may");
  require(promo_limit_ == 0 || bought(bought_in_promo_, grant.promo) < promo_limit_, "S20",
          "a ticket for a user who has all that he may in the promo");
  const auto about = by_hash_.find(hasher_.id(grant.ticket)[0]);
  require(about == by_hash_.end() || decisions_[about->second].kind == Kind::rejected, "S20",
          "a ticket under an id that was decided");
  const auto live = tickets_.find({grant.promo, decision.user_hash});
  require(live == tickets_.end() || live->second.expires_at_ms <= at_ms ||
              by_hash_.contains(hasher_.id(live->second.id)[0]),
          "S20", "a user has two live tickets of one promo");
  add(std::move(decision));
}

bool LogModel::durably_granted(std::uint64_t promo, std::string_view user,
                               std::string_view id) const {
  const auto grants = grants_.find(promo);
  if (grants == grants_.end()) return false;
  return std::any_of(grants->second.begin(), grants->second.end(), [&](std::size_t at) {
    return at < durable_ && decisions_[at].user == user && decisions_[at].id == id;
  });
}

std::pair<std::uint64_t, Lsn> LogModel::granted(std::uint64_t promo) const {
  const auto grants = grants_.find(promo);
  if (grants == grants_.end() || grants->second.empty()) return {};
  const auto& last = decisions_[grants->second.back()];
  return {last.granted, last.lsn};
}

// Its order is decided for good.
void LogModel::end_ticket(Decision& decision, std::uint64_t user_hash) {
  if (decision.promo == storage::kNoNumber) return;
  const auto live = tickets_.find({decision.promo, user_hash});
  if (live == tickets_.end()) return;
  decision.ticket_before = live->second;
  tickets_.erase(live);
}

// What is paid was owed, once; what expired had its time; and units go with it.
void LogModel::add_fulfilment(Lsn lsn) {
  using storage::Fulfilment;
  const auto& update = set_[0].sale->update;
  const auto* order = find(update.order);
  const auto held = held_.find(update.order);
  require(order != nullptr && held != held_.end() && order->item == update.item, "S17",
          "an order is changed that needs no payment");
  Decision decision;
  decision.kind = Kind::fulfilment;
  decision.lsn = lsn;
  decision.order = update.order;
  decision.item = update.item;
  decision.user = order->user;
  decision.promo = order->promo;
  decision.qty = order->qty;
  decision.decided_at_us = update.decided_at_us;
  decision.fulfilment = static_cast<Fulfilment>(update.fulfilment);
  const auto from = decision.fulfilment_before = held->second.fulfilment;
  const auto to = decision.fulfilment;
  const bool given_back = from == Fulfilment::expired || from == Fulfilment::cancelled;
  require(to == Fulfilment::refund_due ? given_back
          : to == Fulfilment::paid     ? from == Fulfilment::unpaid || given_back
                                       : from == Fulfilment::unpaid &&
                                         (to == Fulfilment::expired || to == Fulfilment::cancelled),
          "S17", "an order becomes what it cannot");
  if (to == Fulfilment::expired) check_hold(*order, update.decided_at_us);
  if (to == Fulfilment::paid || to == Fulfilment::refund_due) {
    require(update.amount_cents == order->price * order->qty, "S17", "another amount was paid");
    decision.id = update.action_id;
    require(payments_.emplace(decision.id, update.order).second, "S17",
            "one payment is taken twice");
  }
  if (to == Fulfilment::expired || to == Fulfilment::cancelled) decision.moved = order->qty;
  if (to == Fulfilment::paid && given_back) decision.moved = -std::int64_t{order->qty};
  const auto& item = items_.at(update.item);
  decision.total = item.total;
  decision.amount = item.amount + decision.moved;
  require(decision.amount >= 0, "S2", "a late payment sells more than there is");
  require(set_.size() == (decision.moved == 0 ? 1 : 3), "S17", "units do not go with their order");
  if (decision.moved != 0)
    require(set_[1].amount.amount == decision.amount &&
                set_[2].sale->stock.delta == decision.moved &&
                set_[2].sale->stock.order == update.order,
            "S17", "units that move are not the order's");
  add(std::move(decision));
}

// By the sale's clock, and by the one that does not step: but for steps that are small or were
// accepted since, and what an order may be on its way to the log.
void LogModel::check_hold(const Decision& order, std::int64_t expired_at_us) const {
  constexpr Time kSteps = actors::SaleClock::kStepMaxUs;
  constexpr Time kOnItsWay = 5 * kSecond;
  require(expired_at_us / 1000 >= order.pay_by_ms, "S17", "an order expired before its time");
  const Time hold = order.pay_by_ms * 1000 - order.decided_at_us;
  require(now_ - order.appended >= hold - kSteps - kOnItsWay || order.lsn <= clock_believed_, "S21",
          "an order expired by a step of the wall clock");
}

bool LogModel::durably_became(Lsn order, storage::Fulfilment fulfilment) const {
  const auto held = held_.find(order);
  if (held == held_.end()) return false;
  if (fulfilment == storage::Fulfilment::unpaid) return durable(order);
  return std::any_of(held->second.changes.begin(), held->second.changes.end(), [&](std::size_t at) {
    return at < durable_ && decisions_[at].fulfilment == fulfilment;
  });
}

// Bought, or given back.
void LogModel::count_bought(const Decision& order, std::int64_t qty) {
  const auto units = static_cast<std::uint64_t>(qty);
  if (limit_per_user_ != 0) {
    auto& bought = bought_[{order.item, order.user}];
    bought += units;
    require(qty < 0 || bought <= limit_per_user_, "S3", "a user bought more than the limit");
  }
  if (promo_limit_ != 0 && order.promo != storage::kNoNumber) {
    auto& bought = bought_in_promo_[{order.promo, order.user}];
    bought += units;
    require(qty < 0 || bought <= promo_limit_, "S16", "a user bought more than a promo's limit");
  }
}

void LogModel::add_promo(const storage::PromoPut& put, Lsn lsn) {
  Decision decision;
  decision.kind = Kind::promo_change;
  decision.lsn = lsn;
  decision.id = put.request_id;
  decision.hash = hasher_.id(decision.id);
  decision.content_hash = put.content_hash;
  decision.decided_at_us = put.decided_at_us;
  decision.item = put.item;
  decision.promo = put.promo;
  decision.put = put;
  decision.put.request_id = decision.put.name = {};
  const auto item = items_.find(put.item);
  require(item != items_.end(), "S4", "a promo of an item that the log does not know");
  decision.amount = item->second.amount;
  decision.total = item->second.total;
  for (const auto& [id, other] : promos()) {
    const bool apart =
        id == put.promo || other->item != put.item || put.starts_at_ms >= put.ends_at_ms ||
        other->put.starts_at_ms >= other->put.ends_at_ms ||
        put.ends_at_ms <= other->put.starts_at_ms || other->put.ends_at_ms <= put.starts_at_ms;
    require(apart, "S16", "windows of one item overlap");
  }
  add(std::move(decision));
}

const Decision* LogModel::promo(std::uint64_t id) const {
  const auto found = promos_.find(id);
  return found == promos_.end() || found->second.empty() ? nullptr
                                                         : &decisions_[found->second.back()];
}

std::map<std::uint64_t, const Decision*> LogModel::promos() const {
  std::map<std::uint64_t, const Decision*> out;
  for (const auto& [id, puts] : promos_)
    if (!puts.empty()) out[id] = promo(id);
  return out;
}

// Since there are promos no decision is earlier than one before it.
void LogModel::check_time(Decision& decision) const {
  const auto before = decisions_.empty() ? 0 : decisions_.back().latest_us;
  decision.latest_us = before;
  const bool timed = decision.kind == Kind::confirmed || decision.kind == Kind::promo_change ||
                     decision.decided_at_us != 0;
  if (!timed || (before == 0 && decision.kind != Kind::promo_change)) return;
  require(decision.decided_at_us >= before, "S16", "sale time went back");
  decision.latest_us = decision.decided_at_us;
}

void LogModel::compare_promos(const actors::OrderBook& book) const {
  const auto expected = promos();
  require(book.promos().size() == expected.size(), "S16", "promos are missing in memory");
  for (const auto& [id, put] : expected) {
    const auto* promo = book.promos().find(id);
    require(promo != nullptr && promo->put_lsn == put->lsn &&
                promo->put.price_cents == put->put.price_cents &&
                promo->put.starts_at_ms == put->put.starts_at_ms &&
                promo->put.ends_at_ms == put->put.ends_at_ms,
            "S16", "memory does not have the promo that the log has");
  }
  if (!decisions_.empty())
    require(book.sale_time_us(0) == decisions_.back().latest_us, "S16",
            "memory does not know when it decided last");
}

void LogModel::import(const std::vector<storage::ItemRow>& items, std::uint64_t epoch) {
  Lsn lsn = storage::make_lsn(epoch, 0);
  for (const auto& item : items) {
    Decision decision;
    decision.kind = Kind::item_change;
    decision.lsn = ++lsn;
    decision.id = "import-" + std::to_string(item.id);
    decision.hash = hasher_.id(decision.id);
    decision.item = item.id;
    decision.price = item.terms.price_cents;
    decision.total = decision.amount = item.amount;
    add(std::move(decision));
  }
}

void LogModel::add_reject(std::string_view payload, Lsn lsn) {
  storage::Rejection rejection;
  require(decoder_.rejection(payload, rejection), "log", "a rejection cannot be read");
  Decision decision;
  decision.kind = Kind::rejected;
  decision.lsn = lsn;
  decision.hash = rejection.request_hash;
  decision.content_hash = rejection.content_hash;
  decision.item = rejection.item;
  decision.qty = rejection.qty;
  decision.user_hash = rejection.user_hash;
  decision.reason = rejection.reason;
  decision.promo = rejection.promo;
  decision.decided_at_us = rejection.decided_at_us;
  const auto item = items_.find(rejection.item);
  require(item != items_.end(), "S4", "a rejection for an item that the log does not know");
  if (rejection.reason == storage::RejectReason::sold_out)
    require(item->second.amount < rejection.qty, "S3", "sold_out though there is enough");
  decision.amount = item->second.amount;
  decision.total = item->second.total;
  add(std::move(decision));
}

namespace {

// What an order becomes has none of its own, a ticket has that of an order to come.
bool has_request_id(Kind kind) {
  return kind != Kind::fulfilment && kind != Kind::grant && kind != Kind::session;
}

bool changes_item(Kind kind) {
  return kind != Kind::rejected && kind != Kind::promo_change && kind != Kind::grant &&
         kind != Kind::session;
}

}  // namespace

void LogModel::add(Decision&& decision) {
  require(decisions_.empty() || decisions_.back().lsn < decision.lsn, "log", "lsns do not ascend");
  check_time(decision);
  decision.appended = now_;
  const auto item = items_.find(decision.item);
  decision.item_was_there = item != items_.end();
  if (decision.item_was_there) {
    decision.amount_before = item->second.amount;
    decision.total_before = item->second.total;
    decision.sale_before = item->second.sale;
  }
  if (decision.kind == Kind::grant) {
    end_ticket(decision, decision.user_hash);
    tickets_[{decision.promo, decision.user_hash}] = {decision.id, decision.expires_at_ms};
    grants_[decision.promo].push_back(decisions_.size());
  }
  if (decision.kind == Kind::rejected) end_ticket(decision, decision.user_hash);
  if (decision.kind == Kind::confirmed) end_ticket(decision, hasher_.user(decision.user));
  if (has_request_id(decision.kind)) {
    const auto [known, is_new] = by_hash_.try_emplace(decision.hash[0], decisions_.size());
    if (!is_new) {
      require(decisions_[known->second].kind == Kind::rejected, "S3",
              "a request id is decided twice");
      decision.same_id_before = known->second;
      known->second = decisions_.size();
    }
  }
  if (decision.kind == Kind::confirmed) {
    ++confirmed_;
    count_bought(decision, decision.qty);
    if (decision.pay_by_ms != 0) {
      held_[decision.lsn] = {};
      count_unpaid(decision, decision.qty);
    }
  }
  if (decision.kind == Kind::fulfilment) {
    held_[decision.order].fulfilment = decision.fulfilment;
    held_[decision.order].changes.push_back(decisions_.size());
    if (decision.moved != 0) count_bought(decision, -decision.moved);
    if (decision.fulfilment_before == storage::Fulfilment::unpaid)
      count_unpaid(decision, -std::int64_t{decision.qty});
  }
  if (decision.kind == Kind::promo_change) promos_[decision.promo].push_back(decisions_.size());
  if (changes_item(decision.kind)) {
    auto& truth = items_[decision.item];
    truth.amount = decision.amount;
    truth.total = decision.total;
    if (decision.kind == Kind::item_change) {
      truth.price = decision.price;
      truth.sale = decision.sale;
    }
    auto& highest = highest_total_[decision.item];
    highest = std::max(highest, decision.total);
  }
  lsns_.push_back(decision.lsn);
  decisions_.push_back(std::move(decision));
}

void LogModel::take_back() {
  const auto& decision = decisions_.back();
  if (decision.kind == Kind::confirmed) {
    --confirmed_;
    count_bought(decision, -std::int64_t{decision.qty});
    if (held_.erase(decision.lsn) > 0) count_unpaid(decision, -std::int64_t{decision.qty});
  }
  if (decision.kind == Kind::fulfilment) {
    held_[decision.order].fulfilment = decision.fulfilment_before;
    held_[decision.order].changes.pop_back();
    payments_.erase(decision.id);
    if (decision.moved != 0) count_bought(decision, decision.moved);
    if (decision.fulfilment_before == storage::Fulfilment::unpaid)
      count_unpaid(decision, decision.qty);
  }
  if (decision.kind == Kind::promo_change) promos_[decision.promo].pop_back();
  if (decision.kind == Kind::grant) {
    tickets_.erase({decision.promo, decision.user_hash});
    grants_[decision.promo].pop_back();
  }
  if (decision.ticket_before)
    tickets_[{decision.promo, decision.kind == Kind::confirmed ? hasher_.user(decision.user)
                                                               : decision.user_hash}] =
        *decision.ticket_before;
  if (changes_item(decision.kind)) {
    if (decision.item_was_there) {
      items_[decision.item].amount = decision.amount_before;
      items_[decision.item].total = decision.total_before;
      items_[decision.item].sale = decision.sale_before;
    } else {
      items_.erase(decision.item);
    }
  }
  if (has_request_id(decision.kind)) {
    if (decision.same_id_before == SIZE_MAX)
      by_hash_.erase(decision.hash[0]);
    else
      by_hash_[decision.hash[0]] = decision.same_id_before;
  }
  decisions_.pop_back();
  lsns_.pop_back();
}

void LogModel::forget_unsynced() {
  while (decisions_.size() > durable_) take_back();
}

void LogModel::recovered(Lsn last, const actors::OrderBook& book) {
  while (!decisions_.empty() && decisions_.back().lsn > last) {
    require(decisions_.size() > durable_, "S1", "a durable decision is gone after a restart");
    take_back();
  }
  require(last == 0 || (!decisions_.empty() && decisions_.back().lsn == last), "S1",
          "the log holds a decision that nobody made");
  actors::Books expected;
  expected.confirmed = confirmed_;
  expected.items = items_.size();
  for (const auto& [item, truth] : items_)
    expected.hash += actors::books_hash(item, truth.amount, truth.total - truth.amount);
  const auto books = book.books();
  require(books.confirmed == expected.confirmed, "S1", "orders are missing in memory");
  require(books.items == expected.items && books.hash == expected.hash, "S4",
          "memory does not say what the log says");
  for (const auto& [item, truth] : items_)
    require(same_terms(book.item(item)->sale, truth.sale), "S18",
            "memory does not have the rules that the log has");
  for (const auto& [order, truth] : held_) expected.add(order, truth.fulfilment);
  require(books.held == expected.held && books.held_hash == expected.held_hash, "S17",
          "memory does not know what became of orders");
  check_remembered(book);
  compare_promos(book);
  compare_tickets(book);
  compare_sessions(book);
}

namespace {

class Tickets final : public storage::SnapshotSink {
 public:
  void add(storage::SnapshotSection section, std::string_view entry) override {
    if (section != storage::SnapshotSection::tickets) return;
    storage::EntryReader in(entry, level());
    storage::SnapshotTicket ticket;
    require(decode(in, ticket), "S20", "a live ticket cannot be read");
    all[ticket.key] = {std::string(ticket.id), ticket.expires_at_ms};
  }
  std::map<std::uint64_t, LiveTicket> all;
};

class Rejections final : public storage::SnapshotSink {
 public:
  void add(storage::SnapshotSection section, std::string_view entry) override {
    if (section != storage::SnapshotSection::rejections) return;
    storage::EntryReader in(entry, level());
    require(decode(in, all.emplace_back()), "S1", "a remembered rejection cannot be read");
  }
  std::vector<storage::KnownRejection> all;
};

}  // namespace

void LogModel::add_session(std::string_view payload, Lsn lsn) {
  storage::RevokeRecord record;
  require(decoder_.control(payload, record), "log", "a REVOKE cannot be read");
  Decision decision;
  decision.kind = Kind::session;
  decision.lsn = lsn;
  std::memcpy(decision.hash.data(), record.token_hash.data(), sizeof decision.hash);
  decision.user_hash = record.user_hash;
  decision.what = static_cast<actors::SessionEvent>(record.reason);
  decision.expires_at_ms = record.expires_at_ms;
  add(std::move(decision));
}

LogModel::Sessions LogModel::sessions(std::size_t decisions) const {
  using actors::SessionEvent;
  Sessions all;
  for (std::size_t i = 0; i < decisions; ++i) {
    const auto& decision = decisions_[i];
    if (decision.kind != Kind::session) continue;
    const auto newest = all.newest.find(decision.user_hash);
    const bool known = newest != all.newest.end();
    if (decision.what == SessionEvent::opened) {
      if (known) all.ended.try_emplace(newest->second, SessionEvent::replaced);
      all.newest[decision.user_hash] = decision.hash;
      continue;
    }
    all.ended.try_emplace(decision.hash, decision.what);
    if (known && newest->second == decision.hash) all.newest.erase(newest);
  }
  return all;
}

bool LogModel::durably_kept(const actors::SessionHash& session, actors::SessionEvent what) const {
  if (what != actors::SessionEvent::opened) return sessions(durable_).ended.contains(session);
  return std::any_of(decisions_.begin(), decisions_.begin() + static_cast<std::ptrdiff_t>(durable_),
                     [&](const Decision& decision) {
                       return decision.kind == Kind::session && decision.what == what &&
                              decision.hash == session;
                     });
}

void LogModel::compare_sessions(const actors::OrderBook& book) const {
  const auto truth = sessions(decisions_.size());
  const auto& known = book.sessions();
  require(known.ended() == truth.ended.size() && known.newest() == truth.newest.size(), "S22",
          "memory does not know of as many sessions as the log");
  for (const auto& row : known.behind(0, known.last_lsn(), truth.ended.size(), 0).rows) {
    const auto found = truth.ended.find(row.session);
    require(found != truth.ended.end() && found->second == row.what, "S22",
            "memory knows of a session that has ended otherwise than the log says");
  }
}

// Memory may have forgotten a ticket whose time is over, and no other.
void LogModel::compare_tickets(const actors::OrderBook& book) const {
  for (const auto& [id, put] : promos()) {
    const auto* promo = book.promos().find(id);
    require(std::pair(promo->granted, promo->grant_lsn) == granted(id), "S20",
            "memory does not know how many tickets a promo gave");
  }
  Tickets remembered;
  book.save_tickets(remembered);
  const auto now_ms = decisions_.empty() ? 0 : decisions_.back().latest_us / 1000;
  std::size_t found = 0;
  for (const auto& [of, ticket] : tickets_) {
    const auto known = remembered.all.find(actors::TicketTable::key(of.first, of.second));
    const bool there = known != remembered.all.end();
    require(there || ticket.expires_at_ms <= now_ms, "S20", "memory has lost a live ticket");
    if (!there) continue;
    ++found;
    require(known->second.id == ticket.id && known->second.expires_at_ms == ticket.expires_at_ms,
            "S20", "memory has another ticket than the log");
  }
  require(found == remembered.all.size(), "S20", "memory has a ticket that nobody was given");
}

void LogModel::check_remembered(const actors::OrderBook& book) const {
  Rejections remembered;
  book.save(remembered);
  for (const auto& rejection : remembered.all) {
    const auto* decision = find(rejection.decision.lsn);
    require(decision != nullptr && decision->kind == Kind::rejected &&
                decision->hash == rejection.decision.hash &&
                decision->content_hash == rejection.decision.content &&
                decision->user_hash == rejection.user_hash,
            "S1", "a rejection is not remembered as the log says it");
  }
}

std::size_t LogModel::position(Lsn lsn) const {
  const auto at = std::lower_bound(lsns_.begin(), lsns_.end(), lsn);
  return at == lsns_.end() || *at != lsn ? SIZE_MAX : static_cast<std::size_t>(at - lsns_.begin());
}

const Decision* LogModel::find(Lsn lsn) const {
  const auto at = position(lsn);
  return at == SIZE_MAX ? nullptr : &decisions_[at];
}

bool LogModel::durable(Lsn lsn) const {
  return position(lsn) < durable_;
}

const Decision* LogModel::durable_about(std::string_view id) const {
  const auto known = by_hash_.find(hasher_.id(id)[0]);
  if (known == by_hash_.end()) return nullptr;
  auto at = known->second;
  while (at != SIZE_MAX && at >= durable_) at = decisions_[at].same_id_before;
  return at == SIZE_MAX ? nullptr : &decisions_[at];
}

std::int64_t LogModel::highest_total(std::uint64_t item) const {
  const auto found = highest_total_.find(item);
  return found == highest_total_.end() ? 0 : found->second;
}

}  // namespace stampede::sim
