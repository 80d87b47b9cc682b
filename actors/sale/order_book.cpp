#include "actors/sale/order_book.h"

#include <algorithm>

#include "actors/sale/limits.h"
#include "config/process/invariant.h"

namespace stampede::actors {

using storage::EntryReader;
using storage::SnapshotSection;

namespace {

ItemDecision item_error(Code code, std::string_view field = {}) {
  ItemDecision decision;
  decision.error = code;
  decision.field = field;
  return decision;
}

// Of an order that is not decided: what is wrong in it, or the limit that was hit.
std::string_view field_of(Code error) {
  if (error == Code::unknown_item) return "item";
  if (error == Code::bad_request) return "qty";
  return error == Code::overloaded ? limit::kOrders : std::string_view{};
}

}  // namespace

OrderBook::OrderBook(const LogUuid& key, OrderBookLimits limits)
    : hasher_(key), decided_(limits.orders_max, limits.rejections_max) {}

// --- looking ------------------------------------------------------------------------------------

Answer OrderBook::answer_of(const Known& known) const {
  Answer answer;
  answer.state = known.kind == KnownKind::confirmed ? State::confirmed : State::rejected;
  answer.reason = known.reason;
  answer.lsn = known.lsn;
  answer.item = items_[known.item_position].id;
  answer.qty = known.qty;
  answer.replayed = true;
  return answer;
}

OrderKeys OrderBook::keys(const Request& order) const {
  const OrderKeys keys{hasher_.id(order.id),
                       hasher_.order_content(order.item, order.user, order.qty)};
  decided_.prefetch(keys.request);
  items_.prefetch_index(order.item);
  return keys;
}

// One object for all ends, so that it is made where the caller wants it.
OrderDecision OrderBook::decide_order(const Request& order, const OrderKeys& keys) const {
  OrderDecision decision;
  if (const auto* known = decided_.find(keys.request)) {
    decision.known = known->kind != KnownKind::item_change && known->content == keys.content;
    if (decision.known)
      decision.answer = answer_of(*known);
    else
      decision.error = Code::key_reused;
    return decision;
  }
  const auto position = items_.find(order.item);
  decision.error = refusal(order, position);
  if (decision.error != Code::none) {
    decision.field = field_of(decision.error);
    return decision;
  }

  const auto& item = items_[position];
  decision.request_hash = keys.request;
  decision.content_hash = keys.content;
  decision.item_position = position;
  decision.unit_price_cents = item.terms.price_cents;
  decision.answer.item = order.item;
  decision.answer.qty = order.qty;
  decision.answer.left = item.amount;
  decision.answer.state = State::rejected;
  const auto limit = item.terms.limit_per_user;
  if (limit != 0 &&
      users_.bought(hasher_.user_on_item(order.item, order.user)) + order.qty > limit) {
    decision.answer.reason = RejectReason::limit_reached;
  } else if (item.amount < order.qty) {
    decision.answer.reason = RejectReason::sold_out;
  } else {
    decision.answer.state = State::confirmed;
    decision.answer.left = item.amount - order.qty;
    return decision;
  }
  decision.user_hash = hasher_.user(order.user);
  return decision;
}

// Why an order with a new id is not decided at all.
Code OrderBook::refusal(const Request& order, std::uint32_t position) const {
  if (is_closed(order.item)) return Code::internal;
  if (position == ItemTable::kNone) return Code::unknown_item;
  if (order.qty == 0 || order.qty > items_[position].terms.max_qty) return Code::bad_request;
  return decided_.full() ? Code::overloaded : Code::none;
}

OrderDecision OrderBook::look_up(std::string_view request_id) const {
  OrderDecision decision;
  const auto* known = decided_.find(hasher_.id(request_id));
  decision.known = known != nullptr && known->kind != KnownKind::item_change;
  if (decision.known)
    decision.answer = answer_of(*known);
  else
    decision.error = Code::unknown_request;
  return decision;
}

ItemDecision OrderBook::decide_change(const Request& request, std::uint64_t content_hash) const {
  ItemDecision decision;
  decision.request_hash = hasher_.id(request.id);
  decision.put.request_id = request.id;
  decision.put.item = request.item;
  decision.put.content_hash = content_hash;
  if (const auto* known = decided_.find(decision.request_hash)) {
    if (known->kind != KnownKind::item_change || known->content != content_hash)
      return item_error(Code::key_reused);
    decision.known = true;
    decision.lsn = known->lsn;
    return decision;
  }
  return is_closed(request.item) ? item_error(Code::internal) : decision;
}

namespace {

struct BoundsCheck {
  std::string_view& wrong;
  void operator()(const storage::Term& term, std::string_view value) const {
    const bool good =
        value.empty() ? term.min == 0 : valid_text(value, static_cast<std::size_t>(term.max));
    if (wrong.empty() && !good) wrong = term.name;
  }
  void operator()(const storage::Term& term, std::int64_t value) const {
    if (wrong.empty() && (value < term.min || value > term.max)) wrong = term.name;
  }
};

// The first term that no item can have; empty: all are good.
std::string_view wrong_term(const ItemTerms& terms) {
  std::string_view wrong;
  each_term(BoundsCheck{wrong}, terms);
  return wrong;
}

}  // namespace

ItemDecision OrderBook::decide_item_put(const Request& request) const {
  if (request.item > kItemIdMax) return item_error(Code::bad_request, "item");
  if (const auto wrong = wrong_term(request.terms); !wrong.empty())
    return item_error(Code::bad_request, wrong);

  auto decision = decide_change(request, hasher_.put_content(request.item, request.terms));
  if (decision.error != Code::none || decision.known) return decision;
  decision.put.terms = request.terms;
  decision.amount = request.terms.total;
  const auto position = items_.find(request.item);
  decision.changed = position == ItemTable::kNone;
  decision.item_position = static_cast<std::uint32_t>(items_.size());
  if (decision.changed && decided_.full()) return item_error(Code::overloaded, limit::kOrders);
  if (decision.changed && items_.full()) return item_error(Code::overloaded, limit::kItems);
  if (decision.changed) return decision;
  const bool same = items_.terms(items_[position]) == request.terms;
  return same ? decision : item_error(Code::bad_request, "item");
}

ItemDecision OrderBook::decide_stock_change(const Request& request) const {
  const auto delta = request.delta;
  if (delta < -kStockMax || delta > kStockMax) return item_error(Code::bad_request, "delta");
  auto decision = decide_change(request, hasher_.stock_content(request.item, delta));
  if (decision.error != Code::none || decision.known) return decision;
  const auto position = items_.find(request.item);
  if (position == ItemTable::kNone) return item_error(Code::unknown_item, "item");
  if (decided_.full()) return item_error(Code::overloaded, limit::kOrders);
  const auto& item = items_[position];
  if (item.amount + delta < 0) return item_error(Code::sold_out, "delta");
  if (item.terms.total + delta > kStockMax) return item_error(Code::bad_request, "delta");
  decision.put.terms = items_.terms(item);
  decision.put.terms.total += delta;
  decision.amount = item.amount + delta;
  decision.changed = delta != 0;
  decision.item_position = position;
  return decision;
}

// --- making it true -------------------------------------------------------------------------

void OrderBook::confirm(std::uint32_t item_position, std::string_view user, std::uint32_t qty,
                        Lsn lsn) {
  auto& item = items_[item_position];
  STAMPEDE_ASSERT(item.amount >= qty, "an item is never oversold");
  item.amount -= qty;
  item.seq = lsn;
  ++confirmed_;
  if (item.terms.limit_per_user != 0) users_.add(hasher_.user_on_item(item.id, user), qty);
}

void OrderBook::apply_order(const OrderDecision& decision, std::string_view user, Lsn lsn) {
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
  if (answer.state == State::rejected)
    return decided_.remember_rejection({known, decision.user_hash});
  known.kind = KnownKind::confirmed;
  confirm(decision.item_position, user, answer.qty, lsn);
  decided_.remember(known);
}

void OrderBook::apply_item(const ItemDecision& decision, Lsn lsn) {
  STAMPEDE_ASSERT(decision.error == Code::none && !decision.known && decision.changed,
                  "only a new change of an item is applied");
  auto position = items_.find(decision.put.item);
  if (position == ItemTable::kNone) position = items_.add(decision.put.item);
  auto& item = items_[position];
  items_.set_terms(item, decision.put.terms);
  item.amount = decision.amount;
  item.seq = item.put_lsn = lsn;
  decided_.remember(changed_item(decision.request_hash, decision.put.content_hash, position, lsn));
}

// --- what the log says --------------------------------------------------------------------------

OrderBook::Known OrderBook::confirmed_order(const storage::OrderInsert& order,
                                            std::uint32_t item_position, Lsn lsn) const {
  return {hasher_.id(order.request_id),
          hasher_.order_content(order.item, order.user, order.qty),
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
  if (set.size() != 2 || set[1].kind != storage::CommandKind::item_amount_update) return false;
  const auto amount = set[1].amount.amount;
  if (set[0].kind == storage::CommandKind::item_put) {
    const auto& put = set[0].put;
    if (!ItemTable::can_keep(put.terms) || amount < 0 || set[1].amount.item != put.item)
      return false;
    ItemDecision decision;
    decision.changed = true;
    decision.put = put;
    decision.amount = amount;
    decision.request_hash = hasher_.id(put.request_id);
    apply_item(decision, lsn);
    return true;
  }
  if (set[0].kind != storage::CommandKind::order_insert) return false;
  const auto& order = set[0].order;
  const auto position = items_.find(order.item);
  if (position == ItemTable::kNone || set[1].amount.item != order.item || order.qty > kQtyMax ||
      order.user.size() > kUserBytesMax || amount < 0)
    return false;
  if (is_closed(order.item)) items_[position].amount = amount + order.qty;
  if (items_[position].amount - order.qty != amount) return false;
  confirm(position, order.user, order.qty, lsn);
  decided_.remember(confirmed_order(order, position, lsn));
  return true;
}

bool OrderBook::replay_rejection(const storage::Rejection& rejection, Lsn lsn) {
  const auto position = items_.find(rejection.item);
  if (position == ItemTable::kNone || rejection.qty > kQtyMax) return false;
  decided_.remember_rejection(rejected_order(rejection, position, lsn));
  return true;
}

// --- parked decisions -----------------------------------------------------------------------

bool OrderBook::is_closed(std::uint64_t id) const {
  return std::find(closed_.begin(), closed_.end(), id) != closed_.end();
}

std::uint32_t OrderBook::close_item(std::uint64_t id) {
  if (!is_closed(id)) closed_.push_back(id);
  const auto position = items_.find(id);
  return position == ItemTable::kNone ? items_.add(id) : position;
}

std::uint64_t OrderBook::park_set(const std::vector<storage::Command>& set, Lsn lsn) {
  const auto id = set.front().item();
  const auto position = close_item(id);
  if (set.front().kind == storage::CommandKind::item_put) {
    const auto& put = set.front().put;
    decided_.remember(changed_item(hasher_.id(put.request_id), put.content_hash, position, lsn));
  } else if (set.front().kind == storage::CommandKind::order_insert) {
    const auto& order = set.front().order;
    ++confirmed_;
    decided_.remember(confirmed_order(order, position, lsn));
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
}

void OrderBook::save(storage::SnapshotSink& sink) const {
  items_.save(sink);
  users_.save(sink);
  decided_.save(sink);
}

void OrderBook::reserve(const storage::SnapshotSummary& summary) {
  items_.reserve(summary);
  users_.reserve(summary);
  decided_.reserve(summary);
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
  storage::SnapshotUser user;
  if (section != SnapshotSection::users || !decode(in, user)) return false;
  users_.append(user);
  return true;
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

std::uint32_t OrderBook::position_of(std::uint64_t id) const {
  const auto position = items_.find(id);
  STAMPEDE_ASSERT(position != ItemTable::kNone, "only items that exist are asked for");
  return position;
}

Books OrderBook::books() const {
  Books books;
  books.confirmed = confirmed_;
  items_.add_to(books);
  return books;
}

std::size_t OrderBook::memory_bytes() const {
  return items_.memory_bytes() + decided_.memory_bytes() + users_.memory_bytes();
}

}  // namespace stampede::actors
