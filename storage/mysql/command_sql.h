#pragma once

// Applies commands to MySQL: one lane batch, one transaction (contract §6), and decides which
// command is executed, which has failed, and what has to be tried again.

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "storage/commands/batch_rows.h"
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
//   fenced       a higher epoch owns the lane, or its row is gone: the node exits 75
//   invalid      the url cannot be read
class LaneWriter {
 public:
  // Connects at the first apply. `epoch` is the one that Database::claim wrote.
  LaneWriter(DbOptions options, int lane, std::uint64_t epoch);
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
  Error fenced();

  DbOptions options_;
  int lane_;
  std::uint64_t epoch_;
  std::size_t rows_max_ = SIZE_MAX;  // of a transaction
  int taken_ = 0;                    // batches, since the last one that was not
  std::unique_ptr<SqlSession> session_;
};

}  // namespace stampede::storage
