#include "storage/mysql/order_search.h"

#include "storage/mysql/sql_session.h"
#include "storage/mysql/sql_text.h"

namespace stampede::storage {
namespace {

constexpr const char* kDecidedAtUs = "TIMESTAMPDIFF(MICROSECOND,'1970-01-01',decided_at)";

void append_time_bound(std::string& sql, const char* compare, std::int64_t us) {
  sql += std::string(" AND decided_at") + compare + "'";
  append_datetime(sql, us);
  sql += "'";
}

void append_equal(std::string& sql, const char* column, const std::string& bytes) {
  if (bytes.empty()) return;
  sql += std::string(" AND ") + column + "=";
  append_literal(sql, bytes);
}

}  // namespace

OrderSearch::OrderSearch(std::unique_ptr<SqlSession> session, OrderFilter filter)
    : session_(std::move(session)), filter_(std::move(filter)) {}
OrderSearch::~OrderSearch() = default;
OrderSearch::OrderSearch(OrderSearch&&) noexcept = default;
OrderSearch& OrderSearch::operator=(OrderSearch&&) noexcept = default;

Result<OrderSearch> OrderSearch::open(const DbOptions& options, OrderFilter filter) {
  auto session = connect_sql(options, SqlSession::Commit::each_statement);
  if (!session) return session.error();
  return OrderSearch(std::move(*session), std::move(filter));
}

// A request id has an index of its own, so its piece is the whole table.
Result<OrderSearch::Piece> OrderSearch::piece() {
  Piece found;
  if (!filter_.request_id.empty()) return found;
  std::string sql = "SELECT order_id," + std::string(kDecidedAtUs) + " FROM orders WHERE order_id<";
  append_number(sql, below_);
  sql += " ORDER BY order_id DESC LIMIT 1 OFFSET " + std::to_string(kPieceRows - 1);
  const auto read = session_->query(sql, [&](const SqlRow& row) {
    found = {row.u64(0), row.i64(1)};
  });
  if (read.failed) return failed(*session_, "looking for orders", read);
  return found;
}

std::string OrderSearch::select(Lsn from, std::size_t limit) const {
  std::string sql = "SELECT order_id,request_id,item_id,user_id,qty,unit_price_cents," +
                    std::string(kDecidedAtUs) + ",fulfilment FROM orders WHERE order_id<";
  append_number(sql, below_);
  sql += " AND order_id>=";
  append_number(sql, from);
  append_equal(sql, "request_id", filter_.request_id);
  append_equal(sql, "user_id", filter_.user);
  append_equal(sql, "fulfilment", filter_.fulfilment);
  if (filter_.item) {
    sql += " AND item_id=";
    append_number(sql, *filter_.item);
  }
  if (filter_.since_us) append_time_bound(sql, ">=", *filter_.since_us);
  if (filter_.until_us) append_time_bound(sql, "<=", *filter_.until_us);
  return sql + " ORDER BY order_id DESC LIMIT " + std::to_string(limit);
}

Result<bool> OrderSearch::next(std::size_t limit,
                               const std::function<void(const FoundOrder&)>& on_row) {
  const auto at = piece();
  if (!at) return at.error();
  std::size_t rows = 0;
  FoundOrder order;
  const auto read = session_->query(select(at->from, limit), [&](const SqlRow& row) {
    order = {
        row.u64(0), row.text(1), row.u64(2), row.text(3), static_cast<std::uint32_t>(row.i64(4)),
        row.i64(5), row.i64(6),  row.text(7)};
    ++rows;
    on_row(order);
  });
  if (read.failed) return failed(*session_, "looking for orders", read);
  below_ = rows == limit ? order.order_id : at->from;
  if (rows == limit) return true;
  if (filter_.since_us && at->from != 0 && at->decided_at_us < *filter_.since_us - kDisorderUs)
    below_ = 0;
  return below_ != 0;
}

}  // namespace stampede::storage
