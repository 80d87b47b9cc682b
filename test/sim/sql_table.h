#pragma once

// Tables in memory, as the migrations make them: primary key, one unique column, one CHECK.

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "test/sim/sql_expression.h"
#include "test/sim/sql_shape.h"

namespace stampede::sim {

struct SqlStatement;

struct SqlColumn {
  std::string_view name;
  bool is_text = false;
  std::int64_t fallback = 0;  // DEFAULT
};

struct SqlTable {
  std::string_view name;
  std::vector<SqlColumn> columns;  // the first is the primary key
  int unique = -1;                 // a text column
  int not_negative = -1;           // CHECK (column >= 0)
  std::map<std::int64_t, SqlCells> rows;
  std::unordered_map<std::string, std::int64_t> by_unique;

  [[nodiscard]] int column(std::string_view wanted) const;  // -1: there is none
  // Puts `cells` in the place of the row, or removes it (empty); keeps the unique index. Returns
  // the row as it was before; empty: it was not there.
  SqlCells set(std::int64_t key, SqlCells cells);
};

// A row as it was before a statement changed it; `before` empty: it was not there.
struct SqlChange {
  SqlTable* table;
  std::int64_t key;
  SqlCells before;
};

struct SqlAnswer {
  unsigned errnum = 0;
  std::string message;
  std::uint64_t affected = 0;
  std::vector<SqlCells> rows;
};

// Runs the statements that storage/ writes (and refuses all others), with left-to-right assignments
// as MySQL does them. Appends what it changed to `changes`; a statement that fails has changed
// nothing. All engines of a process have the same tables in the same order.
class SqlEngine {
 public:
  explicit SqlEngine(std::vector<SqlTable*> tables) : tables_(std::move(tables)) {}
  SqlAnswer run(std::string_view sql, std::vector<SqlChange>& changes);
  static void undo(std::vector<SqlChange>& changes, std::size_t keep);

 private:
  using Row = std::pair<const std::int64_t, SqlCells>;

  [[nodiscard]] const SqlStatement& statement() const;
  void insert(const SqlStatement& statement, std::vector<SqlChange>& changes, SqlAnswer& answer);
  void update(const SqlStatement& statement, std::vector<SqlChange>& changes, SqlAnswer& answer);
  void update_from_values(SqlTable& table, const SqlStatement& statement,
                          std::vector<SqlChange>& changes, SqlAnswer& answer);
  void select(const SqlStatement& statement, SqlAnswer& answer);
  bool assign(SqlTable& table, Row& row, const SqlStatement& statement, const SqlCells* inserted,
              std::vector<SqlChange>& changes);
  void find_rows(SqlTable& table, const SqlStatement& statement);

  std::vector<SqlTable*> tables_;
  SqlText text_;             // of the statement at hand
  std::vector<Row*> found_;  // by its WHERE
};

}  // namespace stampede::sim
