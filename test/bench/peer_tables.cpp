#include "test/bench/peer_tables.h"

#include <algorithm>
#include <charconv>
#include <stdexcept>

namespace stampede::bench {

namespace {

using storage::MysqlSession;

constexpr std::size_t kIdDigits = 10;
constexpr std::size_t kUserDigits = 9;

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

void append_number(std::string& out, std::uint64_t number, std::size_t width = 1) {
  char digits[24];
  const auto end = std::to_chars(digits, digits + sizeof digits, number).ptr;
  const auto size = static_cast<std::size_t>(end - digits);
  out.append(width - std::min(width, size), '0').append(digits, end);
}

void append_request_id(std::string& out, std::uint64_t order) {
  append_number(out.append("b1-peerrows-"), order, kIdDigits);
}

void append_user(std::string& out, std::uint64_t user) {
  append_number(out.append("u"), user, kUserDigits);
}

}  // namespace

std::unique_ptr<MysqlSession> open_session(const std::string& url, MysqlSession::Commit commit) {
  storage::DbOptions options;
  options.url = url;
  auto session = MysqlSession::connect(options, commit);
  if (!session) throw std::runtime_error(session.error().message);
  return std::move(*session);
}

OrderBatch::OrderBatch(MysqlSession& session) : session_(session) {
  session_.statement().assign(
      "INSERT INTO orders(order_id,request_id,item_id,user_id,qty,unit_price_cents,decided_at) "
      "VALUES");
  empty_ = session_.statement().size();
}

void OrderBatch::add(const PeerOrder& order) {
  auto& sql = session_.statement();
  sql.append(sql.size() == empty_ ? "(" : ",(");
  append_number(sql, order.number);
  append_request_id(sql.append(",'"), order.number);
  append_number(sql.append("',"), order.item);
  append_user(sql.append(",'"), order.user);
  append_number(sql.append("',"), order.qty);
  sql.append(",9900,'2026-11-21 10:42:01.203118')");
  sold_[order.item] += order.qty;
}

void OrderBatch::insert() {
  if (!sold_.empty()) run(session_);
}

void OrderBatch::store() {
  insert();
  take_stock();
  run(session_, "COMMIT");
}

// Items that sold equally many share one statement.
void OrderBatch::take_stock() {
  std::map<std::uint64_t, std::string> items_by_units;
  for (const auto& [item, units] : sold_) {
    auto& items = items_by_units[units];
    append_number(items.append(items.empty() ? "" : ","), item);
  }
  for (const auto& [units, items] : items_by_units)
    run(session_,
        "UPDATE item SET amount=amount-" + std::to_string(units) + " WHERE id IN(" + items + ")");
}

std::string request_id_of(std::uint64_t order) {
  std::string id;
  append_request_id(id, order);
  return id;
}

std::string user_name_of(std::uint64_t user) {
  std::string name;
  append_user(name, user);
  return name;
}

void prepare_tables(const std::string& db_url, std::uint64_t items, std::uint64_t amount) {
  const auto session = open_session(db_url, MysqlSession::Commit::each_statement);
  run(*session, "TRUNCATE orders");
  run(*session, "TRUNCATE item");
  std::string sql = "INSERT INTO item(id,total,amount) VALUES";
  for (std::uint64_t item = 0; item < items; ++item)
    sql += (item == 0 ? "(" : ",(") + std::to_string(item) + "," + std::to_string(amount) + "," +
           std::to_string(amount) + ")";
  run(*session, sql);
}

std::uint64_t rows_of(const std::string& db_url) {
  const auto session = open_session(db_url, MysqlSession::Commit::each_statement);
  return static_cast<std::uint64_t>(number_of(*session, "SELECT COUNT(*) FROM orders"));
}

bool books_agree(const std::string& db_url, std::uint64_t orders, std::uint64_t stock) {
  const auto session = open_session(db_url, MysqlSession::Commit::each_statement);
  return rows_of(db_url) == orders &&
         number_of(*session, "SELECT CAST(SUM(amount) AS SIGNED) FROM item") ==
             static_cast<std::int64_t>(stock - orders);
}

}  // namespace stampede::bench
