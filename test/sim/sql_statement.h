#pragma once

// The statements that storage/ writes, and no others: a recursive descent parser of their shapes.

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "test/sim/sql_expression.h"
#include "test/sim/sql_shape.h"

namespace stampede::sim {

struct SqlTable;

struct SqlAssignment {
  std::size_t column;
  SqlNode value;
};

// What a shape means. Tables and columns by position.
struct SqlStatement {
  enum class Kind : std::uint8_t { insert, update, select };
  Kind kind = Kind::select;
  std::size_t table = 0;
  std::vector<std::size_t> into;           // insert: the columns of each row
  bool on_duplicate = false;               // insert: `assignments` then, otherwise an error
  std::vector<SqlAssignment> assignments;  // insert, update
  std::vector<SqlNode> what;               // select
  std::optional<SqlNode> where;
  std::optional<std::size_t> limit;  // the literal
  // update: of a table of values that is joined; 0: there is none. Its first column is the key.
  std::size_t values = 0;
};
[[nodiscard]] SqlStatement parse_sql(const std::string& shape,
                                     const std::vector<SqlTable*>& tables);

}  // namespace stampede::sim
