#include "actors/sale/order_book.h"

#include <algorithm>

#include "actors/memory/prefetch.h"
namespace stampede::actors {

namespace {

// The finalizer of MurmurHash3 (Austin Appleby, public domain): every input bit moves every output
// bit. Spreads item ids, which clients see and operators choose, over the index.
constexpr std::uint64_t mix(std::uint64_t x) {
  x ^= x >> 33;
  x *= 0xff51afd7ed558ccdULL;
  x ^= x >> 33;
  x *= 0xc4ceb9fe1a85ec53ULL;
  return x ^ (x >> 33);
}

std::uint64_t index_hash(const storage::RequestHash& hash) {
  return hash[0];
}

ItemDecision item_error(Code code, std::string_view field = {}) {
  ItemDecision decision;
  decision.error = code;
  decision.field = field;
  return decision;
}

}  // namespace

std::uint64_t books_hash(std::uint64_t item, std::int64_t amount, std::int64_t sold) {
  return mix(mix(mix(item) ^ static_cast<std::uint64_t>(amount)) ^
             static_cast<std::uint64_t>(sold));
}

OrderBook::OrderBook(const LogUuid& key, OrderBookLimits limits) : hasher_(key), limits_(limits) {
  STAMPEDE_ASSERT(limits.orders_max < kEntriesMax, "orders_max fits the index");
  STAMPEDE_ASSERT(limits.rejections_max > 0 && limits.rejections_max < kEntriesMax,
                  "rejections_max fits the index");
}

// --- looking ------------------------------------------------------------------------------------

std::uint32_t OrderBook::find_item(std::uint64_t id) const {
  return item_index_.find(mix(id), [&](std::uint32_t at) { return items_[at].id == id; });
}

const OrderBook::Known* OrderBook::find_known(const storage::RequestHash& hash) const {
  // An id whose rejection was forgotten and that was confirmed then has both once more rejections
  // are remembered than before: the order counts.
  const Known* rejection = nullptr;
  const auto at = known_index_.find(index_hash(hash), [&](std::uint32_t position) {
    const auto& known = known_at(position);  // element by element: == would call memcmp
    if (known.hash[0] != hash[0] || known.hash[1] != hash[1]) return false;
    if ((position & kRejection) == 0) return true;
    rejection = &known;
    return false;
  });
  return at == DenseIndex::kNone ? rejection : &known_[at];
}

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

std::uint64_t OrderBook::bought(std::uint64_t user_key) const {
  const auto at =
      user_index_.find(user_key, [&](std::uint32_t p) { return users_[p].key == user_key; });
  return at == DenseIndex::kNone ? 0 : users_[at].qty;
}

OrderKeys OrderBook::keys(const Request& order) const {
  const OrderKeys keys{hasher_.id(order.id),
                       hasher_.order_content(order.item, order.user, order.qty)};
  known_index_.prefetch(index_hash(keys.request));
  item_index_.prefetch(mix(order.item));
  return keys;
}

void OrderBook::prefetch_item(std::uint64_t id) const {
  const auto at = item_index_.likely(mix(id));
  if (at != DenseIndex::kNone) prefetch_line(&items_[at]);
}

// One object for all ends, so that it is made where the caller wants it.
OrderDecision OrderBook::decide_order(const Request& order, const OrderKeys& keys) const {
  OrderDecision decision;
  if (const auto* known = find_known(keys.request)) {
    decision.known = known->kind != KnownKind::item_change && known->content == keys.content;
    if (decision.known)
      decision.answer = answer_of(*known);
    else
      decision.error = Code::key_reused;
    return decision;
  }
  const auto position = find_item(order.item);
  decision.error = refusal(order, position);
  if (decision.error == Code::unknown_item) decision.field = "item";
  if (decision.error == Code::bad_request) decision.field = "qty";
  if (decision.error != Code::none) return decision;

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
  if (limit != 0 && bought(hasher_.user_on_item(order.item, order.user)) + order.qty > limit) {
    decision.answer.reason = RejectReason::limit_reached;
  } else if (item.amount < order.qty) {
    decision.answer.reason = RejectReason::sold_out;
  } else {
    decision.answer.state = State::confirmed;
    decision.answer.left = item.amount - order.qty;
  }
  return decision;
}

// Why an order with a new id is not decided at all.
Code OrderBook::refusal(const Request& order, std::uint32_t position) const {
  if (is_closed(order.item)) return Code::internal;
  if (position == DenseIndex::kNone) return Code::unknown_item;
  if (order.qty == 0 || order.qty > items_[position].terms.max_qty) return Code::bad_request;
  return known_.size() >= limits_.orders_max ? Code::overloaded : Code::none;
}

OrderDecision OrderBook::look_up(std::string_view request_id) const {
  OrderDecision decision;
  const auto* known = find_known(hasher_.id(request_id));
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
  if (const auto* known = find_known(decision.request_hash)) {
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
    (*this)(term, static_cast<std::int64_t>(value.size()));
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
  const auto position = find_item(request.item);
  decision.changed = position == DenseIndex::kNone;
  decision.item_position = static_cast<std::uint32_t>(items_.size());
  if (decision.changed)
    return known_.size() < limits_.orders_max && items_.size() + 1 < kEntriesMax
               ? decision
               : item_error(Code::overloaded);
  const bool same = terms_of(items_[position]) == request.terms;
  return same ? decision : item_error(Code::bad_request, "item");
}

ItemDecision OrderBook::decide_stock_change(const Request& request) const {
  const auto delta = request.delta;
  if (delta < -kStockMax || delta > kStockMax) return item_error(Code::bad_request, "delta");
  auto decision = decide_change(request, hasher_.stock_content(request.item, delta));
  if (decision.error != Code::none || decision.known) return decision;
  const auto position = find_item(request.item);
  if (position == DenseIndex::kNone) return item_error(Code::unknown_item, "item");
  if (known_.size() >= limits_.orders_max) return item_error(Code::overloaded);
  const auto& item = items_[position];
  if (item.amount + delta < 0) return item_error(Code::sold_out, "delta");
  if (item.terms.total + delta > kStockMax) return item_error(Code::bad_request, "delta");
  decision.put.terms = terms_of(item);
  decision.put.terms.total += delta;
  decision.amount = item.amount + delta;
  decision.changed = delta != 0;
  decision.item_position = position;
  return decision;
}

// --- making it true -------------------------------------------------------------------------

void OrderBook::remember(const Known& known) {
  known_index_.insert(index_hash(known.hash), static_cast<std::uint32_t>(known_.size()));
  known_.push_back(known);
}

void OrderBook::remember_rejection(const Known& known) {
  auto position = static_cast<std::uint32_t>(rejections_.size());
  if (position < limits_.rejections_max) {
    rejections_.push_back(known);
  } else {
    position = static_cast<std::uint32_t>(oldest_rejection_);
    forget_oldest_rejection();
    rejections_[position] = known;
  }
  known_index_.insert(index_hash(known.hash), position | kRejection);
}

void OrderBook::forget_oldest_rejection() {
  const auto position = static_cast<std::uint32_t>(oldest_rejection_);
  known_index_.erase(index_hash(rejections_[position].hash), position | kRejection);
  oldest_rejection_ = (oldest_rejection_ + 1) % rejections_.size();
  // Those that are forgotten soon: their lines of the index are long out of the caches.
  constexpr std::size_t kAhead = 16;
  const auto& soon = rejections_[(oldest_rejection_ + kAhead) % rejections_.size()];
  known_index_.prefetch(index_hash(soon.hash));
}

void OrderBook::count_user(std::uint64_t user_key, std::uint32_t qty) {
  const auto at =
      user_index_.find(user_key, [&](std::uint32_t p) { return users_[p].key == user_key; });
  if (at != DenseIndex::kNone) {
    users_[at].qty += qty;
    return;
  }
  const auto position = static_cast<std::uint32_t>(users_.size());
  users_.push_back({user_key, qty});
  user_index_.insert(user_key, position);
}

void OrderBook::confirm(std::uint32_t item_position, std::string_view user, std::uint32_t qty,
                        Lsn lsn) {
  auto& item = items_[item_position];
  STAMPEDE_ASSERT(item.amount >= qty, "an item is never oversold");
  item.amount -= qty;
  item.seq = lsn;
  ++confirmed_;
  if (item.terms.limit_per_user != 0) count_user(hasher_.user_on_item(item.id, user), qty);
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
  if (answer.state == State::rejected) return remember_rejection(known);
  known.kind = KnownKind::confirmed;
  confirm(decision.item_position, user, answer.qty, lsn);
  remember(known);
}

std::uint32_t OrderBook::add_item(std::uint64_t id) {
  const auto position = static_cast<std::uint32_t>(items_.size());
  items_.push_back(Item{.id = id});
  item_index_.insert(mix(id), position);
  const auto place = std::lower_bound(
      items_by_id_.begin(), items_by_id_.end(), id,
      [&](std::uint32_t at, std::uint64_t other) { return items_[at].id < other; });
  items_by_id_.insert(place, position);
  return position;
}

void OrderBook::keep(Name& kept, std::string_view text) {
  if (text_at(kept) == text) return;
  STAMPEDE_ASSERT(names_.size() + text.size() <= UINT32_MAX, "all item names fit 4 GiB");
  kept = {static_cast<std::uint32_t>(names_.size()), static_cast<std::uint32_t>(text.size())};
  names_ += std::string(text);  // the view may point into names_
}

void OrderBook::set_terms(Item& item, const ItemTerms& terms) {
  each_term(
      [&](const storage::Term&, auto& kept, const auto& value) {
        if constexpr (std::is_same_v<decltype(kept), Name&>)
          keep(kept, value);
        else
          kept = value;
      },
      item.terms, terms);
}

std::uint32_t OrderBook::put_item(const storage::ItemPut& put) {
  auto position = find_item(put.item);
  if (position == DenseIndex::kNone) position = add_item(put.item);
  set_terms(items_[position], put.terms);
  return position;
}

void OrderBook::apply_item(const ItemDecision& decision, Lsn lsn) {
  STAMPEDE_ASSERT(decision.error == Code::none && !decision.known && decision.changed,
                  "only a new change of an item is applied");
  const auto position = put_item(decision.put);
  items_[position].amount = decision.amount;
  items_[position].seq = items_[position].put_lsn = lsn;
  remember(Known{decision.request_hash, decision.put.content_hash, lsn, position, 0,
                 KnownKind::item_change, RejectReason::invalid});
}

bool OrderBook::make_room(std::uint64_t orders) {
  const auto known = std::min(known_.size() + orders, limits_.orders_max);
  const auto rejections = std::min(rejections_.size() + orders, limits_.rejections_max);
  if (known_index_.make_room(known + rejections)) return true;
  if (known_.room() < known) return known_.make_room(), true;
  if (rejections_.room() < rejections) return rejections_.make_room(), true;
  return false;
}

// --- reporting ------------------------------------------------------------------------------

std::string_view OrderBook::text_at(Name name) const {
  return std::string_view(names_).substr(name.offset, name.size);
}

ItemTerms OrderBook::terms_of(const Item& item) const {
  return storage::with_texts<std::string_view>(item.terms,
                                               [&](Name name) { return text_at(name); });
}

ItemRow OrderBook::row(const Item& item) const {
  return ItemRow{item.id, terms_of(item), item.amount, item.seq};
}

std::optional<ItemRow> OrderBook::item(std::uint64_t id) const {
  const auto position = find_item(id);
  if (position == DenseIndex::kNone) return std::nullopt;
  return row(items_[position]);
}

std::uint32_t OrderBook::position_of(std::uint64_t id) const {
  const auto position = find_item(id);
  STAMPEDE_ASSERT(position != DenseIndex::kNone, "only items that exist are asked for");
  return position;
}

std::optional<std::uint64_t> OrderBook::page(std::uint64_t from, std::size_t limit,
                                             std::vector<ItemRow>& rows) const {
  auto at = std::lower_bound(items_by_id_.begin(), items_by_id_.end(), from,
                             [&](std::uint32_t p, std::uint64_t id) { return items_[p].id < id; });
  for (; at != items_by_id_.end() && rows.size() < limit; ++at) rows.push_back(row(items_[*at]));
  return at == items_by_id_.end() ? std::nullopt : std::optional(items_[*at].id);
}

Books OrderBook::books() const {
  Books books;
  books.confirmed = confirmed_;
  books.items = items_.size();
  for (std::size_t i = 0; i < items_.size(); ++i) {
    const auto& item = items_[i];
    const auto sold = item.terms.total - item.amount;
    books.sold += static_cast<std::uint64_t>(sold);
    books.hash += books_hash(item.id, item.amount, sold);
  }
  return books;
}

std::size_t OrderBook::memory_bytes() const {
  return items_.memory_bytes() + item_index_.memory_bytes() +
         items_by_id_.capacity() * sizeof(std::uint32_t) + names_.capacity() +
         known_.memory_bytes() + known_index_.memory_bytes() + rejections_.memory_bytes() +
         users_.memory_bytes() + user_index_.memory_bytes();
}

}  // namespace stampede::actors
