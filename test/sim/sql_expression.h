#pragma once

// Values of the simulated database and what computes them.

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

namespace stampede::sim {

struct SqlTable;

struct Cell {
  std::int64_t number = 0;
  std::string text;
  bool operator==(const Cell&) const = default;
};
using SqlCells = std::vector<Cell>;

inline constexpr std::int64_t kSqlNull = INT64_MIN;  // only of MAX over no row

enum class SqlOp : std::uint8_t {
  parameter,
  column,
  inserted,  // leaves; inserted: VALUES(column)
  add,
  greater,
  less,
  greater_equal,
  less_equal,
  equal,
  both,
  greatest,
  choose,
  coalesce,
  in,
  max,
  count,
  exists,  // a row of a table of which `of` is true
};

// Knows columns and literals by their position only, so that it serves every statement of its
// shape.
struct SqlNode {
  SqlNode() = default;
  SqlNode(SqlOp what, std::size_t which) : op(what), position(which) {}
  SqlNode(SqlOp what, SqlNode&& left, SqlNode&& right) : op(what) {
    of.push_back(std::move(left));
    of.push_back(std::move(right));
  }
  SqlOp op = SqlOp::count;
  std::size_t position = 0;  // of a leaf or MAX: the column or literal; EXISTS: the table
  std::vector<SqlNode> of;
};

struct SqlScope {
  const SqlCells* parameters = nullptr;
  const SqlCells* row = nullptr;
  const SqlCells* inserted = nullptr;
  const std::vector<const SqlCells*>* group = nullptr;  // for MAX and COUNT
  const std::vector<SqlTable*>* tables = nullptr;       // for EXISTS
};

[[nodiscard]] std::int64_t sql_number(const SqlNode& node, const SqlScope& scope);
// Its number, and its text if it has one.
[[nodiscard]] Cell sql_cell(const SqlNode& node, const SqlScope& scope);
[[nodiscard]] bool has_aggregate(const SqlNode& node);

}  // namespace stampede::sim
