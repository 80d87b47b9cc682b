#pragma once

// Builds the text of the lanes' SQL statements. Measured against prepared multi-row statements the
// speed is the same within noise, and a text serves any number of rows.
//
// No byte of a client ever meets the server's escaping rules: a text made of letters, digits, space
// and a few harmless signs is quoted as it is, every other one is written as a hex literal (x'…').
// So neither sql_mode (NO_BACKSLASH_ESCAPES, ANSI_QUOTES) nor the character set can change what a
// statement means. Pure functions that append to `out`; no I/O.

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "storage/commands/batch_rows.h"
#include "storage/mysql/database.h"

namespace stampede::storage {

void append_number(std::string& out, std::uint64_t value);
void append_number(std::string& out, std::int64_t value);
void append_literal(std::string& out, std::string_view bytes);  // 'abc' or x'e282ac'
// For columns of text: says that the bytes are UTF-8, so that a column of another character set
// takes the same characters, or refuses the row (1366).
void append_text_literal(std::string& out, std::string_view text);  // 'abc' or _utf8mb4 x'e282ac'

// "2026-11-21 10:42:01.203118" (UTC), the form in which the server also gives it back. Times
// outside the years 0001 … 9999 come out as a text the server refuses for that row (1292).
void append_datetime(std::string& out, std::int64_t us_since_1970);

// The same for a column of milliseconds: "2026-11-21 10:42:01.203".
void append_datetime_ms(std::string& out, std::int64_t ms_since_1970);
// What such a column says, whatever its precision; -1: no time, or one between milliseconds.
std::int64_t parse_datetime_ms(std::string_view text);
std::int64_t parse_datetime_us(std::string_view text);  // of append_datetime()

// `UPDATE lane …` with the fence: affects one row, or the lane belongs to somebody else, or the
// database is not as this writer left it.
void append_lane_update(std::string& out, Lsn witness, int lane, const LaneFence& fence);

inline constexpr std::size_t kStatementBytesMax = std::size_t{2} << 20;

// Rows first … last-1 as one statement. Ends early, after at least one row, before the statement
// grows over `bytes_max`; returns the index behind the last row written.
std::size_t append_order_insert(std::string& out, const LaneBatch& batch, std::size_t first,
                                std::size_t last, std::size_t bytes_max = kStatementBytesMax);
std::size_t append_put_upsert(std::string& out, const LaneBatch& batch, std::size_t first,
                              std::size_t last, std::size_t bytes_max = kStatementBytesMax);
std::size_t append_amount_upsert(std::string& out, const LaneBatch& batch, std::size_t first,
                                 std::size_t last, std::size_t bytes_max = kStatementBytesMax);

// The stored rows with the keys of rows first … last-1, to be compared with what was sent.
void append_order_select(std::string& out, const LaneBatch& batch, std::size_t first,
                         std::size_t last);
void append_put_select(std::string& out, const LaneBatch& batch, std::size_t first,
                       std::size_t last);
void append_amount_select(std::string& out, const LaneBatch& batch, std::size_t first,
                          std::size_t last);

}  // namespace stampede::storage
