#pragma once

// A statement's text taken apart into its shape, which is parsed once, and its literals.

#include <string>
#include <string_view>

#include "test/sim/sql_expression.h"

namespace stampede::sim {

struct SqlFault {  // thrown by all that runs a statement, caught by SqlEngine::run()
  unsigned errnum;
  std::string message;
};
[[noreturn]] void refuse_sql(const std::string& what);

// A statement apart from its literals. The program writes few shapes, again and again.
struct SqlText {
  std::string shape;  // with ? for each literal; of a list of rows the first alone
  SqlCells literals;  // all, in their order
};
void split_sql(std::string_view sql, SqlText& text);

}  // namespace stampede::sim
