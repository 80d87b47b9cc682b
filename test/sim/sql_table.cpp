#include "test/sim/sql_table.h"

#include <algorithm>

#include "test/sim/sql_statement.h"

namespace stampede::sim {

namespace {

std::int64_t key_of(const SqlTable& table, const Cell& cell) {
  return table.columns[0].is_text
             ? static_cast<std::int64_t>(std::hash<std::string>{}(cell.text) >> 1)
             : cell.number;
}

void write(SqlTable& table, std::int64_t key, SqlCells cells, std::vector<SqlChange>& changes) {
  if (table.not_negative >= 0 && cells[static_cast<std::size_t>(table.not_negative)].number < 0)
    throw SqlFault{4025, "CONSTRAINT failed"};
  changes.push_back({&table, key, table.set(key, std::move(cells))});
}

SqlCells fallbacks(const SqlTable& table) {
  SqlCells cells(table.columns.size());
  for (std::size_t i = 0; i < cells.size(); ++i) cells[i].number = table.columns[i].fallback;
  return cells;
}

}  // namespace

int SqlTable::column(std::string_view wanted) const {
  for (std::size_t i = 0; i < columns.size(); ++i)
    if (columns[i].name == wanted) return static_cast<int>(i);
  return -1;
}

SqlCells SqlTable::set(std::int64_t key, SqlCells cells) {
  const auto found = rows.find(key);
  const auto text = static_cast<std::size_t>(unique);
  if (unique >= 0 && found != rows.end()) by_unique.erase(found->second[text].text);
  if (unique >= 0 && !cells.empty()) by_unique[cells[text].text] = key;
  if (found == rows.end()) {
    if (!cells.empty()) rows.emplace_hint(rows.end(), key, std::move(cells));
    return {};
  }
  std::swap(found->second, cells);
  if (found->second.empty()) rows.erase(found);
  return cells;
}

void SqlEngine::undo(std::vector<SqlChange>& changes, std::size_t keep) {
  for (; changes.size() > keep; changes.pop_back()) {
    auto& change = changes.back();
    change.table->set(change.key, std::move(change.before));
  }
}

// What the text at hand means: parsed when its shape comes for the first time.
const SqlStatement& SqlEngine::statement() const {
  thread_local std::unordered_map<std::string, SqlStatement> known;
  const auto found = known.find(text_.shape);
  if (found != known.end()) return found->second;
  return known.emplace(text_.shape, parse_sql(text_.shape, tables_)).first->second;
}

SqlAnswer SqlEngine::run(std::string_view sql, std::vector<SqlChange>& changes) {
  SqlAnswer answer;
  const auto before = changes.size();
  try {
    split_sql(sql, text_);
    const auto& what = statement();
    if (what.kind == SqlStatement::Kind::insert)
      insert(what, changes, answer);
    else if (what.kind == SqlStatement::Kind::update)
      update(what, changes, answer);
    else
      select(what, answer);
  } catch (const SqlFault& fault) {
    undo(changes, before);
    return {fault.errnum, fault.message, 0, {}};
  }
  return answer;
}

void SqlEngine::insert(const SqlStatement& statement, std::vector<SqlChange>& changes,
                       SqlAnswer& answer) {
  auto& table = *tables_[statement.table];
  auto& literals = text_.literals;
  if (literals.size() % statement.into.size() != 0) refuse_sql("rows of different lengths");
  for (auto next = literals.begin(); next != literals.end();) {
    auto cells = fallbacks(table);
    for (const auto column : statement.into) cells[column] = std::move(*next++);
    const auto key = key_of(table, cells[0]);
    auto twin = table.rows.find(key);
    if (twin == table.rows.end() && table.unique >= 0) {
      const auto known = table.by_unique.find(cells[static_cast<std::size_t>(table.unique)].text);
      if (known != table.by_unique.end()) twin = table.rows.find(known->second);
    }
    if (twin == table.rows.end()) {
      write(table, key, std::move(cells), changes);
      ++answer.affected;
    } else if (!statement.on_duplicate) {
      throw SqlFault{1062, "Duplicate entry"};
    } else if (assign(table, *twin, statement, &cells, changes)) {
      answer.affected += 2;
    }
  }
}

// True when the row is another one now.
bool SqlEngine::assign(SqlTable& table, Row& row, const SqlStatement& statement,
                       const SqlCells* inserted, std::vector<SqlChange>& changes) {
  SqlCells cells;  // a copy of the row as soon as something changes
  for (const auto& one : statement.assignments) {
    const auto& now = cells.empty() ? row.second : cells;
    auto value = sql_cell(one.value, {&text_.literals, &now, inserted, nullptr});
    if (value == now[one.column]) continue;
    if (cells.empty()) cells = row.second;
    cells[one.column] = std::move(value);
  }
  if (cells.empty() || cells == row.second) return false;
  write(table, row.first, std::move(cells), changes);
  return true;
}

void SqlEngine::update(const SqlStatement& statement, std::vector<SqlChange>& changes,
                       SqlAnswer& answer) {
  auto& table = *tables_[statement.table];
  if (statement.values != 0) return update_from_values(table, statement, changes, answer);
  find_rows(table, statement);
  for (auto* row : found_)
    if (assign(table, *row, statement, nullptr, changes)) ++answer.affected;
}

void SqlEngine::update_from_values(SqlTable& table, const SqlStatement& statement,
                                   std::vector<SqlChange>& changes, SqlAnswer& answer) {
  const auto& literals = text_.literals;
  const auto width = static_cast<std::ptrdiff_t>(statement.values);
  if (literals.size() % statement.values != 0) refuse_sql("rows of different lengths");
  for (auto next = literals.begin(); next != literals.end(); next += width) {
    const SqlCells cells(next, next + width);
    const auto row = table.rows.find(cells[0].number);
    if (row == table.rows.end()) continue;
    if (sql_number(*statement.where, {&literals, &row->second, &cells, nullptr}) == 0) continue;
    if (assign(table, *row, statement, &cells, changes)) ++answer.affected;
  }
}

void SqlEngine::find_rows(SqlTable& table, const SqlStatement& statement) {
  found_.clear();
  const auto* where = statement.where ? &*statement.where : nullptr;
  const auto& literals = text_.literals;
  const bool by_key = where != nullptr && where->op == SqlOp::in &&
                      where->of[0].op == SqlOp::column && where->of[0].position == 0;
  if (by_key) {
    for (std::size_t i = 1; i < where->of.size(); ++i) {
      const auto row = table.rows.find(literals[where->of[i].position].number);
      if (row != table.rows.end()) found_.push_back(&*row);
    }
    return;
  }
  for (auto& row : table.rows)
    if (where == nullptr ||
        sql_number(*where, {&literals, &row.second, nullptr, nullptr, &tables_}) != 0)
      found_.push_back(&row);
}

void SqlEngine::select(const SqlStatement& statement, SqlAnswer& answer) {
  find_rows(*tables_[statement.table], statement);
  std::vector<const SqlCells*> group;
  for (const auto* row : found_) group.push_back(&row->second);
  const auto give = [&](const SqlCells* cells) {
    auto& out = answer.rows.emplace_back();
    out.reserve(statement.what.size());
    for (const auto& node : statement.what)
      out.push_back(sql_cell(node, {&text_.literals, cells, nullptr, &group}));
  };
  const auto& what = statement.what;
  if (std::any_of(what.begin(), what.end(), has_aggregate)) return give(nullptr);
  auto limit = group.size();
  if (statement.limit)
    limit = std::min(limit, static_cast<std::size_t>(text_.literals[*statement.limit].number));
  answer.rows.reserve(limit);
  for (std::size_t i = 0; i < limit; ++i) give(group[i]);
}

}  // namespace stampede::sim
