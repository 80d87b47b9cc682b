// The peer: a flash sale on MariaDB alone. Every order is one transaction in a stored procedure,
// one round trip: take the stock if there is some, insert the order, commit with the server's
// flush. No queue and no memory beside the database: answered means stored.
//
//   mariadb_peer --socket PATH --schema NAME --db URL [--requests N] [--items N] [--connections N]
//                [--servers PID,PID]
//
// Half of the orders are accepted. Prints a PeerResult; stored_seconds is that of the last answer.

#include <mysql.h>

#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <future>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

#include "test/bench/peer_run.h"
#include "test/bench/peer_tables.h"

namespace {

using namespace stampede::bench;

constexpr const char* kDropProcedure = "DROP PROCEDURE IF EXISTS buy";
constexpr const char* kProcedure =
    "CREATE PROCEDURE buy(number BIGINT UNSIGNED, request VARBINARY(64), wanted BIGINT UNSIGNED,"
    " buyer VARBINARY(64)) BEGIN DECLARE taken INT; START TRANSACTION;"
    " UPDATE item SET amount=amount-1 WHERE id=wanted AND amount>0; SET taken=ROW_COUNT();"
    " IF taken=1 THEN INSERT INTO orders(order_id,request_id,item_id,user_id,qty,unit_price_cents,"
    "decided_at) VALUES(number,request,wanted,buyer,1,9900,NOW(6)); END IF;"
    " COMMIT; SELECT taken; END";

struct Plan {
  std::string socket, schema;
  std::uint64_t requests, items;
};

// One connection of the C client, the leanest there is. One thread.
class Connection {
 public:
  explicit Connection(const Plan& plan) : link_(mysql_init(nullptr), mysql_close) {
    // Without the flag the server does not let a procedure answer with a row.
    if (mysql_real_connect(link_.get(), "localhost", "root", "", plan.schema.c_str(), 0,
                           plan.socket.c_str(), CLIENT_MULTI_RESULTS) == nullptr)
      fail();
  }

  void run(const std::string& sql) {
    if (mysql_real_query(link_.get(), sql.data(), sql.size()) != 0) fail();
  }

  // The first number of the first row; reads all that comes after it, too.
  long ask(const std::string& sql) {
    run(sql);
    long number = -1;
    do {
      const std::unique_ptr<MYSQL_RES, void (*)(MYSQL_RES*)> rows(mysql_store_result(link_.get()),
                                                                  mysql_free_result);
      if (rows == nullptr) continue;
      if (const MYSQL_ROW row = mysql_fetch_row(rows.get()); row != nullptr && row[0] != nullptr)
        number = std::strtol(row[0], nullptr, 10);
    } while (mysql_next_result(link_.get()) == 0);
    return number;
  }

 private:
  [[noreturn]] void fail() { throw std::runtime_error(mysql_error(link_.get())); }
  std::unique_ptr<MYSQL, void (*)(MYSQL*)> link_;
};

struct Tally {
  std::uint64_t accepted = 0;
  std::vector<double> latencies_us;
};

Tally buy(const Plan& plan, std::atomic<std::uint64_t>& next) {
  Connection server(plan);
  Tally tally;
  for (;;) {
    const auto order = next.fetch_add(1);
    if (order >= plan.requests) return tally;
    const auto call = "CALL buy(" + std::to_string(order + 1) + ",'" + request_id_of(order + 1) +
                      "'," + std::to_string(order % plan.items) + ",'" +
                      user_name_of(order * 7 % 1'000'003) + "')";
    const auto sent = Clock::now();
    const auto taken = server.ask(call);
    if (taken < 0) throw std::runtime_error("the procedure did not answer");
    tally.accepted += static_cast<std::uint64_t>(taken);
    tally.latencies_us.push_back(seconds_since(sent) * 1e6);
  }
}

int measure(const Arguments& given) {
  const Plan plan{given.text("socket"), given.text("schema"), given.number("requests", 20'000),
                  given.number("items", 1)};
  const auto stock_each = plan.requests / 2 / plan.items;
  const auto stock = stock_each * plan.items;
  prepare_tables(given.text("db"), plan.items, stock_each);
  {
    Connection server(plan);
    server.run(kDropProcedure);
    server.run(kProcedure);
  }
  const CpuMeter cpu(given.text("servers"));
  const auto start = Clock::now();
  std::atomic<std::uint64_t> next{0};
  std::vector<std::future<Tally>> buyers;
  for (std::uint64_t i = 0; i < given.number("connections", 4); ++i)
    buyers.push_back(std::async(std::launch::async, [&] { return buy(plan, next); }));
  PeerResult all;
  for (auto& buyer : buyers) {
    const auto tally = buyer.get();
    all.offered += tally.latencies_us.size();
    all.accepted += tally.accepted;
    all.latencies_us.insert(all.latencies_us.end(), tally.latencies_us.begin(),
                            tally.latencies_us.end());
  }
  all.seconds = all.stored_seconds = seconds_since(start);
  all.cpu_seconds = cpu.seconds();
  all.stored = all.accepted;
  all.ok = all.offered == plan.requests && all.accepted == stock &&
           books_agree(given.text("db"), all.stored, stock);
  return report(std::move(all));
}

}  // namespace

int main(int count, char** words) {
  try {
    const Arguments given(count, words);
    if (given.text("socket").empty() || given.text("schema").empty() || given.text("db").empty()) {
      std::fprintf(stderr,
                   "usage: mariadb_peer --socket PATH --schema NAME --db URL [--requests N]"
                   " [--items N] [--connections N]\n");
      return 2;
    }
    return measure(given);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "mariadb_peer: %s\n", error.what());
    return 1;
  }
}
