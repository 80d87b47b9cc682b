#pragma once

// The text of the lanes' statements for the rules of the sale, by the rules of sql_text.h. Pure.

#include <cstddef>
#include <string>

#include "storage/commands/batch_rows.h"
#include "storage/mysql/sql_text.h"

namespace stampede::storage {

// Rows first … last-1 as one statement, as in sql_text.h. What was granted may make the row of a
// promo whose PromoPut is still on its way, and is not touched by it.
std::size_t append_promo_upsert(std::string& out, const LaneBatch& batch, std::size_t first,
                                std::size_t last, std::size_t bytes_max = kStatementBytesMax);
std::size_t append_grant_upsert(std::string& out, const LaneBatch& batch, std::size_t first,
                                std::size_t last, std::size_t bytes_max = kStatementBytesMax);
std::size_t append_stock_insert(std::string& out, const LaneBatch& batch, std::size_t first,
                                std::size_t last, std::size_t bytes_max = kStatementBytesMax);
// Ends before an order that comes for the second time, too: a statement updates a row once.
std::size_t append_order_update(std::string& out, const LaneBatch& batch, std::size_t first,
                                std::size_t last, std::size_t bytes_max = kStatementBytesMax);

// The stored rows with the keys of rows first … last-1: key, guard (0: of an immutable row) and
// what was sent.
void append_promo_select(std::string& out, const LaneBatch& batch, std::size_t first,
                         std::size_t last);
void append_grant_select(std::string& out, const LaneBatch& batch, std::size_t first,
                         std::size_t last);
void append_update_select(std::string& out, const LaneBatch& batch, std::size_t first,
                          std::size_t last);
void append_stock_select(std::string& out, const LaneBatch& batch, std::size_t first,
                         std::size_t last);

}  // namespace stampede::storage
