#pragma once

// The words of the MySQL tests: one server for the whole program, a fresh schema for each test.

#include <deque>
#include <string>

#include "storage/commands/sale_commands.h"
#include "storage/mysql/command_sql.h"
#include "storage/mysql/database.h"
#include "test/support/private_mariadb.h"

namespace stampede::test {

// Started at first use, ended with the program.
PrivateMariaDb& server();

// An empty database `stampede` with the newest schema, owned by epoch 1 with two lanes.
class MysqlFixture {
 public:
  MysqlFixture();

  [[nodiscard]] storage::LaneWriter writer(int lane = 1, std::uint64_t epoch = 1) const;
  [[nodiscard]] std::string sql(const std::string& text) const;  // in `stampede`, as root
  [[nodiscard]] long number(const std::string& text) const;
  void run(const std::string& text) const { (void)sql(text); }
};

// Sets a variable of the server for as long as a test lasts.
class ServerSetting {
 public:
  ServerSetting(const std::string& name, const std::string& value)
      : name_(name), before_(server().sql("SELECT QUOTE(@@GLOBAL." + name + ")")) {
    server().run("SET GLOBAL " + name + "=" + value);
  }
  ~ServerSetting() {
    const bool number =
        before_.find_first_not_of("'0123456789") == std::string::npos && before_.size() > 2;
    server().run("SET GLOBAL " + name_ + "=" +
                 (number ? before_.substr(1, before_.size() - 2) : before_));
  }
  ServerSetting(const ServerSetting&) = delete;
  ServerSetting& operator=(const ServerSetting&) = delete;

 private:
  std::string name_;
  std::string before_;
};

// A batch that owns its texts.
class Batch {
 public:
  Batch& order(storage::Lsn order_id, const std::string& request_id,
               const std::string& user = "ann", std::uint64_t item = 1, std::uint32_t qty = 1);
  Batch& orders(storage::Lsn first, std::size_t count);  // "request-<lsn>" by "user-<lsn>"
  Batch& put(std::uint64_t item, const std::string& name, storage::Lsn lsn,
             std::int64_t total = 100);
  Batch& amount(std::uint64_t item, std::int64_t amount, storage::Lsn lsn);
  // Of the rules of the sale. Who wants other fields changes them in `rows`.
  Batch& sold(storage::Lsn order_id, std::uint64_t promo, std::int64_t pay_by_ms,
              std::uint64_t item = 1, std::uint32_t qty = 1);
  Batch& promo(std::uint64_t promo, const std::string& name, storage::Lsn lsn,
               std::uint64_t item = 1);
  Batch& grant(std::uint64_t promo, std::uint64_t granted, storage::Lsn lsn,
               std::uint64_t item = 1);
  Batch& update(storage::Lsn order, storage::Fulfilment fulfilment, storage::Lsn lsn,
                const std::string& action_id = "");
  Batch& stock(std::uint64_t item, std::int64_t delta, storage::StockReason reason,
               storage::Lsn lsn, std::uint64_t order = storage::kNoNumber);

  storage::LaneBatch rows;

 private:
  std::string_view keep(const std::string& text) { return texts_.emplace_back(text); }
  void saw(storage::Lsn lsn);
  std::deque<std::string> texts_;
};

constexpr storage::Lsn lsn(std::uint64_t counter) {
  return storage::make_lsn(1, counter);
}

// Applies and fails the test on an error; returns the failures.
std::vector<storage::RowFailure> applied(storage::LaneWriter& writer, const Batch& batch);
// Applies and returns the error, which must be there.
storage::Error refused(storage::LaneWriter& writer, const Batch& batch);

}  // namespace stampede::test
