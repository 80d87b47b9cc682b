#include "storage/mysql/command_sql.h"

#include <algorithm>
#include <iterator>
#include <optional>
#include <utility>

#include "config/faults/failpoint.h"
#include "config/process/invariant.h"
#include "storage/mysql/last_rows.h"
#include "storage/mysql/row_check.h"
#include "storage/mysql/sale_rows.h"
#include "storage/mysql/sql_session.h"
#include "storage/mysql/sql_text.h"

namespace stampede::storage {
namespace {

using AppendRows = std::size_t (*)(std::string&, const LaneBatch&, std::size_t, std::size_t,
                                   std::size_t);
using CheckRows = SqlOutcome (*)(SqlSession&, const LaneBatch&, std::size_t, std::size_t,
                                 std::vector<RowFailure>&);

struct RowWriting {
  RowKind kind;
  std::size_t (*count)(const LaneBatch&);
  AppendRows append;
  CheckRows check;
  std::uint64_t affected_per_row;  // by a row that is applied for the first time
};

template <auto Rows>
std::size_t count_of(const LaneBatch& batch) {
  return (batch.*Rows).size();
}

// Puts before amounts: the row of a new item is there when its amount comes. Orders before their
// updates, which make no row.
constexpr RowWriting kWritings[] = {
    {RowKind::order, count_of<&LaneBatch::orders>, append_order_insert, check_orders, 1},
    {RowKind::put, count_of<&LaneBatch::puts>, append_put_upsert, check_puts, 2},
    {RowKind::amount, count_of<&LaneBatch::amounts>, append_amount_upsert, check_amounts, 2},
    {RowKind::promo, count_of<&LaneBatch::promos>, append_promo_upsert, check_promos, 2},
    {RowKind::grant, count_of<&LaneBatch::grants>, append_grant_upsert, check_grants, 2},
    {RowKind::update, count_of<&LaneBatch::updates>, append_order_update, check_updates, 1},
    {RowKind::stock, count_of<&LaneBatch::stock>, append_stock_insert, check_stock, 1},
};
static_assert(std::size(kWritings) == kRowKinds);

// At a table that does not grow, before what is missing there is lost.
constexpr int kMissingLooks = 12;
constexpr int kGrowAfter = 8;  // batches taken in smaller parts, before larger ones are tried

}  // namespace

SqlErrorClass classify_sql_error(unsigned errnum) {
  switch (errnum) {
    case 1048:  // column cannot be null
    case 1062:  // duplicate key
    case 1264:  // out of range
    case 1265:  // data truncated
    case 1292:  // wrong datetime
    case 1300:  // invalid character string
    case 1366:  // wrong value for a column
    case 1406:  // too long
    case 1452:  // foreign key
    case 1644:  // a trigger's SIGNAL
    case 1690:  // out of range in an expression
    case 3819:  // CHECK, MySQL
    case 4025:  // CHECK, MariaDB
      return SqlErrorClass::row;
    case 1021:  // disk full
    case 1114:  // table full
    case 1205:  // lock wait
    case 1213:  // deadlock
      return SqlErrorClass::transient;
    default:
      return SqlErrorClass::lost;
  }
}

struct LaneWriter::Slice {
  struct Range {
    std::size_t first = 0;
    std::size_t last = 0;
    [[nodiscard]] std::size_t size() const { return last - first; }
  };
  Range rows[kRowKinds];  // as in kWritings

  [[nodiscard]] std::size_t size() const {
    std::size_t size = 0;
    for (const auto& range : rows) size += range.size();
    return size;
  }
  // Two smaller parts, to be written one after the other: the order of kWritings is kept, and the
  // rows of the kind in which the fault lies are halved. A row of it that is the only one is parted
  // from the kinds before, then from those behind.
  [[nodiscard]] std::pair<Slice, Slice> split(std::size_t kind) const {
    Slice one;
    Slice other = *this;
    for (std::size_t before = 0; before < kind; ++before)
      std::swap(one.rows[before], other.rows[before]);
    const Range fault = rows[kind];
    const bool alone = fault.size() == 1 && one.size() == 0;
    const std::size_t middle = alone ? fault.last : fault.first + fault.size() / 2;
    one.rows[kind] = {fault.first, middle};
    other.rows[kind] = {middle, fault.last};
    return {one, other};
  }
};

struct LaneWriter::Attempt {
  std::vector<RowFailure> conflicts;  // found by comparing; the rest of the slice is written
  std::optional<std::size_t> fault;   // a row error in this kind: split
  unsigned errnum = 0;
  std::string message;
  std::optional<Error> error;  // the batch cannot go on
  bool lost = false;           // the session is in doubt
  bool too_much = false;       // perhaps: it was the rows that the server did not take
  Lsn witness = 0;
  LaneLast last;  // of what is written

