// What an operator may make of an item.

#include <utility>

#include "actors/sale/limits.h"
#include "actors/sale/order_book.h"
#include "actors/sale/term_bounds.h"

namespace stampede::actors {

namespace {

ItemDecision item_error(Code code, std::string_view field = {}) {
  ItemDecision decision;
  decision.error = code;
  decision.field = field;
  return decision;
}

// The first term that no item can have; empty: all are good.
std::string_view wrong_term(const ItemTerms& terms, const ItemSale& sale) {
  std::string_view wrong;
  each_term(TermBounds{wrong}, terms);
  each_sale_term(TermBounds{wrong}, sale);
  return wrong;
}

}  // namespace

ItemDecision OrderBook::decide_change(std::string_view request_id, std::uint64_t item,
                                      std::uint64_t content_hash) const {
  ItemDecision decision;
  decision.request_hash = hasher_.id(request_id);
  decision.put.request_id = request_id;
  decision.put.item = item;
  decision.put.content_hash = content_hash;
  if (const auto* known = decided_.find(decision.request_hash)) {
    if (known->kind != KnownKind::item_change || known->content != content_hash)
      return item_error(Code::key_reused);
    decision.known = true;
    decision.lsn = known->lsn;
    return decision;
  }
  return is_closed(item) ? item_error(Code::internal) : decision;
}

ItemDecision OrderBook::decide_item(const ItemRequest& request, std::int64_t sale_time_us) const {
  if (request.put.item > kItemIdMax) return item_error(Code::bad_request, "item");
  const bool add = request.action == ItemAction::add;
  if (add) {
    if (const auto wrong = wrong_term(request.put.terms, request.sale); !wrong.empty())
      return item_error(Code::bad_request, wrong);
  }
  auto decision =
      decide_change(request.put.request_id, request.put.item, hasher_.item_content(request));
  if (decision.error != Code::none || decision.known) return decision;
  decision =
      add ? decide_add(request, std::move(decision)) : decide_set(request, std::move(decision));
  decision.sale.decided_at_us = sale_time_us;
  return decision;
}

ItemDecision OrderBook::decide_item_put(const Request& request) const {
  ItemRequest item;
  item.action = ItemAction::add;
  item.put.request_id = request.id;
  item.put.item = request.item;
  item.put.terms = request.terms;
  return decide_item(item);
}

ItemDecision OrderBook::decide_add(const ItemRequest& request, ItemDecision decision) const {
  decision.put.terms = request.put.terms;
  decision.sale = request.sale;
  decision.amount = request.put.terms.total;
  const auto position = items_.find(request.put.item);
  decision.changed = position == ItemTable::kNone;
  decision.item_position = static_cast<std::uint32_t>(items_.size());
  if (decision.changed && decided_.full()) return item_error(Code::overloaded, limit::kOrders);
  if (decision.changed && items_.full()) return item_error(Code::overloaded, limit::kItems);
  if (decision.changed) return decision;
  const auto& item = items_[position];
  const bool same =
      items_.terms(item) == request.put.terms && same_terms(items_.sale_terms(item), request.sale);
  return same ? decision : item_error(Code::bad_request, "item");
}

// The item as it is, with what the request says of it: for later orders.
ItemDecision OrderBook::decide_set(const ItemRequest& request, ItemDecision decision) const {
  const auto position = items_.find(request.put.item);
  if (position == ItemTable::kNone) return item_error(Code::unknown_item, "item");
  const auto& item = items_[position];
  decision.item_position = position;
  decision.amount = item.amount;
  decision.put.terms = items_.terms(item);
  decision.sale = items_.sale_terms(item);
  std::uint32_t at = 0;
  if (request.action == ItemAction::set)
    storage::each_settable_term(
        [&](const storage::Term&, auto& to, const auto& from) {
          if (((request.given >> at++) & 1U) != 0) to = from;
        },
        decision, request);
  else
    decision.sale.closed = request.action == ItemAction::close ? 1 : 0;
  if (const auto wrong = wrong_term(decision.put.terms, decision.sale); !wrong.empty())
    return item_error(Code::bad_request, wrong);
  decision.changed = decision.put.terms != items_.terms(item) ||
                     !same_terms(decision.sale, items_.sale_terms(item));
  if (decision.changed && decided_.full()) return item_error(Code::overloaded, limit::kOrders);
  return decision;
}

ItemDecision OrderBook::decide_stock_change(const Request& request,
                                            std::int64_t sale_time_us) const {
  const auto delta = request.delta;
  if (delta < -kStockMax || delta > kStockMax) return item_error(Code::bad_request, "delta");
  auto decision =
      decide_change(request.id, request.item, hasher_.stock_content(request.item, delta));
  if (decision.error != Code::none || decision.known) return decision;
  const auto position = items_.find(request.item);
  if (position == ItemTable::kNone) return item_error(Code::unknown_item, "item");
  if (decided_.full()) return item_error(Code::overloaded, limit::kOrders);
  const auto& item = items_[position];
  if (item.amount + delta < 0) return item_error(Code::sold_out, "delta");
  if (item.terms.total + delta > kStockMax) return item_error(Code::bad_request, "delta");
  decision.put.terms = items_.terms(item);
  decision.put.terms.total += delta;
  decision.sale = items_.sale_terms(item);
  decision.sale.decided_at_us = sale_time_us;
  decision.amount = item.amount + delta;
  decision.changed = delta != 0;
  decision.item_position = position;
  decision.stock.item = request.item;
  decision.stock.delta = delta;
  decision.stock.reason = static_cast<std::uint32_t>(storage::StockReason::add);
  decision.stock.decided_at_us = sale_time_us;
  return decision;
}

}  // namespace stampede::actors
