#include "test/bench/redis_drain.h"

#include <charconv>
#include <map>
#include <memory>
#include <stdexcept>
#include <vector>

#include "storage/mysql_session.h"
#include "test/bench/redis_link.h"

namespace stampede::bench {

namespace {

using storage::MysqlSession;

constexpr std::size_t kValuesOfEntry = 13;  // array, id, array, five names and values
constexpr std::size_t kIdBytes = 10;

std::unique_ptr<MysqlSession> open(const std::string& url, MysqlSession::Commit commit) {
  storage::DbOptions options;
  options.url = url;
  auto session = MysqlSession::connect(options, commit);
  if (!session) throw std::runtime_error(session.error().message);
  return std::move(*session);
}

void run(MysqlSession& session) {
  const auto outcome = session.execute();
  if (outcome.failed) throw std::runtime_error("MariaDB: " + outcome.message);
}

void run(MysqlSession& session, const std::string& sql) {
  session.statement() = sql;
  run(session);
}

std::int64_t number_of(MysqlSession& session, const std::string& sql) {
  std::int64_t number = -1;
  const auto outcome = session.query(sql, [&](const storage::SqlRow& row) { number = row.i64(0); });
  return outcome.failed ? -1 : number;
}

std::uint64_t to_number(std::string_view text) {
  std::uint64_t number = 0;
  std::from_chars(text.data(), text.data() + text.size(), number);
  return number;
}

// The rows of one batch as the text of a multi-row INSERT, the units sold of each item beside it.
class Batch {
 public:
  Batch(std::string& sql, std::uint64_t first_order) : sql_(sql), order_(first_order) {
    sql_.assign("INSERT INTO orders VALUES");
    empty_ = sql_.size();
  }
  void add(std::string_view request, std::string_view user, std::string_view item,
           std::string_view qty) {
    sql_.append(sql_.size() == empty_ ? "(" : ",(");
    sql_.append(std::to_string(order_++));
    sql_.append(",'redis-peer-");
    sql_.append(kIdBytes - std::min(kIdBytes, request.size()), '0');
    sql_.append(request);
    sql_.append("',").append(item).append(",'user").append(user).append("',").append(qty);
    sql_.append(",9900,'2026-11-21 10:42:01.203118')");
    sold_[to_number(item)] += to_number(qty);
  }
  [[nodiscard]] const std::map<std::uint64_t, std::uint64_t>& sold() const { return sold_; }

 private:
  std::string& sql_;
  std::uint64_t order_;
  std::size_t empty_ = 0;
  std::map<std::uint64_t, std::uint64_t> sold_;
};

// Items that sold equally many share one statement.
void take_stock(MysqlSession& session, const std::map<std::uint64_t, std::uint64_t>& sold) {
  std::map<std::uint64_t, std::string> items_by_units;
  for (const auto& [item, units] : sold) {
    auto& items = items_by_units[units];
    items.append(items.empty() ? "" : ",").append(std::to_string(item));
  }
  for (const auto& [units, items] : items_by_units)
    run(session,
        "UPDATE item SET amount=amount-" + std::to_string(units) + " WHERE id IN(" + items + ")");
}

}  // namespace

std::uint64_t drain(const DrainTask& task) {
  RedisLink redis(task.redis_socket);
  const auto session = open(task.db_url, MysqlSession::Commit::explicitly);
  const auto until = std::chrono::steady_clock::now() + task.give_up;
  std::uint64_t rows = 0;
  while (rows < task.expected && std::chrono::steady_clock::now() < until) {
    const auto& values = redis.ask({"XREADGROUP", "GROUP", "drain", "worker", "COUNT", "5000",
                                    "BLOCK", "200", "STREAMS", "orders", ">"});
    if (values.size() < 5) continue;  // nothing new
    const auto entries = static_cast<std::size_t>(values[3].number);
    if (values.size() != 4 + entries * kValuesOfEntry) throw std::runtime_error("odd stream");
    Batch batch(session->statement(), rows + 1);
    std::vector<std::string_view> done{"XACK", "orders", "drain"};
    for (std::size_t i = 0; i < entries; ++i) {
      const auto* entry = &values[4 + i * kValuesOfEntry];
      const auto field = [&](std::size_t n) { return redis.text(entry[4 + 2 * n]); };
      batch.add(field(0), field(1), field(2), field(3));
      done.push_back(redis.text(entry[1]));
    }
    std::string acknowledge;
    append_command(acknowledge, done);
    run(*session);
    take_stock(*session, batch.sold());
    run(*session, "COMMIT");
    rows += entries;
    redis.send(acknowledge);
    static_cast<void>(redis.receive());
  }
  return rows;
}

bool books_agree(const std::string& db_url, std::uint64_t orders, std::uint64_t stock) {
  const auto session = open(db_url, MysqlSession::Commit::each_statement);
  return number_of(*session, "SELECT COUNT(*) FROM orders") == static_cast<std::int64_t>(orders) &&
         number_of(*session, "SELECT CAST(SUM(amount) AS SIGNED) FROM item") ==
             static_cast<std::int64_t>(stock - orders);
}

void prepare_tables(const std::string& db_url, std::uint64_t items, std::uint64_t amount) {
  const auto session = open(db_url, MysqlSession::Commit::each_statement);
  run(*session, "TRUNCATE orders");
  run(*session, "TRUNCATE item");
  std::string sql = "INSERT INTO item(id,total,amount) VALUES";
  for (std::uint64_t item = 0; item < items; ++item)
    sql += (item == 0 ? "(" : ",(") + std::to_string(item) + "," + std::to_string(amount) + "," +
           std::to_string(amount) + ")";
  run(*session, sql);
}

}  // namespace stampede::bench
