#include "storage/mysql/database.h"

#include <algorithm>
#include <iterator>
#include <utility>

#include "storage/mysql/migrations.h"
#include "storage/mysql/row_check.h"
#include "storage/mysql/sale_columns.h"
#include "storage/mysql/sql_advice.h"
#include "storage/mysql/sql_session.h"
#include "storage/mysql/sql_text.h"

namespace stampede::storage {
namespace {

constexpr std::size_t kOrdersPerPage = 20000;
constexpr const char* kReadWitness = "SELECT COALESCE(MAX(applied_lsn),0) FROM lane";

std::string to_hex(const LogUuid& uuid) {
  constexpr std::string_view digits = "0123456789abcdef";
  std::string text;
  for (const auto byte : uuid) {
    text += digits[byte >> 4];
    text += digits[byte & 15];
  }
  return text;
}

// A few statements as one transaction: taken back unless commit() was reached.
class Transaction {
 public:
  Transaction(SqlSession& session, std::string doing)
      : session_(session), doing_(std::move(doing)) {
    run("START TRANSACTION");
  }
  ~Transaction() {
    if (!done_) (void)session_.execute("ROLLBACK");
  }
  Transaction(const Transaction&) = delete;
  Transaction& operator=(const Transaction&) = delete;

  // After the first failure the rest is left out.
  Transaction& run(const std::string& sql) {
    if (!error_.failed) error_ = session_.execute(sql);
    return *this;
  }
  Transaction& read(const std::string& sql, const std::function<void(const SqlRow&)>& on_row) {
    if (!error_.failed) error_ = session_.query(sql, on_row);
    return *this;
  }
  [[nodiscard]] bool ok() const { return !error_.failed; }
  [[nodiscard]] Error error() const { return failed(session_, doing_, error_); }
  Status commit() {
    run("COMMIT");
    if (error_.failed) return error();
    done_ = true;
    return Done{};
  }

