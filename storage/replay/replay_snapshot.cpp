// Saving and loading of a ReplayFold; the entries are storage/snapshot/snapshot_entries.h's.

#include "storage/replay/replay.h"

namespace stampede::storage {

void ReplayFold::count(SnapshotSummary& summary) const {
  const auto now = counts();
  summary.owed_orders = now.owed_orders;
  summary.owed_puts = now.owed_puts;
  summary.owed_amounts = now.owed_amounts;
  summary.owed_promos = now.owed_promos;
  summary.owed_grants = now.owed_grants;
  summary.owed_updates = now.owed_updates;
  summary.owed_stock = now.owed_stock;
  summary.records = now.records;
  summary.decisions = now.decisions;
  summary.commands = now.commands;
  summary.done = now.done;
  summary.last_emit = last_lsn_;
}

void ReplayFold::save(SnapshotSink& sink) const {
  EntryWriter out(sink.level());
  const auto owed_now = owed();
  for (const auto& o : owed_now.orders) {
    sink.add(SnapshotSection::owed_orders,
             encode(out, SnapshotOwed{0, o.lsn, o.position, o.tries, 0, o.payload}));
  }
  for (const auto& p : owed_now.puts) {
    sink.add(SnapshotSection::owed_puts,
             encode(out, SnapshotOwed{p.item, p.lsn, p.position, p.tries, 0, p.payload}));
  }
  for (const auto& a : owed_now.amounts) {
    sink.add(SnapshotSection::owed_amounts,
             encode(out, SnapshotOwed{a.item, a.lsn, a.position, a.tries, a.amount, {}}));
  }
  for (const auto& p : owed_now.promos) {
    sink.add(SnapshotSection::owed_promos,
             encode(out, SnapshotOwed{p.promo, p.lsn, p.position, p.tries, 0, p.payload}));
  }
}

void ReplayFold::save_updates(SnapshotSink& sink) const {
  EntryWriter out(sink.level());
  updates_.each_owed([&](Lsn order, const auto& newest) {
    sink.add(SnapshotSection::owed_updates,
             encode(out, SnapshotOwed{order, newest.lsn, newest.position, newest.tries, 0,
                                      newest.value}));
  });
  for (const auto& o : stock_.list()) {
    sink.add(SnapshotSection::owed_stock,
             encode(out, SnapshotOwed{0, o.lsn, o.position, o.tries, 0, o.payload}));
  }
}

void ReplayFold::save_grants(SnapshotSink& sink) const {
  EntryWriter out(sink.level());
  grants_.each_owed([&](std::uint64_t promo, const auto& newest) {
    sink.add(SnapshotSection::owed_grants,
             encode(out, SnapshotOwed{promo, newest.lsn, newest.position, newest.tries, 0,
                                      newest.value}));
  });
}

void ReplayFold::load(const SnapshotSummary& summary) {
  counts_.records = summary.records;
  counts_.decisions = summary.decisions;
  counts_.commands = summary.commands;
  counts_.done = summary.done;
  last_lsn_ = summary.last_emit;
}

bool ReplayFold::load(const SnapshotBlock& block) {
  EntryReader in(block.entries, block.level);
  for (std::uint32_t i = 0; i < block.count; ++i) {
    SnapshotOwed owed;
    if (!decode(in, owed) || !load(block.section, owed)) return false;
  }
  return in.at_end();
}

bool ReplayFold::load(SnapshotSection section, const SnapshotOwed& owed) {
  const std::pair place{section, owed.lsn};
  if (place < last_loaded_ || owed.lsn > last_lsn_) return false;
  last_loaded_ = place;
  if (section == SnapshotSection::owed_amounts) {
    amounts_.emitted(owed.item, owed.lsn, owed.position, owed.amount);
    if (owed.tries > 0) amounts_.failed(owed.position, owed.lsn, owed.tries);
    return true;
  }
  if (!decoder_.command_set(owed.payload, set_) || owed.position >= set_.size() ||
      !is_acted_on(set_))
    return false;
  return load(section, owed, set_[owed.position]);
}

bool ReplayFold::load(SnapshotSection section, const SnapshotOwed& owed, const Command& command) {
  const auto take = [&](auto& commands) {
    commands.add(owed.lsn, owed.position, owed.payload);
    if (owed.tries > 0) commands.failed(owed.position, owed.lsn, owed.tries);
  };
  const auto take_newest = [&](auto& commands) {
    commands.emitted(owed.item, owed.lsn, owed.position, std::string(owed.payload));
    if (owed.tries > 0) commands.failed(owed.position, owed.lsn, owed.tries);
  };
  switch (section) {
    case SnapshotSection::owed_orders:
      take(orders_);
      return command.kind == CommandKind::order_insert;
    case SnapshotSection::owed_stock:
      take(stock_);
      return command.kind == CommandKind::stock_change;
    case SnapshotSection::owed_promos:
      take_newest(promos_);
      return command.kind == CommandKind::promo_put && command.sale->promo.promo == owed.item;
    case SnapshotSection::owed_grants:
      take_newest(grants_);
      return command.kind == CommandKind::ticket_grant && command.sale->ticket.promo == owed.item;
    case SnapshotSection::owed_updates:
      take_newest(updates_);
      return command.kind == CommandKind::order_update && command.sale->update.order == owed.item;
    default:
      take_newest(puts_);
      return command.kind == CommandKind::item_put;
  }
}

}  // namespace stampede::storage
