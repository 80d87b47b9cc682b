#pragma once

// Statements made of rows, for sql_text.cpp and sale_rows.cpp. Pure functions.

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "storage/mysql/sql_text.h"

namespace stampede::storage {

// `head` and the rows first … last-1, each by append(out, row), and `tail`; ends early, after at
// least one row, before it grows over `bytes_max`. Returns the index behind the last row written.
template <class Row, class Append>
std::size_t append_rows(std::string& out, std::string_view head, const std::vector<Row>& rows,
                        std::size_t first, std::size_t last, std::string_view tail,
                        std::size_t bytes_max, Append append) {
  out += head;
  std::size_t next = first;
  for (; next < last; ++next) {
    const auto before = out.size();
    if (next != first) out += ',';
    append(out, rows[next]);
    if (next == first || out.size() + tail.size() <= bytes_max) continue;
    out.resize(before);
    break;
  }
  out += tail;
  return next;
}

// `head` (1,2,3), each key(row).
template <class Row, class Key>
void append_keys(std::string& out, std::string_view head, const std::vector<Row>& rows,
                 std::size_t first, std::size_t last, Key key) {
  out += head;
  for (std::size_t i = first; i < last; ++i) {
    out += i == first ? '(' : ',';
    append_number(out, key(rows[i]));
  }
  out += ')';
}

// A value of a column: a text, or a number.
inline void append_value(std::string& out, std::string_view value) {
  append_text_literal(out, value);
}
inline void append_value(std::string& out, std::int64_t value) {
  append_number(out, value);
}

// "name=IF(VALUES(guard)>guard,VALUES(name),name),". Assignments are made from left to right: the
// guard column comes last, or the later ones would compare with the new value.
inline void append_guarded(std::string& out, std::string_view name, std::string_view guard) {
  const std::string column(name);
  const std::string lsn(guard);
  out += column + "=IF(VALUES(" + lsn + ")>" + lsn + ",VALUES(" + column + ")," + column + "),";
}
inline void append_guard(std::string& out, std::string_view guard) {
  const std::string lsn(guard);
  out += lsn + "=GREATEST(" + lsn + ",VALUES(" + lsn + "))";
}

}  // namespace stampede::storage
