#include "test/storage/mysql/mysql_fixture.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <memory>

#include "storage/mysql/migrations.h"

namespace stampede::test {
namespace {

constexpr std::int64_t kTime = 1795257721203118;  // 2026-11-21 10:42:01.203118

}  // namespace

PrivateMariaDb& server() {
  static PrivateMariaDb instance;
  return instance;
}

MysqlFixture::MysqlFixture() {
  server().run("DROP DATABASE IF EXISTS stampede; CREATE DATABASE stampede CHARACTER SET utf8mb4");
  const auto steps = storage::apply_migrations(server().admin());
  REQUIRE_MESSAGE(bool(steps), (steps ? "" : steps.error().message));
  auto database = storage::Database::open(server().node());
  REQUIRE_MESSAGE(bool(database), (database ? "" : database.error().message));
  REQUIRE(bool(database->claim(1, 2)));
}

storage::LaneWriter MysqlFixture::writer(int lane, std::uint64_t epoch) const {
  return {server().node(), lane, epoch};
}

std::string MysqlFixture::sql(const std::string& text) const {
  return server().sql("USE stampede; " + text);
}

long MysqlFixture::number(const std::string& text) const {
  return std::stol(sql(text));
}

void Batch::saw(storage::Lsn lsn) {
  rows.witness = std::max(rows.witness, lsn);
}

Batch& Batch::order(storage::Lsn order_id, const std::string& request_id, const std::string& user,
                    std::uint64_t item, std::uint32_t qty) {
  rows.orders.push_back({order_id, keep(request_id), item, keep(user), qty, 9900, kTime});
  saw(order_id);
  return *this;
}

Batch& Batch::orders(storage::Lsn first, std::size_t count) {
  for (storage::Lsn id = first; id < first + count; ++id) {
    order(id, "request-" + std::to_string(id), "user-" + std::to_string(id));
  }
  return *this;
}

Batch& Batch::put(std::uint64_t item, const std::string& name, storage::Lsn put_lsn,
                  std::int64_t total) {
  rows.puts.push_back({item, {keep(name), 1250, total, 2, 5}, put_lsn});
  saw(put_lsn);
  return *this;
}

Batch& Batch::amount(std::uint64_t item, std::int64_t amount, storage::Lsn at) {
  rows.amounts.push_back({item, amount, at});
  saw(at);
  return *this;
}

Batch& Batch::sold(storage::Lsn order_id, std::uint64_t promo, std::int64_t pay_by_ms,
                   std::uint64_t item, std::uint32_t qty) {
  order(order_id, "request-" + std::to_string(order_id), "ann", item, qty);
  rows.orders.back().promo = promo;
  rows.orders.back().pay_by_ms = pay_by_ms;
  return *this;
}

Batch& Batch::promo(std::uint64_t promo, const std::string& name, storage::Lsn put_lsn,
                    std::uint64_t item) {
  rows.promos.push_back({{.request_id = {},
                          .promo = promo,
                          .item = item,
                          .name = keep(name),
                          .price_cents = 990,
                          .starts_at_ms = kTime / 1000,
                          .ends_at_ms = kTime / 1000 + 20'000,
                          .limit_per_user = 2,
                          .ticket = 1,
                          .gate_factor = 5,
                          .hold_s = 300,
                          .hold_low_s = 60,
                          .low_stock_percent = 10,
                          .unpaid_per_user_max = 4},
                         put_lsn});
  saw(put_lsn);
  return *this;
}

Batch& Batch::grant(std::uint64_t promo, std::uint64_t granted, storage::Lsn at,
                    std::uint64_t item) {
  rows.grants.push_back(
      {{.promo = promo, .item = item, .granted = granted, .user = {}, .ticket = {}}, at});
  saw(at);
  return *this;
}

Batch& Batch::update(storage::Lsn order, storage::Fulfilment fulfilment, storage::Lsn at,
                     const std::string& action_id) {
  rows.updates.push_back({{.order = order,
                           .item = 1,
                           .fulfilment = static_cast<std::uint32_t>(fulfilment),
                           .action_id = keep(action_id),
                           .decided_at_us = kTime},
                          at});
  saw(at);
  return *this;
}

Batch& Batch::stock(std::uint64_t item, std::int64_t delta, storage::StockReason reason,
                    storage::Lsn at, std::uint64_t order) {
  rows.stock.push_back({{.item = item,
                         .delta = delta,
                         .reason = static_cast<std::uint32_t>(reason),
                         .order = order,
                         .decided_at_us = kTime},
                        at});
  saw(at);
  return *this;
}

std::vector<storage::RowFailure> applied(storage::LaneWriter& writer, const Batch& batch) {
  auto outcome = writer.apply(batch.rows);
  REQUIRE_MESSAGE(bool(outcome), (outcome ? "" : outcome.error().message));
  return outcome->failures;
}

storage::Error refused(storage::LaneWriter& writer, const Batch& batch) {
  const auto outcome = writer.apply(batch.rows);
  REQUIRE_MESSAGE(!outcome, "the batch was expected to be refused");
  return outcome.error();
}

}  // namespace stampede::test
