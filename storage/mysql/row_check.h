#pragma once

// After an upsert that changed fewer rows than were sent: reads the stored rows and tells a
// repetition (the same content, or a newer one behind the guard) from a conflict.

#include <cstddef>
#include <string>
#include <vector>

#include "storage/commands/batch_rows.h"
#include "storage/mysql/sql_session.h"

namespace stampede::storage {

inline constexpr unsigned kErrnumDuplicate = 1062;  // the key is taken by a row of other content

// Each reads the keys of rows first … last-1 of the batch in the session's open transaction and
// appends a failure for each row that is not there as sent. Returns the read's own outcome; when
// it failed nothing is known. Block for one round trip; the session's thread.
SqlOutcome check_orders(SqlSession& session, const LaneBatch& batch, std::size_t first,
                        std::size_t last, std::vector<RowFailure>& failures);
SqlOutcome check_puts(SqlSession& session, const LaneBatch& batch, std::size_t first,
                      std::size_t last, std::vector<RowFailure>& failures);
SqlOutcome check_amounts(SqlSession& session, const LaneBatch& batch, std::size_t first,
                         std::size_t last, std::vector<RowFailure>& failures);
SqlOutcome check_promos(SqlSession& session, const LaneBatch& batch, std::size_t first,
                        std::size_t last, std::vector<RowFailure>& failures);
SqlOutcome check_grants(SqlSession& session, const LaneBatch& batch, std::size_t first,
                        std::size_t last, std::vector<RowFailure>& failures);
SqlOutcome check_updates(SqlSession& session, const LaneBatch& batch, std::size_t first,
                         std::size_t last, std::vector<RowFailure>& failures);
SqlOutcome check_stock(SqlSession& session, const LaneBatch& batch, std::size_t first,
                       std::size_t last, std::vector<RowFailure>& failures);

// check_orders of a whole batch that was written some time ago: no row means that it is gone.
SqlOutcome compare_orders(SqlSession& session, const LaneBatch& batch,
                          std::vector<RowFailure>& failures);

// The row's name in messages: "OrderInsert 1.17 (request id 'abc')".
std::string row_name(const LaneBatch& batch, RowKind kind, std::size_t index);

}  // namespace stampede::storage
