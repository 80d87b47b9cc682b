#pragma once

// A log that a test dictates record by record, read by a ledger.

#include <doctest/doctest.h>

#include <cstdint>
#include <string>

#include "storage/commands/command.h"
#include "tools/books/ledger.h"

namespace stampede::tools {

using storage::Lsn;

// Feeds a ledger as the log's reader does.
class LedgerScript {
 public:
  explicit LedgerScript(Lsn up_to) : ledger(up_to) {}

  void put(std::uint64_t item, std::int64_t total, std::int64_t amount, std::uint32_t limit = 0) {
    storage::ItemPut put;
    put.request_id = "put";
    put.item = item;
    put.terms.name = "Phone";
    put.terms.total = total;
    put.terms.limit_per_user = limit;
    put.terms.max_qty = 5;
    payload_.clear();
    storage::encode_item_set(payload_, put, {item, amount});
    record(storage::RecordType::emit, ++lsn);
  }
  // As stock changes are logged, and rules.
  void put_with(std::uint64_t item, std::int64_t total, std::int64_t amount,
                const storage::ItemSale& sale, std::int64_t delta = 0) {
    storage::ItemPut put;
    put.request_id = "put";
    put.item = item;
    put.terms = {"Phone", 0, total, 0, 5};
    const storage::StockChange stock{item, delta, 1, storage::kNoNumber, 0};
    payload_.clear();
    storage::encode_item_set(payload_, put, {item, amount}, sale, delta != 0 ? &stock : nullptr);
    record(storage::RecordType::emit, ++lsn);
  }
  void order(const std::string& id, std::int64_t left, const std::string& user = "ann",
             std::uint32_t qty = 1, std::uint64_t item = 1) {
    storage::OrderInsert order;
    order.request_id = id;
    order.item = item;
    order.user = user;
    order.qty = qty;
    payload_.clear();
    storage::encode_order_set(payload_, order, {item, left});
    record(storage::RecordType::emit, ++lsn);
  }
  void promo(std::uint64_t promo, std::int64_t price_cents, std::uint32_t limit = 0) {
    storage::PromoPut put;
    put.request_id = "promo";
    put.promo = promo;
    put.item = 1;
    put.name = "Half price";
    put.price_cents = price_cents;
    put.starts_at_ms = 1000;
    put.ends_at_ms = 2000;
    put.limit_per_user = limit;
    payload_.clear();
    storage::encode_promo_set(payload_, put);
    record(storage::RecordType::emit, ++lsn);
  }
  void promo_order(const std::string& id, std::int64_t left, std::uint64_t promo,
                   std::int64_t price_cents, std::int64_t at_ms = 1500, std::uint32_t counted = 0) {
    unit_of_item_1(id, left, price_cents, at_ms, {.promo = promo, .counted = counted});
  }
  // To pay by then.
  void held_order(const std::string& id, std::int64_t left, std::int64_t price_cents,
                  std::int64_t pay_by_ms) {
    unit_of_item_1(id, left, price_cents, 0, {.pay_by_ms = pay_by_ms});
  }
  void unit_of_item_1(const std::string& id, std::int64_t left, std::int64_t price_cents,
                      std::int64_t at_ms, const storage::OrderSale& sale) {
    storage::OrderInsert order;
    order.request_id = id;
    order.item = 1;
    order.user = "ann";
    order.qty = 1;
    order.unit_price_cents = price_cents;
    order.decided_at_us = at_ms * 1000;
    payload_.clear();
    storage::encode_order_set(payload_, order, {1, left}, sale);
    record(storage::RecordType::emit, ++lsn);
  }
  void payment(Lsn order, const std::string& id, std::int64_t cents, std::int64_t at_us) {
    payload_.clear();
    storage::encode_update_set(
        payload_,
        {order, 1, static_cast<std::uint32_t>(storage::Fulfilment::paid), id, cents, at_us});
    record(storage::RecordType::emit, ++lsn);
  }
  void cancel(Lsn order, std::int64_t left, std::int64_t at_us) {
    payload_.clear();
    storage::encode_update_set(
        payload_,
        {order, 1, static_cast<std::uint32_t>(storage::Fulfilment::cancelled), "c", 0, at_us},
        {1, left},
        {1, 1, static_cast<std::uint32_t>(storage::StockReason::cancelled), order, at_us});
    record(storage::RecordType::emit, ++lsn);
  }
  void executed(storage::CommandKind kind, std::uint32_t position, Lsn from, Lsn to) {
    outcome(storage::RecordType::exec, {1, kind, position, {from, to}});
  }
  void failed(storage::CommandKind kind, std::uint32_t position, Lsn of) {
    outcome(storage::RecordType::fail, {1, kind, position, {of, 1406}});
  }

  Ledger ledger;
  Lsn lsn = storage::make_lsn(1, 0);

 private:
  void outcome(storage::RecordType type, const storage::Outcome& what) {
    payload_.clear();
    storage::encode_outcome(payload_, what);
    record(type, 0);
  }
  void record(storage::RecordType type, Lsn at) {
    storage::RecordView view;
    view.type = type;
    view.lsn = at;
    view.payload = payload_;
    const auto taken = ledger.on_record({}, view);
    REQUIRE(bool(taken));
  }
  std::string payload_;
};

// Position n of epoch 1.
constexpr Lsn at(std::uint64_t counter) {
  return storage::make_lsn(1, counter);
}

}  // namespace stampede::tools
