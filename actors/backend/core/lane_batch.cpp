#include "actors/backend/core/lane_batch.h"

#include <algorithm>

#include "config/process/invariant.h"
#include "storage/commands/order_row.h"
#include "storage/commands/sale_terms.h"

namespace stampede::actors {

namespace {

using storage::CommandKind;

void fill_item(const ItemChange& change, storage::LaneBatch& batch) {
  if (change.put) {
    const auto& put = *change.put;
    batch.puts.push_back({change.item, view_of(put.terms), put.last, view_of(put.sale)});
    batch.witness = std::max(batch.witness, put.last);
  }
  if (change.last != 0) batch.amounts.push_back({change.item, change.amount, change.last});
  batch.witness = std::max(batch.witness, change.last);
}

}  // namespace

void LaneBatchBuilder::fill(const LaneWork& work, storage::LaneBatch& batch) {
  batch.clear();
  for (const auto& append : work.inserts) fill_orders(*append, batch);
  for (const auto& change : work.items) fill_item(change, batch);
  for (const auto& change : work.promos) {
    batch.promos.push_back({change.put, change.last});
    batch.witness = std::max(batch.witness, change.last);
  }
  for (const auto& change : work.grants) {
    auto& row = batch.grants.emplace_back();
    row.grant.promo = change.promo;
    row.grant.item = change.item;
    row.grant.granted = change.granted;
    row.lsn = change.last;
    batch.witness = std::max(batch.witness, change.last);
  }
  for (const auto& change : work.updates) {
    batch.updates.push_back({change.view(), change.last});
    batch.witness = std::max(batch.witness, change.last);
  }
  for (const auto& entry : work.stock) {
    batch.stock.push_back({entry.change, entry.lsn});
    batch.witness = std::max(batch.witness, entry.lsn);
  }
}

void LaneBatchBuilder::fill_orders(const Append& append, storage::LaneBatch& batch) {
  storage::RecordCursor cursor(append.records, append.first_lsn);
  std::size_t decision = 0;
  for (storage::RecordView record; cursor.next(record);) {
    if (!storage::is_decision(record.type)) continue;
    const auto lsn = append.lsns.empty() ? record.lsn : append.lsns[decision];
    ++decision;
    if (record.type != storage::RecordType::emit) continue;
    STAMPEDE_ASSERT(decoder_.command_set(record.payload, set_), "the log's own records decode");
    for (const auto& command : set_) {
      if (command.kind != CommandKind::order_insert) continue;
      batch.orders.push_back(storage::order_row(lsn, command));
    }
  }
  // EXEC will name the whole append, rejections at its end included.
  batch.witness = std::max(batch.witness, append.last_lsn);
  STAMPEDE_ASSERT(cursor.fault() == storage::RecordFault::none, "appends are whole records");
}

FailedCommand failed_command(const storage::LaneBatch& batch, const storage::RowFailure& failure) {
  switch (failure.kind) {
    case storage::RowKind::order: {
      const auto& row = batch.orders[failure.index];
      return {CommandKind::order_insert, row.order_id, row.item, failure.errnum};
    }
    case storage::RowKind::put: {
      const auto& row = batch.puts[failure.index];
      return {CommandKind::item_put, row.put_lsn, row.item, failure.errnum};
    }
    case storage::RowKind::promo: {
      const auto& row = batch.promos[failure.index];
      return {CommandKind::promo_put, row.put_lsn, row.put.promo, failure.errnum};
    }
    case storage::RowKind::grant: {
      const auto& row = batch.grants[failure.index];
      return {CommandKind::ticket_grant, row.lsn, row.grant.promo, failure.errnum};
    }
    case storage::RowKind::update: {
      const auto& row = batch.updates[failure.index];
      return {CommandKind::order_update, row.lsn, row.update.order, failure.errnum};
    }
    case storage::RowKind::stock: {
      const auto& row = batch.stock[failure.index];
      return {CommandKind::stock_change, row.lsn, row.lsn, failure.errnum};
    }
    case storage::RowKind::amount:
      break;
  }
  const auto& row = batch.amounts[failure.index];
  return {CommandKind::item_amount_update, row.lsn, row.item, failure.errnum};
}

}  // namespace stampede::actors
