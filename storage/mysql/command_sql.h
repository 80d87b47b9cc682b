#pragma once

// Applies commands to MySQL: one lane batch, one transaction (contract §6), and decides which
// command is executed, which has failed, and what has to be tried again.

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "storage/commands/batch_rows.h"
#include "storage/mysql/database.h"
#include "storage/mysql/db_options.h"
#include "storage/result.h"

namespace stampede::storage {

class SqlSession;

// What an error number of the server or its client library means for a batch.
enum class SqlErrorClass : std::uint8_t {
  row,        // a fault of the data: split, and fail the one row
  transient,  // try the same batch again; the session is still good after ROLLBACK
  lost,       // try the same batch again in a new session (also: every unknown number)
};
SqlErrorClass classify_sql_error(unsigned errnum);

// Writes the batches of one lane. Owner: the lane. Thread-compatible: one thread, which owns the
// database session too. Errors:
//   unavailable  nothing is known to be stored; call apply again with the same batch after a pause
//                (5 -> 500 ms …). A lost session is replaced by itself.
//   fenced       another start owns the lane: the node exits 75
//   corrupt      the database is not as this writer left it, it lost commits: the node exits 65.
//                A table that is empty, or is being filled, is waited for (unavailable): one that
//                stands still for kMissingLooks attempts has lost what it lacks
//   invalid      the url cannot be read
class LaneWriter {
 public:
  // Connects at the first apply. `epoch` and `owner` are what Database::claim wrote; `last`: what
  // is known of what the lane has committed before.
  LaneWriter(DbOptions options, int lane, std::uint64_t epoch, std::uint64_t owner = 0,
             const LaneLast& last = {});
  ~LaneWriter();
  LaneWriter(LaneWriter&&) noexcept;
  LaneWriter& operator=(LaneWriter&&) noexcept;

  // A batch is one transaction, unless the server could not take a part of that size lately: then
  // it is sent again in smaller ones, at last row by row. Statements are no longer than it takes.
  // Blocks until the batch is committed or refused, at most about read_timeout per statement. On
  // return with a value every row not in `failures` is durable as the server's
  // innodb_flush_log_at_trx_commit says. Applying a batch again changes no row but the lane's
  // counter. Failpoints: in_db before each COMMIT, after_db behind it.
  Result<LaneOutcome> apply(const LaneBatch& batch);

  // Whether the lane's row is as this writer left it, without changing it; errors as of apply.
  // A new session asks by itself, and every transaction has it in its first statement.
  Status look();

  // Rows of `orders` and `stock_change` that are there get, of these columns (by table), what they
  // hold NULL in: for `log replay --all`, after somebody had dropped them.
  void fill(std::map<std::string, std::vector<std::string>> unfilled);

  // Drops the session; the next apply connects anew.
  void disconnect();

 private:
  struct Slice;    // a part of the batch: one transaction
  struct Attempt;  // what came of one

  Status ensure_session();
  [[nodiscard]] std::vector<Slice> slices_of(const LaneBatch& batch) const;
  void shrink(std::size_t rows);
  void grow();
  Attempt try_slice(const LaneBatch& batch, const Slice& slice);
  void write_slice(const LaneBatch& batch, const Slice& slice, Attempt& attempt);
  void commit(Attempt& attempt);
  void take_back(Attempt& attempt);  // ROLLBACK, or a dropped session
  Error refused_row();
  Status check_session();  // check_row; a session in which that failed is dropped
  Status check_row();
  Status check_last_rows();
  Status check_last_row(std::size_t kind);
  Status may_be_filling(std::uint64_t rows, bool empty, const std::string& what);
  Error restored(const std::string& how) const;

  DbOptions options_;
  int lane_;
  std::size_t rows_max_ = SIZE_MAX;  // of a transaction
  int taken_ = 0;                    // batches, since the last one that was not
  LaneFence fence_;
  Lsn applied_ = 0;  // the row's witness, as this writer has seen it last
  // What was missing, how many rows there were below it, and how often they were as many since.
  std::string missing_;
  std::uint64_t rows_below_ = 0;
  int looked_ = 0;
  std::string fill_[kRowKinds];  // what an insert says behind ON DUPLICATE KEY UPDATE, too
  std::unique_ptr<SqlSession> session_;
};

}  // namespace stampede::storage
