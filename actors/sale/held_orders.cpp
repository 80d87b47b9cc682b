#include "actors/sale/held_orders.h"

#include "actors/memory/near_search.h"
#include "actors/sale/entries_ahead.h"
#include "config/process/invariant.h"

namespace stampede::actors {

using storage::SnapshotSection;

bool may_become(Fulfilment from, Fulfilment to) {
  switch (to) {
    case Fulfilment::expired:
    case Fulfilment::cancelled:
      return from == Fulfilment::unpaid;
    case Fulfilment::paid:
      return from == Fulfilment::unpaid || from == Fulfilment::expired ||
             from == Fulfilment::cancelled;
    case Fulfilment::refund_due:
      return from == Fulfilment::expired || from == Fulfilment::cancelled;
    case Fulfilment::none:
    case Fulfilment::unpaid:
      break;
  }
  return false;
}

int units_moved(Fulfilment from, Fulfilment to) {
  if (to == Fulfilment::expired || to == Fulfilment::cancelled) return 1;
  return to == Fulfilment::paid && from != Fulfilment::unpaid ? -1 : 0;
}

std::uint32_t HeldOrders::find(std::uint32_t known, std::uint32_t near) const {
  const auto at = first_not_before(static_cast<std::uint32_t>(orders_.size()), near,
                                   [&](auto one) { return orders_[one].known < known; });
  return at < orders_.size() && orders_[at].known == known ? at : kNone;
}

void HeldOrders::add(const Order& order, storage::Lsn lsn) {
  STAMPEDE_ASSERT(orders_.size() == 0 || orders_[orders_.size() - 1].known < order.known,
                  "orders come in the order of their decisions");
  if (order.fulfilment == Fulfilment::unpaid) {
    deadlines_.push({order.at_ms, static_cast<std::uint32_t>(orders_.size())});
    ++unpaid_;
  }
  orders_.push_back(order);
  hash_ += held_hash(lsn, order.fulfilment);
}

void HeldOrders::become(std::uint32_t at, storage::Lsn lsn, Fulfilment fulfilment,
                        std::int64_t at_ms) {
  auto& order = orders_[at];
  if (order.fulfilment == Fulfilment::unpaid) --unpaid_;
  hash_ += held_hash(lsn, fulfilment) - held_hash(lsn, order.fulfilment);
  order.fulfilment = fulfilment;
  order.at_ms = at_ms;
  drop_settled();
}

// Two at the most for each that is settled, so that no call takes long and none is left for good:
// of a log with ten million of them each would be waited for anew.
void HeldOrders::drop_settled() {
  for (int i = 0; i < 2; ++i) {
    if (deadlines_.empty() || orders_[deadlines_.top().at].fulfilment == Fulfilment::unpaid) return;
    deadlines_.pop();
  }
}

std::uint32_t HeldOrders::paid_for(const storage::RequestHash& payment) const {
  const auto found = payment_index_.find(
      payment[0], [&](std::uint32_t position) { return payments_[position].hash == payment; });
  return found == DenseIndex::kNone ? kNone : payments_[found].at;
}

void HeldOrders::remember_payment(const storage::RequestHash& payment, std::uint32_t at) {
  payment_index_.insert(payment[0], static_cast<std::uint32_t>(payments_.size()));
  payments_.push_back({payment, at});
}

HeldOrders::Due HeldOrders::due(std::int64_t now_ms) {
  if (deadlines_.empty() || deadlines_.top().pay_by_ms > now_ms) return {};
  const auto at = deadlines_.top().at;
  if (orders_[at].fulfilment == Fulfilment::unpaid) return {at, true};
  deadlines_.pop();
  return {kNone, true};
}

void HeldOrders::pass_over_due() {
  deadlines_.pop();
}

void HeldOrders::add_to(Books& books) const {
  books.held = orders_.size();
  books.held_hash = hash_;
}

std::size_t HeldOrders::memory_bytes() const {
  return orders_.memory_bytes() + payments_.memory_bytes() + payment_index_.memory_bytes() +
         deadlines_.size() * sizeof(Deadline);
}

// --- snapshots ----------------------------------------------------------------------------------

void HeldOrders::count(storage::SnapshotSummary& summary) const {
  summary.held = orders_.size();
  summary.payments = payments_.size();
}

void HeldOrders::save(storage::SnapshotSink& sink,
                      const std::function<storage::Lsn(std::uint32_t)>& lsn_of) const {
  storage::EntryWriter out(sink.level());
  for (std::size_t i = 0; i < orders_.size(); ++i) {
    const auto& order = orders_[i];
    sink.add(
        SnapshotSection::held,
        encode(out, storage::SnapshotHeld{lsn_of(order.known), order.user_on_item,
                                          order.user_in_promo, order.unit_price_cents, order.promo,
                                          order.at_ms, order.fulfilment, order.counted}));
  }
  for (std::size_t i = 0; i < payments_.size(); ++i) {
    const auto& payment = payments_[i];
    sink.add(
        SnapshotSection::payments,
        encode(out, storage::SnapshotPayment{payment.hash, lsn_of(orders_[payment.at].known)}));
  }
}

void HeldOrders::prefetch_payment_ahead(std::string_view block) const {
  look_at_entry_ahead(block, sizeof(storage::SnapshotPayment),
                      [this](auto hash) { payment_index_.prefetch(hash); });
}

bool HeldOrders::load(const storage::SnapshotHeld& entry, std::uint32_t known) {
  if (orders_.size() > 0 && orders_[orders_.size() - 1].known >= known) return false;
  add({entry.user_on_item, entry.user_in_promo, entry.unit_price_cents, entry.promo, entry.at_ms,
       known, entry.fulfilment, entry.counted},
      entry.lsn);
  return true;
}

bool HeldOrders::load(const storage::SnapshotPayment& entry, std::uint32_t known) {
  const auto at = find(known, last_paid());
  if (at == kNone || paid_for(entry.hash) != kNone) return false;
  remember_payment(entry.hash, at);
  return true;
}

}  // namespace stampede::actors
