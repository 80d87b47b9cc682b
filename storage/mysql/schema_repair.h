#pragma once

// Columns that somebody dropped, though the schema's version says that they are there: how they are
// found, made anew, and filled from the log.

#include <functional>
#include <map>
#include <string>
#include <vector>

#include "storage/mysql/db_options.h"
#include "storage/mysql/schema_columns.h"
#include "storage/mysql/sql_session.h"
#include "storage/result.h"

namespace stampede::storage {

// Of these, the ones whose table is there and lacks them. One round trip, as any user of the
// database.
Result<std::vector<SchemaColumn>> lost_columns(SqlSession& session,
                                               const std::vector<SchemaColumn>& columns);

// Hears what was done, a sentence each.
using OnMended = std::function<void(const std::string&)>;

// Makes the lost columns anew; `all`: every column that the tables should have. A column of
// `orders` or `stock_change`, whose rows are never written twice, holds NULL until `log replay
// --all` fills it; a table of guarded rows loses its guards, so that they are written again. A
// table without its key column is renamed, for the steps to make it anew. Durable after each table.
Status make_anew(SqlSession& session, const std::vector<SchemaColumn>& all,
                 const std::vector<SchemaColumn>& lost, const OnMended& on_mended);

// Whether any of them held what the lanes wrote.
bool were_of_lanes(const std::vector<SchemaColumn>& lost);

// By table: the columns that `log replay --all` has to fill.
using UnfilledColumns = std::map<std::string, std::vector<std::string>>;
Result<UnfilledColumns> unfilled_columns(SqlSession& session);
Result<UnfilledColumns> unfilled_columns(const DbOptions& options);  // in a session of its own

// Gives each column that was filled its definition back. One that still holds NULL where none may
// be stays as it is, and is told: its rows are older than the log.
Status finish_filled(SqlSession& session, const std::vector<SchemaColumn>& all,
                     const UnfilledColumns& unfilled, const OnMended& on_mended);

}  // namespace stampede::storage
