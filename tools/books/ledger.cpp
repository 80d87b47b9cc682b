#include "tools/books/ledger.h"

#include <algorithm>
#include <functional>
#include <utility>

#include "actors/sale/held_orders.h"
#include "storage/lsn.h"

namespace stampede::tools {
namespace {

using storage::CommandKind;
using storage::Done;
using storage::Lsn;
using storage::RecordType;
using storage::Status;

std::uint64_t mix(std::uint64_t x) {
  x = (x ^ (x >> 30)) * 0xbf58'476d'1ce4'e5b9;
  x = (x ^ (x >> 27)) * 0x94d0'49bb'1331'11eb;
  return x ^ (x >> 31);
}

std::uint64_t hash_of(std::string_view text) {
  return std::hash<std::string_view>{}(text);
}

// {OrderUpdate}, or {OrderUpdate, ItemAmountUpdate, StockChange} of one item.
bool is_update(const std::vector<storage::Command>& set) {
  if (set.empty() || set[0].kind != CommandKind::order_update) return false;
  if (set.size() == 1) return true;
  return set.size() == 3 && set[1].kind == CommandKind::item_amount_update &&
         set[2].kind == CommandKind::stock_change && set[1].item() == set[0].item() &&
         set[2].item() == set[0].item();
}

// {ItemPut, ItemAmountUpdate, StockChange} of one item; older logs lack the third.
bool is_stock_change(const std::vector<storage::Command>& set) {
  return set.size() == 3 && set[0].kind == CommandKind::item_put &&
         set[1].kind == CommandKind::item_amount_update &&
         set[2].kind == CommandKind::stock_change && set[1].item() == set[0].item() &&
         set[2].item() == set[0].item();
}

std::string at(Lsn lsn) {
  return "lsn " + storage::to_text(lsn) + ": ";
}

}  // namespace

void Findings::add(std::string text) {
  ++count_;
  if (texts_.size() < kTextsMax) texts_.push_back(std::move(text));
}

std::uint64_t order_content(std::string_view request_id, std::uint64_t item, std::string_view user,
                            std::uint32_t qty, std::int64_t unit_price_cents, std::uint64_t promo) {
  std::uint64_t hash = mix(hash_of(request_id) + 1);
  hash = mix(hash ^ item);
  hash = mix(hash ^ hash_of(user));
  hash = mix(hash ^ qty);
  hash = mix(hash ^ static_cast<std::uint64_t>(unit_price_cents));
  return mix(hash ^ promo);
}

Status Ledger::on_log(const storage::LogIdentity& log) {
  uuid_ = log.uuid;
  hasher_ = actors::RequestHasher(log.hash_key);
  return Done{};
}

void Ledger::begin_with(SnapshotContents&& before) {
  remembered_to_ = last_lsn_ = before.header.position.last_lsn;
  for (const auto& order : before.orders) {
    orders_.push_back({order.lsn, order.content});
    ids_.push_back(order.id);
  }
  for (const auto& user : before.users) bought_[user.key] = static_cast<std::int64_t>(user.qty);
  for (auto& row : before.items) {
    LedgerItem& item = items_[row.id];
    item.terms = std::move(row.terms);
    item.sale = std::move(row.sale);
    item.amount = row.amount;
    item.sold_before = item.terms.total - row.amount;
    item.put_lsn = row.put_lsn;
    item.lsn = row.lsn;
  }
  remembered_ = remembered_holds(before);
  for (const auto& payment : before.payments) payments_[payment.hash[0]] = payment.order;
  for (const auto& order : before.orders)
    if (order.item_position < before.items.size())
      items_[before.items[order.item_position].id].journal -= order.qty;
  for (auto& row : before.promos)
    promos_[row.promo.put.promo] = {std::move(row.promo), row.put_lsn, row.granted, row.lsn};
  tickets_ = std::move(before.tickets);
  for (const auto& row : before.held) {
    LedgerHeld& held = held_[row.lsn];
    const auto& hold = remembered_[row.lsn];
    held.item = hold.item;
    held.qty = hold.qty;
    held.payment = hold.payment;
    if (hold.units_back != 0) items_[held.item].journal += hold.units_back;
    held.counted = row.counted;
    held.user_on_item = row.user_on_item;
    held.user_in_promo = row.user_in_promo;
    held.total_cents = row.unit_price_cents * held.qty;
    held.fulfilment = row.fulfilment;
    if (row.fulfilment == storage::Fulfilment::unpaid)
      held.pay_by_ms = row.at_ms;
    else
      held.changed_at_us = row.at_ms * 1000;
  }
  fold_ = std::move(before.owed);
}

std::uint64_t Ledger::content_of(const storage::StoredOrder& row) const {
  if (row.order_id <= remembered_to_) return remembered_content(hasher_, row);
  return order_content(row.request_id, row.item, row.user, row.qty, row.unit_price_cents,
                       row.promo);
}

Status Ledger::on_record(const storage::BatchInfo&, const storage::RecordView& record) {
  if (storage::is_decision(record.type)) last_lsn_ = record.lsn;
  if (record.type == RecordType::emit) return emit(record);
  if (record.type == RecordType::reject && record.lsn <= up_to_) {
    if (auto taken = reject(record); !taken) return taken;
  }
  return fold_.record(record);
}

// Whoever has reached his limit has no more use for his ticket.
Status Ledger::reject(const storage::RecordView& record) {
  storage::Rejection rejection;
  if (!decoder_.rejection(record.payload, rejection))
    return storage::unreadable_record("REJECT", record.lsn);
  if (rejection.promo != storage::kNoNumber)
    tickets_.end(actors::TicketTable::key(rejection.promo, rejection.user_hash));
  return Done{};
}

Status Ledger::emit(const storage::RecordView& record) {
  if (!decoder_.command_set(record.payload, set_)) {
    return storage::unreadable_record("EMIT", record.lsn);
  }
  if (auto kept = storage::is_kept(record, set_); !kept) return kept;
  if (auto taken = fold_.emit(record.lsn, record.payload, set_); !taken) return taken;
  if (record.lsn > up_to_) return Done{};
  const bool pair = set_.size() == 2 && set_[1].kind == CommandKind::item_amount_update &&
                    set_[0].item() == set_[1].item();
  if ((pair || is_stock_change(set_)) && set_[0].kind == CommandKind::item_put) {
    take_put(set_[0], set_[1].amount.amount, record.lsn);
  } else if (pair && set_[0].kind == CommandKind::order_insert) {
    take_order(set_[0], set_[1].amount.amount, record.lsn);
  } else if (set_.size() == 1 && set_[0].kind == CommandKind::promo_put) {
    take_promo(set_[0].sale->promo, record.lsn);
  } else if (set_.size() == 1 && set_[0].kind == CommandKind::ticket_grant) {
    take_grant(set_[0].sale->ticket, record.lsn);
  } else if (is_update(set_)) {
    const auto& update = set_[0].sale->update;
    take_update(update, record.lsn);
  } else {
    findings_.add(at(record.lsn) +
                  "a command set that is no order, no change of an order, an item "
                  "or a promo, and no ticket");
  }
  return Done{};
}

void Ledger::take_put(const storage::Command& command, std::int64_t amount, Lsn lsn) {
  const auto& put = command.put;
  auto [entry, added] = items_.try_emplace(put.item);
  LedgerItem& item = entry->second;
  const auto total = put.terms.total;
  if (set_.size() == 3) {
    const auto& stock = set_[2].sale->stock;
    stock_.push_back({stock, lsn});
    if (stock.delta != total - item.terms.total)
      findings_.add(at(lsn) + "item " + std::to_string(put.item) + " is said to get " +
                    std::to_string(stock.delta) + " units more, and gets " +
                    std::to_string(total - item.terms.total));
  }
  item.terms = copy_of(put.terms);
  item.sale = command.sale ? copy_of(command.sale->item) : storage::OwnedItemSale{};
  item.amount = amount;
  if (added) item.sold_before = total - amount;
  item.put_lsn = item.lsn = lsn;
  if (total - amount != item.sold_before + item.sold) {
    findings_.add(at(lsn) + "item " + std::to_string(put.item) + " is set to total " +
                  std::to_string(total) + " and left " + std::to_string(amount) + ", but " +
                  std::to_string(item.sold_before + item.sold) + " were sold");
  }
  note_oversold(put.item, item, lsn);
}

void Ledger::take_order(const storage::Command& command, std::int64_t amount, Lsn lsn) {
  const auto& order = command.order;
  const auto promo = command.sale ? command.sale->order.promo : storage::kNoNumber;
  orders_.push_back({lsn, order_content(order.request_id, order.item, order.user, order.qty,
                                        order.unit_price_cents, promo)});
  ids_.push_back(hasher_.id(order.request_id)[0]);
  const auto entry = items_.find(order.item);
  if (entry == items_.end()) {
    findings_.add(at(lsn) + "an order of item " + std::to_string(order.item) +
                  ", which was never put for sale");
    return;
  }
  LedgerItem& item = entry->second;
  if (amount != item.amount - order.qty) {
    findings_.add(at(lsn) + "item " + std::to_string(order.item) + " had " +
                  std::to_string(item.amount) + " left, " + std::to_string(order.qty) +
                  " were sold, and " + std::to_string(amount) + " are said to be left");
  }
  item.amount = amount;
  item.journal -= order.qty;
  item.sold += order.qty;
  item.lsn = lsn;
  if (command.sale && command.sale->order.pay_by_ms != 0) {
    LedgerHeld& held = held_[lsn];
    held.item = order.item;
    held.qty = order.qty;
    held.counted = command.sale->order.counted;
    held.user_on_item = hasher_.user_on_item(order.item, order.user);
    if (promo != storage::kNoNumber) held.user_in_promo = hasher_.user_in_promo(promo, order.user);
    held.total_cents = order.unit_price_cents * order.qty;
    held.pay_by_ms = command.sale->order.pay_by_ms;
  }
  if (item.sale.closed != 0)
    findings_.add(at(lsn) + "an order of item " + std::to_string(order.item) + ", which is closed");
  if (item.sale.promo_only != 0 && promo == storage::kNoNumber)
    findings_.add(at(lsn) + "an order of item " + std::to_string(order.item) +
                  " without a promo, though it is sold in promos only");
  check_limit(item, order, lsn);
  if (promo != storage::kNoNumber) check_promo(command, lsn);
  note_oversold(order.item, item, lsn);
}

// The units of the set at hand go back to the item, or are taken again.
void Ledger::move_units(LedgerHeld& held, std::int64_t delta, Lsn lsn) {
  const auto& stock = set_[2].sale->stock;
  stock_.push_back({stock, lsn});
  LedgerItem& item = items_[held.item];
  const auto amount = set_[1].amount.amount;
  if (stock.delta != delta || item.amount + delta != amount) {
    findings_.add(at(lsn) + "item " + std::to_string(held.item) + " had " +
                  std::to_string(item.amount) + " left, " + std::to_string(delta) +
                  " are moved by an order, and " + std::to_string(amount) +
                  " are said to be left, by " + std::to_string(stock.delta));
  }
  item.amount = amount;
  item.journal += delta;
  item.sold -= delta;
  item.lsn = lsn;
  if ((held.counted & 1U) != 0) bought_[held.user_on_item] -= delta;
  if ((held.counted & 2U) != 0) bought_[held.user_in_promo] -= delta;
  note_oversold(held.item, item, lsn);
}

void Ledger::take_promo(const storage::PromoPut& put, Lsn lsn) {
  auto& promo = promos_[put.promo];
  promo.promo = storage::OwnedPromo(put);
  promo.put_lsn = lsn;
}

void Ledger::take_grant(const storage::TicketGrant& grant, Lsn lsn) {
  const std::string name = "promo " + std::to_string(grant.promo);
  const auto found = promos_.find(grant.promo);
  if (found == promos_.end() || found->second.promo.put.item != grant.item)
    return findings_.add(at(lsn) + "a ticket of " + name + ", which its item does not have");
  auto& promo = found->second;
  if (promo.promo.put.ticket == 0)
    findings_.add(at(lsn) + "a ticket of " + name + ", which needs none");
  if (grant.granted != promo.granted + 1)
    findings_.add(at(lsn) + name + " had given " + std::to_string(promo.granted) +
                  " tickets, and is said to have given " + std::to_string(grant.granted));
  const auto gate = storage::gate_of(promo.promo.put, items_[grant.item].terms.total);
  if (grant.granted > gate)
    findings_.add(at(lsn) + name + " has given " + std::to_string(grant.granted) +
                  " tickets, through a gate for " + std::to_string(gate));
  promo.granted = grant.granted;
  promo.lsn = lsn;
  tickets_.put(actors::TicketTable::key(grant.promo, hasher_.user(grant.user)), grant.ticket,
               grant.expires_at_ms);
}

void Ledger::take_update(const storage::OrderUpdate& update, Lsn lsn) {
  using storage::Fulfilment;
  const auto found = held_.find(update.order);
  const std::string name = "order " + storage::to_text(update.order);
  if (found == held_.end() || found->second.item != update.item)
    return findings_.add(at(lsn) + name + " is changed, which needs no payment");
  LedgerHeld& held = found->second;
  const auto to = static_cast<Fulfilment>(update.fulfilment);
  if (!actors::may_become(held.fulfilment, to)) {
    findings_.add(at(lsn) + name + " was " + std::string(to_text(held.fulfilment)) +
                  " and became " + std::string(to_text(to)));
  }
  const bool is_payment = to == Fulfilment::paid || to == Fulfilment::refund_due;
  if (is_payment && update.amount_cents != held.total_cents)
    findings_.add(at(lsn) + name + " was paid with another amount");
  const auto payment = is_payment ? hasher_.id(update.action_id)[0] : 0;
  if (is_payment) {
    const auto [known, added] = payments_.emplace(payment, update.order);
    if (!added)
      findings_.add(at(lsn) + name + " was paid by the payment of order " +
                    storage::to_text(known->second));
  }
  if (to == Fulfilment::expired && update.decided_at_us / 1000 < held.pay_by_ms)
    findings_.add(at(lsn) + name + " expired before its time to pay was over");
  const std::int64_t moved = actors::units_moved(held.fulfilment, to);
  held.fulfilment = to;
  held.lsn = lsn;
  held.payment = payment;
  held.changed_at_us = update.decided_at_us;
  if ((moved != 0) != (set_.size() == 3))
    return findings_.add(at(lsn) + name + ": its units do not go with it");
  if (moved != 0) move_units(held, moved * held.qty, lsn);
}

void Ledger::check_limit(const LedgerItem& item, const storage::OrderInsert& order, Lsn lsn) {
  // Whether the item's limit counts is said by the record where it says anything.
  const std::int64_t limit = item.terms.limit_per_user;
  if (limit == 0) return;
  count_against(limit, hasher_.user_on_item(order.item, order.user), order.qty,
                "of item " + std::to_string(order.item), lsn);
}

// Held against what the promo was like when the order was decided.
void Ledger::check_promo(const storage::Command& command, Lsn lsn) {
  const auto& sale = command.sale->order;
  const std::string name = "promo " + std::to_string(sale.promo);
  const auto found = promos_.find(sale.promo);
  if (found == promos_.end() || found->second.promo.put.item != command.order.item)
    return findings_.add(at(lsn) + "an order in " + name + ", which its item does not have");
  const auto& put = found->second.promo.put;
  const auto decided_at_ms = command.order.decided_at_us / 1000;
  if (decided_at_ms < put.starts_at_ms || decided_at_ms >= put.ends_at_ms)
    findings_.add(at(lsn) + "an order in " + name + " outside of its window");
  if (command.order.unit_price_cents != put.price_cents)
    findings_.add(at(lsn) + "an order in " + name + " at another price");
  const auto ticket = actors::TicketTable::key(sale.promo, hasher_.user(command.order.user));
  if (put.ticket != 0 && !tickets_.expiry(ticket, command.order.request_id))
    findings_.add(at(lsn) + "an order in " + name + " without a ticket");
  tickets_.end(ticket);
  if ((sale.counted & 2U) == 0) return;
  count_against(put.limit_per_user, hasher_.user_in_promo(sale.promo, command.order.user),
                command.order.qty, "in " + name, lsn);
}

void Ledger::count_against(std::int64_t limit, std::uint64_t user, std::uint32_t qty,
                           const std::string& of, Lsn lsn) {
  std::int64_t& bought = bought_[user];
  bought += qty;
  if (bought <= limit) return;
  ++over_limit_;
  findings_.add(at(lsn) + "a user has now " + std::to_string(bought) + " " + of +
                ", over the limit of " + std::to_string(limit));
}

void Ledger::note_oversold(std::uint64_t id, const LedgerItem& item, Lsn lsn) {
  const auto units =
      std::max({std::int64_t{0}, -item.amount, item.sold_before + item.sold - item.terms.total});
  if (units > oversold_) {
    findings_.add(at(lsn) + "item " + std::to_string(id) + " is oversold by " +
                  std::to_string(units));
  }
  oversold_ = std::max(oversold_, units);
}

void Ledger::close() {
  std::sort(ids_.begin(), ids_.end());
  for (std::size_t i = 1; i < ids_.size(); ++i) doubled_ += ids_[i] == ids_[i - 1] ? 1 : 0;
  if (doubled_ > 0) {
    findings_.add(std::to_string(doubled_) + " request ids have more than one order in the log");
  }
  ids_ = {};
  const auto owed = fold_.owed();
  for (const auto& order : owed.orders) owed_orders_.emplace_back(order.lsn, order.tries > 0);
  for (const auto& put : owed.puts) owed_puts_[put.item] = put.tries > 0;
  for (const auto& amount : owed.amounts) owed_amounts_[amount.item] = amount.tries > 0;
  for (const auto& promo : owed.promos) owed_promos_[promo.promo] = promo.tries > 0;
  for (const auto& grant : owed.grants) owed_grants_[grant.promo] = grant.tries > 0;
  for (const auto& update : owed.updates) {
    owed_updates_[update.order] = update.tries > 0;
    if (const auto held = held_.find(update.order); held != held_.end() && update.lsn <= up_to_)
      held->second.owed_lsn = update.lsn;
  }
  for (const auto& change : owed.stock) owed_stock_[change.lsn] = change.tries > 0;
  for (const auto& [lsn, failed] : owed_stock_)
    if (lsn <= remembered_to_) stock_lsns_.push_back(lsn);
  for (const auto& row : stock_) stock_lsns_.push_back(row.lsn);
}

Ledger::Owed Ledger::owed_order(Lsn lsn) const {
  const auto found =
      std::lower_bound(owed_orders_.begin(), owed_orders_.end(), std::pair<Lsn, bool>{lsn, false});
  if (found == owed_orders_.end() || found->first != lsn) return Owed::no;
  return found->second ? Owed::failed : Owed::pending;
}

namespace {

Ledger::Owed owed_in(const std::map<std::uint64_t, bool>& owed, std::uint64_t key) {
  const auto found = owed.find(key);
  if (found == owed.end()) return Ledger::Owed::no;
  return found->second ? Ledger::Owed::failed : Ledger::Owed::pending;
}

}  // namespace

Ledger::Owed Ledger::owed_put(std::uint64_t item) const {
  return owed_in(owed_puts_, item);
}

Ledger::Owed Ledger::owed_amount(std::uint64_t item) const {
  return owed_in(owed_amounts_, item);
}

Ledger::Owed Ledger::owed_update(Lsn order) const {
  return owed_in(owed_updates_, order);
}

Ledger::Owed Ledger::owed_stock(Lsn lsn) const {
  return owed_in(owed_stock_, lsn);
}

Ledger::Owed Ledger::owed_grant(std::uint64_t promo) const {
  return owed_in(owed_grants_, promo);
}

Ledger::Owed Ledger::owed_promo(std::uint64_t promo) const {
  return owed_in(owed_promos_, promo);
}

}  // namespace stampede::tools
