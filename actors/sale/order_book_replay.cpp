// What the log says, made true again, or passed over where it cannot be.

#include <algorithm>

#include "actors/sale/order_book.h"

namespace stampede::actors {

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

OrderBook::Known OrderBook::rejected_order(const storage::Rejection& rejection,
                                           std::uint32_t item_position, Lsn lsn) {
  return {rejection.request_hash,
          rejection.content_hash,
          lsn,
          item_position,
          static_cast<std::uint16_t>(rejection.qty),
          KnownKind::rejected,
          rejection.reason};
}

bool OrderBook::replay_set(const std::vector<storage::Command>& set, Lsn lsn) {
  if (set.size() != 2 || set[1].kind != storage::CommandKind::item_amount_update) return false;
  const auto amount = set[1].amount.amount;
  if (set[0].kind == storage::CommandKind::item_put) {
    const auto& put = set[0].put;
    if (!can_keep(put.terms) || amount < 0 || set[1].amount.item != put.item) return false;
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
  const auto position = find_item(order.item);
  if (position == DenseIndex::kNone || set[1].amount.item != order.item || order.qty > kQtyMax ||
      order.user.size() > kUserBytesMax || amount < 0)
    return false;
  if (is_closed(order.item)) items_[position].amount = amount + order.qty;
  if (items_[position].amount - order.qty != amount) return false;
  confirm(position, order.user, order.qty, lsn);
  remember(confirmed_order(order, position, lsn));
  return true;
}

bool OrderBook::replay_rejection(const storage::Rejection& rejection, Lsn lsn) {
  const auto position = find_item(rejection.item);
  if (position == DenseIndex::kNone || rejection.qty > kQtyMax) return false;
  remember_rejection(rejected_order(rejection, position, lsn));
  return true;
}

// --- parked decisions -----------------------------------------------------------------------

bool OrderBook::is_closed(std::uint64_t id) const {
  return std::find(closed_.begin(), closed_.end(), id) != closed_.end();
}

std::uint32_t OrderBook::close_item(std::uint64_t id) {
  if (!is_closed(id)) closed_.push_back(id);
  const auto position = find_item(id);
  return position == DenseIndex::kNone ? add_item(id) : position;
}

std::uint64_t OrderBook::park_set(const std::vector<storage::Command>& set, Lsn lsn) {
  const auto id = set.front().item();
  const auto position = close_item(id);
  if (set.front().kind == storage::CommandKind::item_put) {
    const auto& put = set.front().put;
    remember(Known{hasher_.id(put.request_id), put.content_hash, lsn, position, 0,
                   KnownKind::item_change, RejectReason::invalid});
  } else if (set.front().kind == storage::CommandKind::order_insert) {
    const auto& order = set.front().order;
    ++confirmed_;
    remember(confirmed_order(order, position, lsn));
  }
  return id;
}

void OrderBook::park_rejection(const storage::Rejection& rejection, Lsn lsn) {
  remember_rejection(rejected_order(rejection, close_item(rejection.item), lsn));
}

}  // namespace stampede::actors