  [[nodiscard]] bool ok() const { return !fault && !error; }
  // A row that conflicts belongs to somebody else.
  [[nodiscard]] std::optional<std::size_t> last_written(RowKind kind, const Slice::Range& rows) {
    for (auto i = rows.last; i > rows.first; --i) {
      const bool conflict = std::any_of(conflicts.begin(), conflicts.end(), [&](const auto& one) {
        return one.kind == kind && one.index == i - 1;
      });
      if (!conflict) return i - 1;
    }
    return std::nullopt;
  }
  template <class RowOf>
  void note_last(const Slice& slice, RowKind written, LastKind kind, RowOf row_of) {
    const auto& rows = slice.rows[static_cast<std::size_t>(written) - 1];
    if (const auto at = last_written(written, rows)) last[kind] = row_of(*at);
  }
  void note_last(const LaneBatch& batch, const Slice& slice) {
    using Row = LaneLast::Row;
    note_last(slice, RowKind::order, LastKind::order, [&](auto at) {
      return Row{batch.orders[at].order_id, batch.orders[at].order_id};
    });
    note_last(slice, RowKind::amount, LastKind::amount, [&](auto at) {
      return Row{batch.amounts[at].item, batch.amounts[at].lsn};
    });
    note_last(slice, RowKind::promo, LastKind::promo, [&](auto at) {
      return Row{batch.promos[at].put.promo, batch.promos[at].put_lsn};
    });
    note_last(slice, RowKind::grant, LastKind::grant, [&](auto at) {
      return Row{batch.grants[at].grant.promo, batch.grants[at].lsn};
    });
    note_last(slice, RowKind::update, LastKind::update, [&](auto at) {
      return Row{batch.updates[at].update.order, batch.updates[at].lsn};
    });
    note_last(slice, RowKind::stock, LastKind::stock, [&](auto at) {
      return Row{batch.stock[at].lsn, batch.stock[at].lsn};
    });
  }
  void fail(const SqlSession& session, const SqlOutcome& outcome) {
    lost = classify_sql_error(outcome.errnum) != SqlErrorClass::transient;
    too_much = lost;
    error = Error{Errc::unavailable, session.place() + ": " + with_advice(outcome), outcome.errnum};
  }
};

LaneWriter::LaneWriter(DbOptions options, int lane, std::uint64_t epoch, std::uint64_t owner,
                       const LaneLast& last)
    : options_(std::move(options)), lane_(lane), fence_{epoch, owner, 0, last} {}
LaneWriter::~LaneWriter() = default;
LaneWriter::LaneWriter(LaneWriter&&) noexcept = default;
LaneWriter& LaneWriter::operator=(LaneWriter&&) noexcept = default;

void LaneWriter::disconnect() {
  session_.reset();
}

void LaneWriter::fill(std::map<std::string, std::vector<std::string>> unfilled) {
  const std::pair<RowKind, const char*> tables[] = {{RowKind::order, "orders"},
                                                    {RowKind::stock, "stock_change"}};
  for (const auto& [kind, table] : tables) {
    auto& text = fill_[static_cast<std::size_t>(kind) - 1];
    text.clear();
    for (const auto& column : unfilled[table])
      text += ',' + column + "=COALESCE(" + column + ",VALUES(" + column + "))";
  }
}

Status LaneWriter::ensure_session() {
  if (session_) return Done{};
  if (auto address = parse_db_url(options_.url); !address) return address.error();
  auto session = connect_sql(options_, SqlSession::Commit::explicitly);
  // Whatever keeps a lane out (a changed password, a dropped database) may be put right while it
  // waits: only the url is final.
  if (!session)
    return Error{Errc::unavailable, session.error().message, session.error().sql_number};
  session_ = std::move(*session);
  return check_session();
}

Status LaneWriter::look() {
  return session_ ? check_session() : ensure_session();
}

Status LaneWriter::check_session() {
  auto as_left = check_row();
  if (!as_left) disconnect();
  return as_left;
}

Result<LaneOutcome> LaneWriter::apply(const LaneBatch& batch) {
  if (auto ready = ensure_session(); !ready) return ready.error();
  LaneOutcome outcome;
  bool committed = false;
  auto todo = slices_of(batch);
  while (!todo.empty()) {
    const Slice slice = todo.back();
    todo.pop_back();
    Attempt attempt = try_slice(batch, slice);
    if (attempt.too_much) shrink(slice.size());
    if (attempt.error) return *attempt.error;
    if (!attempt.fault) {
      committed = true;
      std::move(attempt.conflicts.begin(), attempt.conflicts.end(),
                std::back_inserter(outcome.failures));
      continue;
    }
    const std::size_t kind = *attempt.fault;
    if (slice.size() > 1) {
      const auto parts = slice.split(kind);
      todo.push_back(parts.second);
      todo.push_back(parts.first);
      continue;
    }
    const std::size_t index = slice.rows[kind].first;
    outcome.failures.push_back({kWritings[kind].kind, index, attempt.errnum,
                                "ALARM: " + row_name(batch, kWritings[kind].kind, index) +
                                    " is refused by the database: " + attempt.message + " (" +
                                    std::to_string(attempt.errnum) + ")"});
  }
  // EXEC may name lsns without a row beside those that failed: the witness covers them.
  if (!committed) {
    if (auto attempt = try_slice(batch, {}); attempt.error) return *attempt.error;
  }
  grow();
  return outcome;
}

// In the order of kWritings; the last one is written first.
std::vector<LaneWriter::Slice> LaneWriter::slices_of(const LaneBatch& batch) const {
  Slice whole;
  for (std::size_t kind = 0; kind < kRowKinds; ++kind)
    whole.rows[kind] = {0, kWritings[kind].count(batch)};
  if (whole.size() <= rows_max_) return {whole};
  std::vector<Slice> slices;
  for (std::size_t kind = 0; kind < kRowKinds; ++kind) {
    const auto size = whole.rows[kind].size();
    for (std::size_t first = 0; first < size; first += rows_max_)
      slices.emplace_back().rows[kind] = {first, std::min(first + rows_max_, size)};
  }
  std::reverse(slices.begin(), slices.end());
  return slices;
}

void LaneWriter::shrink(std::size_t rows) {
  rows_max_ = std::max<std::size_t>(rows / 2, 1);
  taken_ = 0;
}

void LaneWriter::grow() {
  if (rows_max_ == SIZE_MAX || ++taken_ < kGrowAfter) return;
  taken_ = 0;
  rows_max_ = rows_max_ > SIZE_MAX / 2 ? SIZE_MAX : rows_max_ * 2;
}

LaneWriter::Attempt LaneWriter::try_slice(const LaneBatch& batch, const Slice& slice) {
  Attempt attempt;
  attempt.witness = batch.witness;
  config::failpoint("db_begin");
  session_->statement().clear();
  append_lane_update(session_->statement(), batch.witness, lane_, fence_);
  const SqlOutcome claimed = session_->execute();
  if (claimed.failed) {
    attempt.fail(*session_, claimed);
    attempt.too_much = false;
  } else if (claimed.affected != 1) {
    attempt.error = refused_row();
  } else {
    config::failpoint("db_exec");
    write_slice(batch, slice, attempt);
  }
  if (attempt.ok()) commit(attempt);
  if (!attempt.ok()) take_back(attempt);
  return attempt;
}

void LaneWriter::write_slice(const LaneBatch& batch, const Slice& slice, Attempt& attempt) {
  const auto bytes_max = std::min(kStatementBytesMax, session_->statement_bytes_max());
  for (std::size_t kind = 0; kind < kRowKinds; ++kind) {
    const RowWriting& writing = kWritings[kind];
    const auto rows = slice.rows[kind];
    const auto& fill = fill_[kind];
    for (std::size_t first = rows.first; first < rows.last;) {
      session_->statement().clear();
      const std::size_t next = writing.append(session_->statement(), batch, first, rows.last,
                                              bytes_max - std::min(bytes_max, fill.size()));
      session_->statement() += fill;
      const SqlOutcome written = session_->execute();
      if (written.failed) {
        if (classify_sql_error(written.errnum) != SqlErrorClass::row) {
          return attempt.fail(*session_, written);
        }
        attempt.fault = kind;
        attempt.errnum = written.errnum;
        attempt.message = written.message;
        return;
      }
      // A row that was filled counts like two that were written.
      if (written.affected != writing.affected_per_row * (next - first) || !fill.empty()) {
        const auto read = writing.check(*session_, batch, first, next, attempt.conflicts);
        if (read.failed) return attempt.fail(*session_, read);
      }
      first = next;
    }
  }
  attempt.note_last(batch, slice);
}

void LaneWriter::commit(Attempt& attempt) {
  if (config::failpoint("in_db")) {
    attempt.lost = true;
    attempt.error = Error{Errc::unavailable, "failpoint in_db: the transaction is taken back"};
    return;
  }
  const SqlOutcome committed = session_->execute("COMMIT");
  if (committed.failed) {
    attempt.fail(*session_, committed);
    attempt.lost = true;  // stored or not, nobody knows: the same batch again will tell
    return;
  }
  ++fence_.batches;
  applied_ = std::max(applied_, attempt.witness);
  auto& last = fence_.last;
  for (std::size_t kind = 0; kind < kLastKinds; ++kind)
    if (attempt.last.rows[kind].lsn != 0) last.rows[kind] = attempt.last.rows[kind];
  if (last.oldest_order == 0) last.oldest_order = last[LastKind::order].lsn;
  if (last.oldest_stock == 0) last.oldest_stock = last[LastKind::stock].lsn;
  if (config::failpoint("after_db")) {
    attempt.lost = true;
    attempt.error = Error{Errc::unavailable, "failpoint after_db: the commit's answer is lost"};
  }
}

void LaneWriter::take_back(Attempt& attempt) {
  // A statement that ran into a lock wait or a row error is undone alone: the transaction is still
  // open, and must not be committed by accident later.
  if (!attempt.lost && !session_->execute("ROLLBACK").failed) return;
  disconnect();  // the server rolls back what a lost session left open
  if (attempt.fault) {
    attempt.error = Error{Errc::unavailable, "the session was lost while a batch was taken back"};
  }
}

// Behind an update that found no row of this writer's.
Error LaneWriter::refused_row() {
  const auto as_left = check_row();
  if (!as_left) return as_left.error();
  return {Errc::unavailable, session_->place() + ": lane " + std::to_string(lane_) +
                                 " was not as expected, and is now; the batch is sent again"};
}

// A database that was put back to an earlier state has fewer of this writer's batches, or an older
// owner. That there is no row says nothing: a restore may be about to write it.
Status LaneWriter::check_row() {
  std::optional<LaneRow> row;
  const auto read = session_->query(
      "SELECT epoch,owner,batches,applied_lsn FROM lane WHERE lane=" + std::to_string(lane_),
      [&](const SqlRow& found) {
        row = LaneRow{lane_, found.u64(0), found.u64(3), found.u64(2), found.u64(1)};
      });
  (void)session_->execute("ROLLBACK");  // what was read must be read anew in the next transaction
  if (read.failed)
    return Error{Errc::unavailable, session_->place() + ": " + with_advice(read), read.errnum};
  if (!row) {
    return Error{Errc::unavailable,
                 session_->place() + ": lane " + std::to_string(lane_) +
                     " has no row: the database is empty or being restored; " + kHowToMendHalf,
                 kErrnumNoRow};
  }
  const bool of_another = row->epoch == fence_.epoch && row->owner != fence_.owner;
  // Who deposes a writer keeps its batches.
  if (of_another && row->batches < fence_.batches)
    return restored("is owned by start " + std::to_string(row->owner) + ", has " +
                    std::to_string(row->batches) + " batches");
  if (row->epoch > fence_.epoch || of_another) {
    return Error{Errc::fenced,
                 "lane " + std::to_string(lane_) + " of " + session_->place() +
                     " belongs to epoch " + std::to_string(row->epoch) + ", owner " +
                     std::to_string(row->owner) + "; this writer has epoch " +
                     std::to_string(fence_.epoch) + ", owner " + std::to_string(fence_.owner) +
                     ", and stops. If no other backend runs on this database, restart this one"};
  }
  if (row->epoch < fence_.epoch) return restored("is of epoch " + std::to_string(row->epoch));
  if (row->batches < fence_.batches || row->applied_lsn < applied_)
    return restored("has " + std::to_string(row->batches) + " batches up to lsn " +
                    to_text(row->applied_lsn));
  if (auto stored = check_last_rows(); !stored) return stored;
  fence_.batches = row->batches;
  applied_ = row->applied_lsn;
  return Done{};
}

// A dump that is loaded in place makes one table after the other anew: a lane may have committed to
// one that came later.
Status LaneWriter::check_last_rows() {
  for (std::size_t kind = 0; kind < kLastKinds; ++kind) {
    if (fence_.last.rows[kind].lsn == 0) continue;
    if (auto there = check_last_row(kind); !there) return there;
  }
  looked_ = 0;
  return Done{};
}

// What is older than all rows, and had older neighbours, was cut off from the old end: moved to an
// archive, which putting a database back never does.
Status LaneWriter::check_last_row(std::size_t kind) {
  const auto& table = kLastTables[kind];
  auto& last = fence_.last.rows[kind];
  const std::string key(table.key);
  const auto number = std::to_string(last.key);
  const auto from = " FROM " + std::string(table.table);
  std::optional<Lsn> there;
  Lsn lowest = 0;
  std::uint64_t rows = 0;
  auto read = session_->query("SELECT " + (table.guard.empty() ? key : std::string(table.guard)) +
                                  from + " WHERE " + key + "=" + number,
                              [&](const SqlRow& row) { there = row.u64(0); });
  if (!read.failed && !there)
    read = session_->query("SELECT " + key + from + " ORDER BY " + key + " LIMIT 1",
                           [&](const SqlRow& row) { lowest = row.u64(0); });
  if (!read.failed && !there)  // behind it the other lanes go on
    read = session_->query(
        "SELECT COUNT(*)" + from + (table.by_lsn ? " WHERE " + key + "<" + number : ""),
        [&](const SqlRow& row) { rows = row.u64(0); });
  (void)session_->execute("ROLLBACK");
  if (read.failed)
    return Error{Errc::unavailable, session_->place() + ": " + with_advice(read), read.errnum};
  const auto name = std::string(table.name) + " " + (table.by_lsn ? to_text(last.key) : number);
  if (there && *there >= last.lsn) return Done{};
  if (there)
    return restored("has " + name + " of lsn " + to_text(*there) + ", not of " + to_text(last.lsn));
  const auto oldest = table.table == "orders" ? fence_.last.oldest_order : fence_.last.oldest_stock;
  if (table.by_lsn && last.key < lowest && oldest != 0 && oldest < last.key) {
    last = {};
    return Done{};
  }
  return may_be_filling(rows, lowest == 0, name);
}

// A table that is empty, or grows, may be in the middle of a restore.
Status LaneWriter::may_be_filling(std::uint64_t rows, bool empty, const std::string& what) {
  looked_ = empty || rows != rows_below_ || what != missing_ ? 0 : looked_ + 1;
  rows_below_ = rows;
  missing_ = what;
  if (looked_ >= kMissingLooks) return restored("lacks " + what);
  return Error{Errc::unavailable,
               session_->place() + ": lane " + std::to_string(lane_) + " has committed " + what +
                   ", which is not there; " + kHowToMendHalf,
               kErrnumNoRow};
}

Error LaneWriter::restored(const std::string& how) const {
  return {Errc::corrupt, "lane " + std::to_string(lane_) + " of " + session_->place() + " " + how +
                             "; this writer had committed " + std::to_string(fence_.batches) +
                             " batches up to lsn " + to_text(applied_) + " in epoch " +
                             std::to_string(fence_.epoch) +
                             ": the database was put back to an earlier state. " + kHowToRewrite};
}

}  // namespace stampede::storage
