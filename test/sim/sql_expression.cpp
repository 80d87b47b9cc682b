#include "test/sim/sql_expression.h"

#include <algorithm>

#include "test/sim/sql_table.h"

namespace stampede::sim {

namespace {

// The cell that a node stands for; null: it is computed, and a number.
const Cell* leaf(const SqlNode& node, const SqlScope& scope) {
  switch (node.op) {
    case SqlOp::parameter:
      return &(*scope.parameters)[node.position];
    case SqlOp::column:
      return &(*scope.row)[node.position];
    case SqlOp::inserted:
      return &(*scope.inserted)[node.position];
    case SqlOp::choose:
      return leaf(node.of[sql_number(node.of[0], scope) != 0 ? 1 : 2], scope);
    default:
      return nullptr;
  }
}

bool equal(const SqlNode& left, const SqlNode& right, const SqlScope& scope) {
  const auto* one = leaf(left, scope);
  const auto* other = leaf(right, scope);
  if (one != nullptr && other != nullptr) return *one == *other;
  return sql_cell(left, scope) == sql_cell(right, scope);
}

bool is_in(const SqlNode& node, const SqlScope& scope) {
  return std::any_of(node.of.begin() + 1, node.of.end(),
                     [&](const SqlNode& one) { return equal(node.of[0], one, scope); });
}

std::int64_t highest(const SqlNode& node, const SqlScope& scope) {
  auto number = kSqlNull;
  for (const auto* row : *scope.group) number = std::max(number, (*row)[node.position].number);
  return number;
}

// By the primary key first, as the product asks.
bool exists(const SqlNode& node, const SqlScope& scope) {
  const auto& condition = node.of[0];
  const auto& key = condition.op == SqlOp::both ? condition.of[0] : condition;
  if (key.op != SqlOp::equal || key.of[0].op != SqlOp::column || key.of[0].position != 0 ||
      key.of[1].op != SqlOp::parameter)
    refuse_sql("EXISTS without the key");
  const auto& rows = (*scope.tables)[node.position]->rows;
  const auto row = rows.find((*scope.parameters)[key.of[1].position].number);
  return row != rows.end() &&
         sql_number(condition, {scope.parameters, &row->second, nullptr, nullptr, nullptr}) != 0;
}

}  // namespace

std::int64_t sql_number(const SqlNode& node, const SqlScope& scope) {
  const auto of = [&](std::size_t i) { return sql_number(node.of[i], scope); };
  switch (node.op) {
    case SqlOp::parameter:
      return (*scope.parameters)[node.position].number;
    case SqlOp::column:
      return (*scope.row)[node.position].number;
    case SqlOp::inserted:
      return (*scope.inserted)[node.position].number;
    case SqlOp::add:
      return of(0) + of(1);
    case SqlOp::greater:
      return of(0) > of(1) ? 1 : 0;
    case SqlOp::less:
      return of(0) < of(1) ? 1 : 0;
    case SqlOp::greater_equal:
      return of(0) >= of(1) ? 1 : 0;
    case SqlOp::less_equal:
      return of(0) <= of(1) ? 1 : 0;
    case SqlOp::equal:
      return equal(node.of[0], node.of[1], scope) ? 1 : 0;
    case SqlOp::both:
      return of(0) != 0 && of(1) != 0 ? 1 : 0;
    case SqlOp::greatest:
      return std::max(of(0), of(1));
    case SqlOp::choose:
      return of(of(0) != 0 ? 1 : 2);
    case SqlOp::coalesce:
      return of(0) == kSqlNull ? of(1) : of(0);
    case SqlOp::in:
      return is_in(node, scope) ? 1 : 0;
    case SqlOp::max:
      return highest(node, scope);
    case SqlOp::exists:
      return exists(node, scope) ? 1 : 0;
    case SqlOp::count:
      return static_cast<std::int64_t>(scope.group->size());
  }
  return 0;
}

Cell sql_cell(const SqlNode& node, const SqlScope& scope) {
  const auto* cell = leaf(node, scope);
  return cell != nullptr ? *cell : Cell{sql_number(node, scope), {}};
}

bool has_aggregate(const SqlNode& node) {
  return node.op == SqlOp::max || node.op == SqlOp::count ||
         std::any_of(node.of.begin(), node.of.end(), has_aggregate);
}

}  // namespace stampede::sim
