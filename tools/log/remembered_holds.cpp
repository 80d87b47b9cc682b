#include "tools/log/remembered_holds.h"

#include <algorithm>
#include <vector>

namespace stampede::tools {
namespace {

using storage::Fulfilment;
using storage::Lsn;

bool is_paid(Fulfilment fulfilment) {
  return fulfilment == Fulfilment::paid || fulfilment == Fulfilment::refund_due;
}

// A payment that came too late for its units leaves them where they are.
bool gave_units_back(Fulfilment fulfilment) {
  return fulfilment == Fulfilment::expired || fulfilment == Fulfilment::cancelled ||
         fulfilment == Fulfilment::refund_due;
}

RememberedHold hold_of(const storage::SnapshotHeld& held, const SnapshotContents& contents) {
  RememberedHold hold;
  hold.fulfilment = held.fulfilment;
  hold.at_ms = held.at_ms;
  const auto& orders = contents.orders;
  const auto order =
      std::lower_bound(orders.begin(), orders.end(), held.lsn,
                       [](const RememberedOrder& one, Lsn lsn) { return one.lsn < lsn; });
  if (order == orders.end() || order->lsn != held.lsn) return hold;
  if (order->item_position < contents.items.size())
    hold.item = contents.items[order->item_position].id;
  hold.qty = order->qty;
  if (gave_units_back(held.fulfilment)) hold.units_back = hold.qty;
  return hold;
}

void note_owed(const SnapshotContents& contents, RememberedHolds& holds) {
  storage::CommandDecoder decoder;
  std::vector<storage::Command> set;
  for (const auto& owed : contents.owed.owed().stock) {
    if (!decoder.command_set(owed.payload, set) || owed.position >= set.size()) continue;
    const auto& command = set[owed.position];
    if (command.kind != storage::CommandKind::stock_change) continue;
    const auto& change = command.sale->stock;
    if (const auto hold = holds.find(change.order); hold != holds.end())
      hold->second.units_owed += change.delta;
  }
}

}  // namespace

RememberedHolds remembered_holds(const SnapshotContents& contents) {
  RememberedHolds holds;
  for (const auto& held : contents.held) holds[held.lsn] = hold_of(held, contents);
  for (const auto& payment : contents.payments)
    if (const auto hold = holds.find(payment.order); hold != holds.end())
      hold->second.payment = payment.hash[0];
  note_owed(contents, holds);
  return holds;
}

std::string differs(const RememberedHold& hold, const storage::StoredOrder& row,
                    const actors::RequestHasher& hasher) {
  const std::string expected(to_text(hold.fulfilment));
  if (row.fulfilment != expected) return row.fulfilment + " instead of " + expected;
  const bool unpaid = hold.fulfilment == Fulfilment::unpaid;
  const auto id = row.payment_id.empty() ? 0 : hasher.id(row.payment_id)[0];
  if (id != (is_paid(hold.fulfilment) ? hold.payment : 0))
    return expected + " by another payment id";
  if (row.fulfilled_at_us / 1000 != (unpaid ? 0 : hold.at_ms)) return expected + " at another time";
  if (unpaid && row.pay_by_ms != hold.at_ms) return "with another end of its hold";
  return {};
}

}  // namespace stampede::tools
