#include "actors/sale/order_book.h"

#include <algorithm>

#include "actors/sale/limits.h"
#include "config/process/invariant.h"

namespace stampede::actors {

using storage::EntryReader;
using storage::SnapshotSection;

namespace {

// Of an order that is not decided: what is wrong in it, or the limit that was hit.
std::string_view field_of(Code error) {
  if (error == Code::unknown_item) return "item";
  if (error == Code::bad_request) return "qty";
  return error == Code::overloaded ? limit::kOrders : std::string_view{};
}

}  // namespace

OrderBook::OrderBook(const LogUuid& key, OrderBookLimits limits)
    : hasher_(key),
      decided_(limits.orders_max, limits.rejections_max),
      tickets_(limits.tickets_max),
      sessions_(limits.revoked_max),
      tickets_ahead_ms_(limits.tickets_ahead_ms) {}

// --- looking ------------------------------------------------------------------------------------

Answer OrderBook::answer_of(const Known& known) const {
  Answer answer;
  if (held_.size() > 0 && known.kind == KnownKind::confirmed) add_fulfilment(known, answer);
  answer.state = known.kind == KnownKind::confirmed ? State::confirmed : State::rejected;
  answer.reason = known.reason;
  answer.lsn = known.lsn;
  answer.item = items_[known.item_position].id;
  answer.qty = known.qty;
  answer.replayed = true;
  return answer;
}

OrderKeys OrderBook::keys(const Request& order) const {
  OrderKeys keys{hasher_.id(order.id)};
  if (order.promo == kNoNumber)
    keys.content = hasher_.order_content(order.item, order.user, order.qty);
  return keys;
}

UserKeys OrderBook::user_keys(const Request& order) const {
  UserKeys users;
  const auto* promo = promos_.find(order.promo);
  if (promo == nullptr) return users;
  const auto& put = promo->put;
  if (put.ticket != 0) users.ticket = TicketTable::key(order.promo, hasher_.user(order.user));
  if (put.limit_per_user != 0 || put.hold_s != 0)
    users.user_in_promo = hasher_.user_in_promo(order.promo, order.user);
  return users;
}

// Limits, bounds and stock. kRuled: of an order that rules have to do with; the others do not pay
// for them.
template <bool kRuled>
[[gnu::always_inline]] inline void OrderBook::settle(const Request& order, const OrderKeys& keys,
                                                     std::uint32_t position, const Ruled& ruled,
                                                     OrderDecision& decision) const {
  const auto& item = items_[position];
  decision.request_hash = keys.request;
  if (!kRuled) decision.content_hash = keys.content;
  decision.item_position = position;
  decision.answer.item = order.item;
  decision.answer.qty = order.qty;
  decision.answer.left = item.amount;
  decision.answer.state = State::rejected;
  if (kRuled) decision.users = ruled.users;
  const auto limit = item.terms.limit_per_user;
  const bool unpaid = kRuled && decision.pay_by_ms != 0;
  if ((kRuled || limit != 0) && limit_reached(order, limit, ruled, decision)) {
    decision.answer.reason = RejectReason::limit_reached;
  } else if (unpaid && too_many_unpaid(order, position, ruled)) {
    decision.error = Code::unpaid_limit;
    return;
  } else if (kRuled && decision.with_ticket && item.amount < order.qty) {
    decision.error = Code::sold_out_for_now;
    return;
  } else if (item.amount < order.qty) {
    decision.answer.reason = RejectReason::sold_out;
  } else {
    decision.answer.state = State::confirmed;
    decision.answer.left = item.amount - order.qty;
    const bool of_promo = kRuled && ruled.promo != nullptr;
    decision.answer.unit_price_cents =
        of_promo ? ruled.promo->put.price_cents : item.terms.price_cents;
    if (kRuled) decision.answer.promo = order.promo;
    if (!unpaid) return;
    decision.answer.fulfilment = Fulfilment::unpaid;
    decision.answer.at_ms = decision.pay_by_ms;
    return;
  }
  decision.user_hash = hasher_.user(order.user);
}

// One object for all ends, so that it is made where the caller wants it.
OrderDecision OrderBook::decide_order(const Request& order, const OrderKeys& keys,
                                      std::int64_t sale_time_us) const {
  OrderDecision decision;
  if (const auto* known = decided_.find(keys.request)) {
    decision.known =
        known->kind != KnownKind::item_change && known->content == content(order, keys);
    if (decision.known)
      decision.answer = answer_of(*known);
    else
      decision.error = Code::key_reused;
    return decision;
  }
  const auto position = items_.find(order.item);
  decision.error = refusal(order, position);
  const bool plain = order.promo == kNoNumber && order.valid_until_ms == 0;
  if (decision.error == Code::none && plain) {
    settle<false>(order, keys, position, {}, decision);
    return decision;
  }
  const Ruled ruled{order.promo == kNoNumber ? nullptr : promos_.find(order.promo), keys.users};
  if (judge_rules(order, position, sale_time_us / 1000, ruled, decision))
    settle<true>(order, keys, position, ruled, decision);
  if (decision.error == Code::none) decision.content_hash = content(order, keys);
  return decision;
}

// What most orders need not be asked: of an item that says more, in a promo, with a time until when
// it is wanted. False: it is refused.
bool OrderBook::judge_rules(const Request& order, std::uint32_t position, std::int64_t now_ms,
                            const Ruled& ruled, OrderDecision& decision) const {
  decision.error = refusal_by_item(order, position);
  if (decision.error != Code::none) {
    decision.field = field_of(decision.error);
    return false;
  }
  refuse_by_sale(order, now_ms, ruled, decision);
  if (decision.error != Code::none) return false;
  const auto* sale = items_.sale(items_[position]);
  if (order.promo == kNoNumber && sale != nullptr && sale->promo_only != 0) {
    decision.error = Code::promo_only;
    return false;
  }
  set_time_to_pay(position, ruled.promo, now_ms, decision);
  return true;
}

// What the order says about time, promo and ticket.
void OrderBook::refuse_by_sale(const Request& order, std::int64_t now_ms, const Ruled& ruled,
                               OrderDecision& decision) const {
  if (order.valid_until_ms != 0 && now_ms > order.valid_until_ms) {
    decision.error = Code::expired_request;
    return;
  }
  if (order.promo == kNoNumber) return;
  const auto* promo = ruled.promo;
  if (promo == nullptr || promo->put.item != order.item) {
    decision.error = Code::unknown_promo;
    decision.field = "promo";
    return;
  }
  decision.promo = order.promo;
  switch (promo->state(now_ms)) {
    case PromoState::coming:
      decision.error = Code::not_started;
      decision.retry_after_ms = promo->put.starts_at_ms - now_ms;
      return;
    case PromoState::ended:
      decision.error = Code::ended;
      return;
    case PromoState::running:
      break;
  }
  if (promo->put.ticket == 0) return;
  decision.error = refusal_by_ticket(order, ruled.users, now_ms);
  if (decision.error != Code::none) decision.field = "ticket";
  decision.with_ticket = true;
}

// `limit`: the item's.
bool OrderBook::limit_reached(const Request& order, std::uint32_t limit, const Ruled& ruled,
                              OrderDecision& decision) const {
  decision.counted = counts_against(limit, ruled.promo);
  const bool of_item =
      (decision.counted & 1U) != 0 &&
      users_.bought(hasher_.user_on_item(order.item, order.user)) + order.qty > limit;
  if (of_item || (decision.counted & 2U) == 0) return of_item;
  return users_.bought(user_in_promo(ruled.users, order.promo, order.user)) + order.qty >
         ruled.promo->put.limit_per_user;
}

// Why an order with a new id is not decided at all. An item that says more than most has no max_qty
// in its line: judge_rules() asks refusal_by_item() then.
[[gnu::always_inline]] inline Code OrderBook::refusal(const Request& order,
                                                      std::uint32_t position) const {
  if (is_closed(order.item)) return Code::internal;
  if (position == ItemTable::kNone) return Code::unknown_item;
  if (order.qty == 0 || order.qty > items_[position].terms.max_qty) return Code::bad_request;
  return decided_.full() ? Code::overloaded : Code::none;
}

// The same for all items.
Code OrderBook::refusal_by_item(const Request& order, std::uint32_t position) const {
  const auto* sale = position == ItemTable::kNone ? nullptr : items_.sale(items_[position]);
  if (sale == nullptr || is_closed(order.item)) return refusal(order, position);
  if (sale->closed != 0) return Code::closed;
  if (order.qty == 0 || order.qty > items_.max_qty(items_[position])) return Code::bad_request;
  return decided_.full() ? Code::overloaded : Code::none;
}

OrderDecision OrderBook::look_up(std::string_view request_id, std::string_view user) const {
  OrderDecision decision;
  const auto* known = decided_.find(hasher_.id(request_id));
  decision.known = known != nullptr && known->kind != KnownKind::item_change;
  if (!decision.known)
    decision.error = Code::unknown_request;
  else if (!user.empty() && !is_of(*known, user))
    decision.error = Code::not_allowed;
  else
    decision.answer = answer_of(*known);
  return decision;
}

// No order has its user's name: but what it was hashed from is known, up to the promo. Of one that
// needs payment that is kept; of others it is one of the item's or none, at a short hash each.
bool OrderBook::is_of(const Known& known, std::string_view user) const {
  const auto item = items_[known.item_position].id;
  const auto plain = hasher_.order_content(item, user, known.qty);
  if (plain == known.content) return true;
  const auto in_promo = [&](std::uint64_t promo) {
    return hasher_.content_in_promo(plain, promo) == known.content;
  };
  const bool confirmed = known.kind == KnownKind::confirmed && held_.size() > 0;
  const auto at = confirmed ? held_.find(decided_.find_kept(known.hash)) : HeldOrders::kNone;
  if (at != HeldOrders::kNone && !is_closed(item))
    return held_[at].promo != kNoNumber && in_promo(held_[at].promo);
  return promos_.any_of_item(item, in_promo);
}

PromoDecision OrderBook::decide_promo(const PromoRequest& request,
                                      std::int64_t sale_time_us) const {
  const auto hash = hasher_.id(request.put.request_id);
  const auto content = hasher_.promo_change_content(
      request.from_now << 24U | static_cast<std::uint32_t>(request.action) << 16U | request.given,
      request.put);
  PromoDecision decision;
  if (const auto* known = decided_.find(hash)) {
    decision.known = known->kind == KnownKind::item_change && known->content == content;
    if (!decision.known) decision.error = Code::key_reused;
    decision.lsn = known->lsn;
    // It was parked: there is nothing to show.
    if (decision.known && promos_.find(request.put.promo) == nullptr)
      decision.error = Code::internal;
    return decision;
  }
  if (is_doubtful(request.put.promo)) {
    decision.error = Code::internal;
    return decision;
  }
  decision = judge_promo(promos_, request, sale_time_us / 1000);
  if (decision.error != Code::none) return decision;
  decision.item_position = items_.find(decision.put.item);
  if (decision.item_position == ItemTable::kNone) {
    decision.error = Code::unknown_item;
    decision.field = "item";
  } else if (is_closed(decision.put.item)) {
    decision.error = Code::internal;
  } else if (!gate_holds(promos_, decision.put, items_[decision.item_position].terms.total)) {
    decision.error = Code::bad_request;
    decision.field = storage::kPromoGateTerm.name;
  } else if (decision.changed && decided_.full()) {
    decision.error = Code::overloaded;
    decision.field = limit::kOrders;
  }
  decision.changed = decision.changed && decision.error == Code::none;
  decision.request_hash = hash;
  decision.put.request_id = request.put.request_id;
  decision.put.content_hash = content;
  // Ended behind its last order, which may be of this moment, it sells no more, even while the
  // clock stands still: sale time goes there.
  const bool over =
      request.action == PromoAction::end && decision.put.starts_at_ms < decision.put.ends_at_ms;
  decision.put.decided_at_us =
      over ? std::max(sale_time_us, decision.put.ends_at_ms * 1000) : sale_time_us;
  return decision;
}

// --- making it true -------------------------------------------------------------------------

// Without promos nothing was ever compared with the time of a decision.
void OrderBook::note_decision(std::uint64_t promo, std::int64_t decided_at_us) {
  if (promos_.size() == 0) return;
  decided_at_us_ = std::max(decided_at_us_, decided_at_us);
  if (promo != kNoNumber) promos_.note_order(promo, decided_at_us / 1000);
}

void OrderBook::confirm(const Confirmed& order, Lsn lsn, std::int64_t decided_at_us) {
  auto& item = items_[order.item_position];
  STAMPEDE_ASSERT(item.amount >= order.qty, "an item is never oversold");
  item.amount -= order.qty;
  item.seq = lsn;
  ++confirmed_;
  if (promos_.size() > 0) note_decision(order.promo, decided_at_us);
  if (order.counted != 0 || order.pay_by_ms != 0 || order.promo != kNoNumber)
    count_user(order, item.id, lsn);
}

// What is kept of the user: of a promo, against limits, of an order that needs payment.
[[gnu::noinline]] void OrderBook::count_user(const Confirmed& order, std::uint64_t item, Lsn lsn) {
  const bool promo = order.promo != kNoNumber;
  if (promo && tickets_.size() > 0) tickets_.end(ticket_key(order.users, order.promo, order.user));
  const bool held = order.pay_by_ms != 0;
  const bool of_item = (order.counted & 1U) != 0;
  const bool of_promo = (order.counted & 2U) != 0;
  const auto on_item = held || of_item ? hasher_.user_on_item(item, order.user) : 0;
  const auto in_promo =
      (held && promo) || of_promo ? user_in_promo(order.users, order.promo, order.user) : 0;
  if (of_item) users_.add(on_item, order.qty);
  if (of_promo) users_.add(in_promo, order.qty);
  if (held) hold(order, on_item, promo ? in_promo : 0, lsn);
}

void OrderBook::apply_order(const OrderDecision& decision, std::string_view user, Lsn lsn,
                            std::int64_t decided_at_us) {
  STAMPEDE_ASSERT(decision.error == Code::none && !decision.known,
                  "only a new decision is applied");
  const auto& answer = decision.answer;
  Known known{decision.request_hash,
              decision.content_hash,
              lsn,
              decision.item_position,
              static_cast<std::uint16_t>(answer.qty),
              KnownKind::rejected,
              answer.reason};
  if (answer.state == State::rejected) {
    // The log has no time of the others.
    if (decision.promo != kNoNumber) {
      note_decision(decision.promo, decided_at_us);
      end_ticket(decision.promo, decision.user_hash);
    }
    return decided_.remember_rejection({known, decision.user_hash});
  }
  known.kind = KnownKind::confirmed;
  confirm({decision.item_position, user, answer.qty, answer.promo, decision.counted,
           decision.pay_by_ms, answer.unit_price_cents, decision.users},
          lsn, decided_at_us);
  decided_.remember(known);
}

void OrderBook::apply_promo(const PromoDecision& decision, Lsn lsn) {
  STAMPEDE_ASSERT(decision.error == Code::none && !decision.known && decision.changed,
                  "only a new change of a promo is applied");
  const auto id = decision.put.promo;
  (void)look_ahead(decision, kAllHeld);
  const bool bounded = bounds_unpaid_in(id);
  promos_.put(decision.put, lsn);
  tickets_.drop_expired(decision.put.decided_at_us / 1000);
  on_bound(counted_promos_, id, bounded, bounds_unpaid_in(id));
  decided_at_us_ = std::max(decided_at_us_, decision.put.decided_at_us);
  decided_.remember(
      changed_item(decision.request_hash, decision.put.content_hash, decision.item_position, lsn));
}

void OrderBook::apply_item(const ItemDecision& decision, Lsn lsn) {
  STAMPEDE_ASSERT(decision.error == Code::none && !decision.known && decision.changed,
                  "only a new change of an item is applied");
  (void)look_ahead(decision, kAllHeld);
  auto position = items_.find(decision.put.item);
  if (position == ItemTable::kNone) position = items_.add(decision.put.item);
  auto& item = items_[position];
  const bool bounded = bounds_unpaid(position);
  items_.set_terms(item, decision.put.terms, decision.sale);
  on_bound(counted_items_, position, bounded, bounds_unpaid(position));
  item.amount = decision.amount;
  item.seq = item.put_lsn = lsn;
  decided_.remember(changed_item(decision.request_hash, decision.put.content_hash, position, lsn));
}

// --- what the log says --------------------------------------------------------------------------

OrderBook::Known OrderBook::confirmed_order(const storage::Command& command,
                                            std::uint32_t item_position, Lsn lsn) const {
  const auto& order = command.order;
  const auto promo = command.sale ? command.sale->order.promo : kNoNumber;
  return {hasher_.id(order.request_id),
          hasher_.order_content(order.item, order.user, order.qty, promo),
          lsn,
          item_position,
          static_cast<std::uint16_t>(order.qty),
          KnownKind::confirmed,
          RejectReason::invalid};
}

DecidedRequests::Rejection OrderBook::rejected_order(const storage::Rejection& rejection,
                                                     std::uint32_t item_position, Lsn lsn) {
  const Known known{rejection.request_hash,
                    rejection.content_hash,
                    lsn,
                    item_position,
                    static_cast<std::uint16_t>(rejection.qty),
                    KnownKind::rejected,
                    rejection.reason};
  return {known, rejection.user_hash};
}

OrderBook::Known OrderBook::changed_item(const storage::RequestHash& hash, std::uint64_t content,
                                         std::uint32_t item_position, Lsn lsn) {
  return {hash, content, lsn, item_position, 0, KnownKind::item_change, RejectReason::invalid};
}

bool OrderBook::replay_set(const std::vector<storage::Command>& set, Lsn lsn) {
  using storage::CommandKind;
  if (set.size() == 1 && set[0].kind == CommandKind::promo_put)
    return replay_promo_put(set[0].sale->promo, lsn);
  if (set.size() == 1 && set[0].kind == CommandKind::ticket_grant)
    return replay_grant(set[0].sale->ticket, lsn);
  if (!set.empty() && set[0].kind == CommandKind::order_update) return replay_update(set, lsn);
  const bool journalled = set.size() == 3 && set[0].kind == CommandKind::item_put &&
                          set[2].kind == CommandKind::stock_change &&
                          set[2].item() == set[0].item();
  if ((set.size() != 2 && !journalled) || set[1].kind != CommandKind::item_amount_update ||
      set[1].amount.item != set[0].item() || set[1].amount.amount < 0)
    return false;
  if (set[0].kind == CommandKind::item_put)
    return replay_item_put(set[0], set[1].amount.amount, lsn);
  return set[0].kind == CommandKind::order_insert &&
         replay_order(set[0], set[1].amount.amount, lsn);
}

bool OrderBook::replay_item_put(const storage::Command& command, std::int64_t amount, Lsn lsn) {
  const auto& put = command.put;
  if (!ItemTable::can_keep(put.terms)) return false;
  ItemDecision decision;
  decision.changed = true;
  decision.put = put;
  if (command.sale) decision.sale = command.sale->item;
  decision.amount = amount;
  decision.request_hash = hasher_.id(put.request_id);
  apply_item(decision, lsn);
  return true;
}

// Whether the promo was running is not asked again. Of an order that is part of one the record says
// whose limits it counts against; of the others, the item's limit of its time does.
bool OrderBook::replay_order(const storage::Command& command, std::int64_t amount, Lsn lsn) {
  const auto& order = command.order;
  const auto position = items_.find(order.item);
  if (position == ItemTable::kNone || order.qty > kQtyMax || order.user.size() > kUserBytesMax)
    return false;
  auto promo = command.sale ? command.sale->order.promo : kNoNumber;
  const bool promo_is_missing = promo != kNoNumber && promos_.find(promo) == nullptr;
  auto& item = items_[position];
  if (is_closed(order.item)) {
    item.amount = amount + order.qty;
    if (promo_is_missing) promo = kNoNumber;  // what put it may be parked
  } else if (promo_is_missing) {
    return false;
  }
  if (item.amount - order.qty != amount) return false;
  const auto counted = command.sale ? command.sale->order.counted
                                    : counts_against(item.terms.limit_per_user, nullptr);
  const auto pay_by_ms = command.sale ? command.sale->order.pay_by_ms : 0;
  confirm({position, order.user, order.qty, promo, counted, pay_by_ms, order.unit_price_cents}, lsn,
          order.decided_at_us);
  decided_.remember(confirmed_order(command, position, lsn));
  return true;
}

bool OrderBook::replay_promo_put(const storage::PromoPut& put, Lsn lsn) {
  const auto position = items_.find(put.item);
  if (position == ItemTable::kNone || put.starts_at_ms > put.ends_at_ms) return false;
  PromoDecision decision;
  decision.changed = true;
  decision.put = put;
  decision.item_position = position;
  decision.request_hash = hasher_.id(put.request_id);
  apply_promo(decision, lsn);
  return true;
}

bool OrderBook::replay_rejection(const storage::Rejection& rejection, Lsn lsn) {
  const auto position = items_.find(rejection.item);
  if (position == ItemTable::kNone || rejection.qty > kQtyMax) return false;
  if (rejection.promo == kNoNumber || promos_.find(rejection.promo) != nullptr)
    note_decision(rejection.promo, rejection.decided_at_us);
  else if (!is_closed(rejection.item))
    return false;
  decided_.remember_rejection(rejected_order(rejection, position, lsn));
  if (rejection.promo != kNoNumber) end_ticket(rejection.promo, rejection.user_hash);
  return true;
}

// --- parked decisions -----------------------------------------------------------------------

bool OrderBook::is_closed(std::uint64_t id) const {
  return std::find(closed_.begin(), closed_.end(), id) != closed_.end();
}

const ParkedPromo* OrderBook::parked_promo(std::uint64_t promo) const {
  const auto found = std::find_if(doubtful_.begin(), doubtful_.end(),
                                  [&](const auto& parked) { return parked.promo == promo; });
  return found == doubtful_.end() ? nullptr : &*found;
}

std::uint32_t OrderBook::close_item(std::uint64_t id) {
  if (!is_closed(id)) closed_.push_back(id);
  const auto position = items_.find(id);
  return position == ItemTable::kNone ? items_.add(id) : position;
}

std::uint64_t OrderBook::park_set(const std::vector<storage::Command>& set, Lsn lsn) {
  const auto id = set.front().item();
  const auto position = close_item(id);
  const auto remember = [&](const auto& put) {
    decided_.remember(changed_item(hasher_.id(put.request_id), put.content_hash, position, lsn));
  };
  if (set.front().kind == storage::CommandKind::item_put) {
    remember(set.front().put);
  } else if (set.front().kind == storage::CommandKind::promo_put) {
    remember(set.front().sale->promo);
    doubtful_.push_back({set.front().sale->promo.promo, id, lsn});
  } else if (set.front().kind == storage::CommandKind::order_insert) {
    ++confirmed_;
    decided_.remember(confirmed_order(set.front(), position, lsn));
  } else if (set.front().kind == storage::CommandKind::order_update) {
    note_fulfilment(set.front().sale->update);
  } else if (set.front().kind == storage::CommandKind::ticket_grant) {
    const auto& grant = set.front().sale->ticket;
    if (promos_.find(grant.promo) != nullptr) promos_.note_grant(grant.promo, grant.granted, lsn);
  }
  return id;
}

void OrderBook::park_rejection(const storage::Rejection& rejection, Lsn lsn) {
  decided_.remember_rejection(rejected_order(rejection, close_item(rejection.item), lsn));
}

// --- snapshots ----------------------------------------------------------------------------------

void OrderBook::count(storage::SnapshotSummary& summary) const {
  items_.count(summary);
  users_.count(summary);
  decided_.count(summary);
  promos_.count(summary);
  held_.count(summary);
  tickets_.count(summary);
  sessions_.count(summary);
  summary.decided_at_us = static_cast<std::uint64_t>(decided_at_us_);
}

void OrderBook::save(storage::SnapshotSink& sink) const {
  items_.save(sink);
  users_.save(sink);
  decided_.save(sink);
}

void OrderBook::save_promos(storage::SnapshotSink& sink) const {
  promos_.save(sink);
}

void OrderBook::save_payments(storage::SnapshotSink& sink) const {
  held_.save(sink, [this](std::uint32_t known) { return decided_.kept(known).lsn; });
}

void OrderBook::reserve(const storage::SnapshotSummary& summary) {
  items_.reserve(summary);
  users_.reserve(summary);
  decided_.reserve(summary);
  held_.reserve(summary);
  decided_at_us_ = static_cast<std::int64_t>(summary.decided_at_us);
}

bool OrderBook::load(SnapshotSection section, EntryReader& in, std::uint32_t entries) {
  for (; entries > 0; --entries)
    if (!load_entry(section, in)) return false;
  return true;
}

bool OrderBook::load_entry(SnapshotSection section, EntryReader& in) {
  if (section == SnapshotSection::known || section == SnapshotSection::rejections)
    return load_decision(section, in);
  if (section == SnapshotSection::items) {
    storage::SnapshotItem item;
    return decode(in, item) && items_.load(item);
  }
  if (section == SnapshotSection::promos) return load_promo(in);
  if (section == SnapshotSection::held || section == SnapshotSection::payments)
    return load_payment(section, in);
  if (section == SnapshotSection::grants || section == SnapshotSection::tickets)
    return load_tickets(section, in);
  if (section == SnapshotSection::ended_sessions || section == SnapshotSection::newest_sessions)
    return load_session(section, in);
  users_.prefetch_ahead(in.rest());
  storage::SnapshotUser user;
  if (section != SnapshotSection::users || !decode(in, user)) return false;
  users_.append(user);
  return true;
}

bool OrderBook::load_promo(EntryReader& in) {
  storage::SnapshotPromo promo;
  if (!decode(in, promo) || items_.find(promo.put.item) == ItemTable::kNone) return false;
  return promos_.load(promo);
}

bool OrderBook::load_payment(SnapshotSection section, EntryReader& in) {
  const auto order = [&](Lsn lsn, std::uint32_t near) {
    const auto known = decided_.find_kept(lsn, near);
    const bool confirmed =
        known != DecidedRequests::kNone && decided_.kept(known).kind == KnownKind::confirmed;
    return confirmed ? known : DecidedRequests::kNone;
  };
  if (section == SnapshotSection::held) {
    storage::SnapshotHeld held;
    const auto before = held_.size() == 0 ? 0 : held_[last_held()].known;
    const auto known = decode(in, held) ? order(held.lsn, before) : DecidedRequests::kNone;
    if (known == DecidedRequests::kNone || !held_.load(held, known)) return false;
    const auto& order_of_it = decided_.kept(known);
    if (held.fulfilment == Fulfilment::unpaid)
      count_unpaid(last_held(), order_of_it.item_position, order_of_it.qty);
    return true;
  }
  held_.prefetch_payment_ahead(in.rest());
  const auto paid = held_.last_paid();
  const auto before = paid == HeldOrders::kNone ? 0 : held_[paid].known;
  storage::SnapshotPayment payment;
  const auto known = decode(in, payment) ? order(payment.order, before) : DecidedRequests::kNone;
  return known != DecidedRequests::kNone && held_.load(payment, known);
}

bool OrderBook::load_decision(SnapshotSection section, EntryReader& in) {
  const bool rejections = section == SnapshotSection::rejections;
  decided_.prefetch_ahead(in.rest(), rejections && in.level() != storage::FeatureLevel::format_1
                                         ? sizeof(DecidedRequests::Rejection)
                                         : storage::kKnownDecisionBytes);
  DecidedRequests::Rejection entry;
  const Known& known = entry.decision;
  if (!(rejections ? decode(in, entry) : decode(in, entry.decision)) ||
      known.item_position >= items_.size() || known.qty > kQtyMax)
    return false;
  if (!(rejections ? decided_.load(entry) : decided_.load(known))) return false;
  if (known.kind == KnownKind::confirmed) ++confirmed_;
  return true;
}

// --- reporting ----------------------------------------------------------------------------------

std::optional<ItemRow> OrderBook::item(std::uint64_t id) const {
  const auto position = items_.find(id);
  if (position == ItemTable::kNone) return std::nullopt;
  return items_.row(items_[position]);
}

Lsn OrderBook::add_promos(std::vector<ItemRow>& rows, std::int64_t sale_time_us) const {
  Lsn newest = 0;
  if (promos_.size() == 0) return newest;
  const auto now_ms = sale_time_us / 1000;
  for (auto& row : rows) {
    const auto* promo = promos_.to_show(row.item, now_ms);
    if (promo == nullptr) continue;
    const auto& put = promo->put;
    row.promo = {put.promo,      promo->name,          put.price_cents, put.starts_at_ms,
                 put.ends_at_ms, promo->state(now_ms), put.ticket};
    newest = std::max(newest, promo->put_lsn);
  }
  return newest;
}

std::uint32_t OrderBook::position_of(std::uint64_t id) const {
  const auto position = items_.find(id);
  STAMPEDE_ASSERT(position != ItemTable::kNone, "only items that exist are asked for");
  return position;
}

Books OrderBook::books() const {
  Books books;
  books.confirmed = confirmed_;
  items_.add_to(books);
  promos_.add_to(books);
  held_.add_to(books);
  return books;
}

std::size_t OrderBook::memory_bytes() const {
  return items_.memory_bytes() + decided_.memory_bytes() + users_.memory_bytes() +
         promos_.memory_bytes() + held_.memory_bytes() + unpaid_.memory_bytes() +
         tickets_.memory_bytes() + sessions_.memory_bytes() +
         (counted_items_.size() + counted_promos_.size()) * sizeof(CountedAhead::value_type) * 3;
}

}  // namespace stampede::actors
