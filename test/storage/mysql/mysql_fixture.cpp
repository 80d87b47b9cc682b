#include "test/storage/mysql/mysql_fixture.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <memory>

#include "storage/mysql/migrations.h"

namespace stampede::test {

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
  rows.orders.push_back(
      {order_id, keep(request_id), item, keep(user), qty, 9900, 1795257721203118});
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