 private:
  SqlSession& session_;
  std::string doing_;
  SqlOutcome error_;
  bool done_ = false;
};

constexpr std::uint64_t kItemsAtOnce = 10'000;

// Some items a statement: for a million of them one would not end before the session's patience.
void reset_item_guards(Transaction& transaction, const Database::Progress& progress) {
  const auto most = std::to_string(kItemsAtOnce);
  std::uint64_t found = kItemsAtOnce;
  for (std::uint64_t from = 0; transaction.ok() && found == kItemsAtOnce;) {
    const auto behind = " WHERE id>=" + std::to_string(from);
    std::uint64_t last = 0;
    found = 0;
    transaction.read("SELECT id FROM item" + behind + " ORDER BY id LIMIT " + most,
                     [&](const SqlRow& row) { last = row.u64(0), ++found; });
    if (found == 0) break;
    transaction.run("UPDATE item SET lsn=0,put_lsn=0" + behind +
                    " AND id<=" + std::to_string(last));
    from = last + 1;
    if (progress) progress();
  }
}

Status check_schema(SqlSession& session) {
  int version = 0;
  const auto read =
      session.query("SELECT COALESCE(MAX(version),0) FROM schema_version",
                    [&](const SqlRow& row) { version = static_cast<int>(row.i64(0)); });
  if (read.failed && read.errnum != kErrnumNoSuchTable) {
    return failed(session, "reading schema_version", read);
  }
  if (version == latest_schema_version()) return Done{};
  const std::string numbers = session.place() + ": the schema is at version " +
                              std::to_string(version) + ", this program needs " +
                              std::to_string(latest_schema_version());
  if (version > latest_schema_version()) {
    return Error{Errc::version, numbers + "; use the newer program", kErrnumNoSuchTable};
  }
  return Error{Errc::version, numbers + "; " + std::string(sql_advice(kErrnumNoSuchTable)),
               kErrnumNoSuchTable};
}

std::optional<LogUuid> to_uuid(const std::string& bytes) {
  LogUuid uuid{};
  if (bytes.size() != uuid.size()) return std::nullopt;
  std::copy(bytes.begin(), bytes.end(), uuid.begin());
  return uuid;
}

// The amount stands behind the total, as in the table.
std::string item_columns() {
  std::string out = "id";
  each_term([&](const Term& term) {
    (out += ',').append(term.name);
    if (&term == &kTotalTerm) out += ",amount";
  });
  out += ",put_lsn,lsn";
  each_item_column({}, [&](std::string_view name, auto, auto) { (out += ',').append(name); });
  return out;
}

std::string list_of(const std::set<std::uint64_t>& numbers) {
  std::string out;
  for (const auto number : numbers) append_number(out += out.empty() ? '(' : ',', number);
  return out += ')';
}

// The first number of the last row; 0 without one.
Result<std::uint64_t> key_of(SqlSession& session, const std::string& sql) {
  std::uint64_t number = 0;
  const auto read = session.query(sql, [&](const SqlRow& row) { number = row.u64(0); });
  if (read.failed) return failed(session, "looking at the keys", read);
  return number;
}

struct ColumnReader {
  const SqlRow& row;
  unsigned column = 0;
  void read(std::string& value) { value = row.text(column++); }
  void read(std::int64_t& value) { value = row.i64(column++); }
  // A number that does not fit becomes the largest: out of every bound, where a cut one may not be.
  void read(std::uint32_t& value) {
    const auto number = row.i64(column++);
    const bool fits = number >= 0 && number <= std::int64_t{UINT32_MAX};
    value = fits ? static_cast<std::uint32_t>(number) : UINT32_MAX;
  }
  void read(std::uint64_t& value) { value = row.u64(column++); }
};

constexpr unsigned kTextColumns[] = {1, 9, 10, 15};  // of an item
constexpr unsigned kItemColumns = 17;

// Of the first column that holds no whole number, though a number is read from it; 0: there is
// none.
unsigned column_without_number(const SqlRow& row) {
  for (unsigned column = 0; column < kItemColumns; ++column)
    if (std::find(std::begin(kTextColumns), std::end(kTextColumns), column) ==
            std::end(kTextColumns) &&
        !row.is_whole(column))
      return column + 1;
  return 0;
}

ItemRow item_of(const SqlRow& row) {
  ItemRow item;
  ColumnReader columns{row};
  columns.read(item.id);
  each_term(
      [&](const Term& term, auto& value) {
        columns.read(value);
        if (&term == &kTotalTerm) columns.read(item.amount);
      },
      item.terms);
  columns.read(item.put_lsn);
  columns.read(item.lsn);
  columns.read(item.sale.description);
  columns.read(item.sale.image_url);
  columns.read(item.sale.hold_s);
  columns.read(item.sale.hold_low_s);
  columns.read(item.sale.low_stock_percent);
  columns.read(item.sale.unpaid_per_user_max);
  item.sale.promo_only = row.text(columns.column++) == kPromoOnly ? 1 : 0;
  item.sale.closed = row.i64(columns.column++) == 0 ? 1 : 0;
  return item;
}

PromoRow promo_of(const SqlRow& row) {
  PromoRow promo;
  ColumnReader columns{row};
  auto& put = promo.promo.put;
  columns.read(put.promo);
  columns.read(put.item);
  columns.read(promo.promo.name);
  columns.read(put.price_cents);
  put.starts_at_ms = parse_datetime_ms(row.text(columns.column++));
  put.ends_at_ms = parse_datetime_ms(row.text(columns.column++));
  columns.read(put.limit_per_user);
  columns.read(put.hold_s);
  columns.read(put.hold_low_s);
  columns.read(put.low_stock_percent);
  columns.read(put.unpaid_per_user_max);
  put.ticket = row.text(columns.column++) == ticket_text(1) ? 1 : 0;
  columns.read(put.gate_factor);
  columns.read(promo.put_lsn);
  columns.read(promo.granted);
  columns.read(promo.lsn);
  return promo;
}

std::int64_t ms_or_null(const SqlRow& row, unsigned column) {
  const auto text = row.text(column);
  return text.empty() ? 0 : parse_datetime_ms(text);
}

std::int64_t us_or_null(const SqlRow& row, unsigned column) {
  const auto text = row.text(column);
  return text.empty() ? 0 : parse_datetime_us(text);
}

std::uint64_t number_or_null(const SqlRow& row, unsigned column) {
  return row.text(column).empty() ? kNoNumber : row.u64(column);
}

}  // namespace

Database::Database(std::unique_ptr<SqlSession> session) : session_(std::move(session)) {}
Database::~Database() = default;
Database::Database(Database&&) noexcept = default;
Database& Database::operator=(Database&&) noexcept = default;

Result<Database> Database::open(const DbOptions& options) {
  auto session = connect_sql(options, SqlSession::Commit::each_statement);
  if (!session) return session.error();
  if (auto fits = check_schema(**session); !fits) return fits.error();
  return Database(std::move(*session));
}

Result<std::optional<LogUuid>> Database::log_uuid() {
  std::optional<LogUuid> uuid;
  const auto read = session_->query("SELECT log_uuid FROM meta",
                                    [&](const SqlRow& row) { uuid = to_uuid(row.text(0)); });
  if (read.failed) return failed(*session_, "reading meta", read);
  return uuid;
}

Status Database::adopt(const LogUuid& uuid, std::int64_t now_us, const Progress& progress) {
  Transaction transaction(*session_, "writing meta");
  // This row is always there: its lock lets one backend at a time look for a meta row.
  transaction.read("SELECT version FROM schema_version WHERE version=1 FOR UPDATE",
                   [](const SqlRow&) {});
  std::optional<LogUuid> owner;
  transaction.read("SELECT log_uuid FROM meta FOR UPDATE",
                   [&](const SqlRow& row) { owner = to_uuid(row.text(0)); });
  if (!transaction.ok()) return transaction.error();
  if (owner && *owner != uuid) {
    return Error{Errc::corrupt, session_->place() + " belongs to the log " + to_hex(*owner) +
                                    ", not to this one (" + to_hex(uuid) +
                                    "); point log.dir or db.url at the pair that fits"};
  }
  if (owner) return transaction.commit();
  std::string created;
  append_datetime(created, now_us);
  reset_item_guards(transaction, progress);
  return transaction.run("UPDATE promo SET lsn=0,put_lsn=0")
      .run("UPDATE lane SET epoch=0,applied_lsn=0,owner=0,place=0")
      .run("INSERT INTO meta(log_uuid,created_at) VALUES(x'" + to_hex(uuid) + "','" + created +
           "')")
      .commit();
}

Result<Lsn> Database::witness() {
  Lsn highest = 0;
  const auto read = session_->query(kReadWitness, [&](const SqlRow& row) { highest = row.u64(0); });
  if (read.failed) return failed(*session_, "reading lane", read);
  return highest;
}

Status Database::claim(std::uint64_t epoch, int lanes, const LaneOwner& owner) {
  Transaction transaction(*session_, "claiming the lanes");
  for (int lane = kFirstLane; lane < kFirstLane + lanes; ++lane) {
    transaction.run("INSERT INTO lane(lane,epoch,applied_lsn,batches,owner,place) VALUES(" +
                    std::to_string(lane) + ",0,0,0,0,0) ON DUPLICATE KEY UPDATE lane=lane");
  }
  const auto epoch_text = std::to_string(epoch);
  const auto mine =
      "owner=" + std::to_string(owner.start) + ",place=" + std::to_string(owner.place);
  transaction.run("UPDATE lane SET epoch=" + epoch_text + "," + mine + " WHERE epoch<" + epoch_text)
      .run("UPDATE lane SET " + mine + " WHERE epoch=" + epoch_text + " AND owner=0");
  std::uint64_t highest = 0;
  std::uint64_t stranger = 0;
  transaction.read("SELECT epoch,owner FROM lane ORDER BY lane", [&](const SqlRow& row) {
    highest = std::max(highest, row.u64(0));
    if (row.u64(1) != owner.start) stranger = row.u64(1);
  });
  if (!transaction.ok()) return transaction.error();
  if (highest > epoch) {
    return Error{Errc::fenced, session_->place() + " is owned by epoch " + std::to_string(highest) +
                                   ", above this backend's " + std::to_string(epoch) +
                                   ": another backend writes to it, or this log is an old copy"};
  }
  if (stranger != 0) {
    return Error{Errc::fenced, session_->place() + " is owned by another start of epoch " +
                                   epoch_text + " (" + std::to_string(stranger) + ", this one is " +
                                   std::to_string(owner.start) +
                                   "): another backend writes to it, from a copy of this log"};
  }
  // What a lane without a commit stores first may be older than what the others have stored.
  Lsn witness = 0;
  transaction.read(kReadWitness, [&](const SqlRow& row) { witness = row.u64(0); })
      .run("UPDATE lane SET applied_lsn=" + std::to_string(witness) +
           " WHERE applied_lsn=0 AND batches=0");
  return transaction.commit();
}

Status Database::witness_all(Lsn lsn) {
  Transaction transaction(*session_, "lifting the witnesses");
  const auto text = std::to_string(lsn);
  return transaction.run("UPDATE lane SET applied_lsn=" + text + " WHERE applied_lsn<" + text)
      .commit();
}

Result<std::vector<LaneRow>> Database::lanes() {
  std::vector<LaneRow> rows;
  const auto read =
      session_->query("SELECT lane,epoch,applied_lsn,batches,owner,place FROM lane ORDER BY lane",
                      [&](const SqlRow& row) {
                        rows.push_back({static_cast<int>(row.i64(0)), row.u64(1), row.u64(2),
                                        row.u64(3), row.u64(4), row.i64(5)});
                      });
  if (read.failed) return failed(*session_, "reading lane", read);
  return rows;
}

Result<std::vector<ItemRow>> Database::items(const Progress& progress) {
  std::vector<ItemRow> rows;
  std::string odd;
  const auto read = session_->query(
      "SELECT " + item_columns() + " FROM item ORDER BY id", [&](const SqlRow& row) {
        rows.push_back(item_of(row));
        if (progress && rows.size() % kItemsAtOnce == 0) progress();
        const auto column = column_without_number(row);
        if (column == 0 || !odd.empty()) return;
        odd = "item " + row.text(0) + " has '" + row.text(column - 1) + "' in column " +
              std::to_string(column) + " of " + item_columns();
      });
  if (read.failed) return failed(*session_, "reading item", read);
  if (!odd.empty())
    return Error{Errc::corrupt, session_->place() + ": " + odd + ", which is no whole number"};
  return rows;
}

Result<std::vector<PromoRow>> Database::promos() {
  std::vector<PromoRow> rows;
  const auto read = session_->query(
      "SELECT id,item_id,name,price_cents,starts_at,ends_at,limit_per_user,hold_s,hold_low_s,"
      "low_stock_percent,unpaid_per_user_max,ticket,gate_factor,put_lsn,granted,lsn FROM promo "
      "WHERE GREATEST(put_lsn,lsn)>0 ORDER BY id",
      [&](const SqlRow& row) { rows.push_back(promo_of(row)); });
  if (read.failed) return failed(*session_, "reading promo", read);
  return rows;
}

Result<std::uint64_t> Database::order_count() {
  std::uint64_t count = 0;
  const auto read = session_->query("SELECT COUNT(*) FROM orders",
                                    [&](const SqlRow& row) { count = row.u64(0); });
  if (read.failed) return failed(*session_, "counting orders", read);
  return count;
}

Status Database::each_order(Lsn after, Lsn up_to,
                            const std::function<void(const StoredOrder&)>& on_order) {
  StoredOrder order;
  std::size_t rows = kOrdersPerPage;
  while (rows == kOrdersPerPage) {
    rows = 0;
    const std::string sql =
        "SELECT order_id,request_id,item_id,qty,user_id,unit_price_cents,promo_id,fulfilment,lsn,"
        "pay_by,payment_id,fulfilled_at FROM orders WHERE order_id>" +
        std::to_string(after) + " AND order_id<=" + std::to_string(up_to) +
        " ORDER BY order_id LIMIT " + std::to_string(kOrdersPerPage);
    const auto read = session_->query(sql, [&](const SqlRow& row) {
      order = {row.u64(0),
               row.text(1),
               row.u64(2),
               static_cast<std::uint32_t>(row.i64(3)),
               row.text(4),
               row.i64(5),
               number_or_null(row, 6),
               row.text(7),
               row.u64(8),
               ms_or_null(row, 9),
               row.text(10),
               us_or_null(row, 11)};
      after = order.order_id;
      ++rows;
      on_order(order);
    });
    if (read.failed) return failed(*session_, "reading orders", read);
  }
  return Done{};
}

Status Database::each_stock_change(Lsn after, Lsn up_to,
                                   const std::function<void(const StockChangeRow&)>& on_row) {
  std::size_t rows = kOrdersPerPage;
  while (rows == kOrdersPerPage) {
    rows = 0;
    const std::string sql =
        "SELECT lsn,item_id,delta,order_id,reason,at FROM stock_change WHERE lsn>" +
        std::to_string(after) + " AND lsn<=" + std::to_string(up_to) + " ORDER BY lsn LIMIT " +
        std::to_string(kOrdersPerPage);
    const auto read = session_->query(sql, [&](const SqlRow& row) {
      StockChangeRow change;
      change.lsn = after = row.u64(0);
      change.change.item = row.u64(1);
      change.change.delta = row.i64(2);
      change.change.order = number_or_null(row, 3);
      change.change.reason = parse_reason(row.text(4));
      change.change.decided_at_us = us_or_null(row, 5);
      ++rows;
      on_row(change);
    });
    if (read.failed) return failed(*session_, "reading stock_change", read);
  }
  return Done{};
}

Result<std::map<Lsn, Lsn>> Database::orders_among(const std::set<Lsn>& order_ids) {
  std::map<Lsn, Lsn> found;
  if (order_ids.empty()) return found;
  const auto read =
      session_->query("SELECT order_id,lsn FROM orders WHERE order_id IN " + list_of(order_ids),
                      [&](const SqlRow& row) { found[row.u64(0)] = row.u64(1); });
  if (read.failed) return failed(*session_, "looking for orders", read);
  return found;
}

Result<std::set<Lsn>> Database::stock_among(const std::set<Lsn>& lsns) {
  std::set<Lsn> found;
  if (lsns.empty()) return found;
  const auto read = session_->query("SELECT lsn FROM stock_change WHERE lsn IN " + list_of(lsns),
                                    [&](const SqlRow& row) { found.insert(row.u64(0)); });
  if (read.failed) return failed(*session_, "looking for changes of the stock", read);
  return found;
}

Result<Lsn> Database::lowest_order() {
  return key_of(*session_, "SELECT order_id FROM orders ORDER BY order_id LIMIT 1");
}

Result<Lsn> Database::highest_order() {
  return key_of(*session_, "SELECT COALESCE(MAX(order_id),0) FROM orders");
}

Result<Lsn> Database::lowest_stock() {
  return key_of(*session_, "SELECT lsn FROM stock_change ORDER BY lsn LIMIT 1");
}

Result<std::uint64_t> Database::stock_below(Lsn lsn) {
  return key_of(*session_, "SELECT COUNT(*) FROM stock_change WHERE lsn<" + std::to_string(lsn));
}

Result<std::uint64_t> Database::highest_item() {
  return key_of(*session_, "SELECT COALESCE(MAX(id),0) FROM item");
}

Result<std::uint64_t> Database::orders_below(Lsn order) {
  return key_of(*session_, "SELECT COUNT(*) FROM orders WHERE order_id<" + std::to_string(order));
}

Result<std::uint64_t> Database::items_below(std::uint64_t item) {
  return key_of(*session_, "SELECT COUNT(*) FROM item WHERE id<" + std::to_string(item));
}

Result<std::map<std::uint64_t, Database::ItemGuards>> Database::guards_among(
    const std::set<std::uint64_t>& items) {
  std::map<std::uint64_t, ItemGuards> found;
  if (items.empty()) return found;
  const auto read = session_->query("SELECT id,put_lsn,lsn FROM item WHERE id IN " + list_of(items),
                                    [&](const SqlRow& row) {
                                      found[row.u64(0)] = {row.u64(1), row.u64(2)};
                                    });
  if (read.failed) return failed(*session_, "looking for items", read);
  return found;
}

Result<std::vector<std::string>> Database::differing_orders(const LaneBatch& batch) {
  std::vector<RowFailure> failures;
  SqlOutcome read;
  if (!batch.orders.empty()) read = compare_orders(*session_, batch, failures);
  if (!read.failed && !batch.updates.empty())
    read = check_updates(*session_, batch, 0, batch.updates.size(), failures);
  if (!read.failed && !batch.stock.empty())
    read = check_stock(*session_, batch, 0, batch.stock.size(), failures);
  if (read.failed) return failed(*session_, "comparing orders", read);
  std::vector<std::string> messages;
  for (auto& failure : failures) messages.push_back(std::move(failure.message));
  return messages;
}

Status Database::begin_snapshot() {
  for (const char* sql : {"SET TRANSACTION ISOLATION LEVEL REPEATABLE READ",
                          "START TRANSACTION WITH CONSISTENT SNAPSHOT"}) {
    if (const auto outcome = session_->execute(sql); outcome.failed) {
      return failed(*session_, "starting a snapshot", outcome);
    }
  }
  return Done{};
}

Status Database::end_snapshot() {
  if (const auto outcome = session_->execute("COMMIT"); outcome.failed) {
    return failed(*session_, "ending a snapshot", outcome);
  }
  return Done{};
}

}  // namespace stampede::storage
