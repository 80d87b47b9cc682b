#include "test/sim/sql_table.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <charconv>
#include <optional>

namespace stampede::sim {

namespace {

struct SqlFault {  // thrown by the parser, caught by run()
  unsigned errnum;
  std::string message;
};

[[noreturn]] void refuse(std::string what) {
  throw SqlFault{1064, "the simulated database does not understand: " + std::move(what)};
}

// --- expressions ----------------------------------------------------------------------------

enum class Op : std::uint8_t {
  constant,
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
};

struct Node {
  Node() = default;
  explicit Node(Cell constant) : value(std::move(constant)) {}
  Node(Op what, int which) : op(what), column(which) {}
  Node(Op what, Node&& left, Node&& right) : op(what) {
    of.push_back(std::move(left));
    of.push_back(std::move(right));
  }
  Op op = Op::constant;
  int column = -1;
  Cell value;
  std::vector<Node> of;
};

struct Scope {
  const SqlCells* row = nullptr;
  const SqlCells* inserted = nullptr;
  const std::vector<const SqlCells*>* group = nullptr;  // for MAX and COUNT
};

Cell eval(const Node& node, const Scope& scope);

bool truth(const Node& node, const Scope& scope) {
  return eval(node, scope).number != 0;
}

Cell aggregate(const Node& node, const Scope& scope) {
  if (node.op == Op::count) return {static_cast<std::int64_t>(scope.group->size()), {}};
  Cell highest{INT64_MIN, {}};  // stands for NULL
  for (const auto* row : *scope.group)
    highest.number = std::max(highest.number, (*row)[static_cast<std::size_t>(node.column)].number);
  return highest;
}

Cell compare(const Node& node, const Scope& scope) {
  const auto left = eval(node.of[0], scope);
  const auto right = eval(node.of[1], scope);
  switch (node.op) {
    case Op::greater:
      return {left.number > right.number, {}};
    case Op::less:
      return {left.number < right.number, {}};
    case Op::greater_equal:
      return {left.number >= right.number, {}};
    case Op::less_equal:
      return {left.number <= right.number, {}};
    default:
      return {left == right, {}};
  }
}

Cell eval(const Node& node, const Scope& scope) {
  switch (node.op) {
    case Op::constant:
      return node.value;
    case Op::column:
      return (*scope.row)[static_cast<std::size_t>(node.column)];
    case Op::inserted:
      return (*scope.inserted)[static_cast<std::size_t>(node.column)];
    case Op::add:
      return {eval(node.of[0], scope).number + eval(node.of[1], scope).number, {}};
    case Op::both:
      return {truth(node.of[0], scope) && truth(node.of[1], scope), {}};
    case Op::greatest:
      return {std::max(eval(node.of[0], scope).number, eval(node.of[1], scope).number), {}};
    case Op::choose:
      return eval(node.of[truth(node.of[0], scope) ? 1 : 2], scope);
    case Op::coalesce: {
      auto first = eval(node.of[0], scope);
      return first.number == INT64_MIN ? eval(node.of[1], scope) : first;
    }
    case Op::in: {
      const auto wanted = eval(node.of[0], scope);
      for (std::size_t i = 1; i < node.of.size(); ++i)
        if (node.of[i].value == wanted) return {1, {}};
      return {0, {}};
    }
    case Op::max:
    case Op::count:
      return aggregate(node, scope);
    default:
      return compare(node, scope);
  }
}

bool has_aggregate(const Node& node) {
  return node.op == Op::max || node.op == Op::count ||
         std::any_of(node.of.begin(), node.of.end(), has_aggregate);
}

// --- parsing --------------------------------------------------------------------------------

constexpr auto kWordCharacters = [] {
  std::array<bool, 256> table{};
  for (unsigned char c = 'a'; c <= 'z'; ++c) table[c] = true;
  for (unsigned char c = 'A'; c <= 'Z'; ++c) table[c] = true;
  for (unsigned char c = '0'; c <= '9'; ++c) table[c] = true;
  table['_'] = true;
  return table;
}();

class Parser {
 public:
  explicit Parser(std::string_view sql) : rest_(sql) { advance(); }

  [[nodiscard]] bool at(std::string_view word) const { return token_ == word; }
  bool take(std::string_view word) {
    if (!at(word)) return false;
    advance();
    return true;
  }
  void expect(std::string_view word) {
    if (!take(word))
      refuse("'" + std::string(token_) + "' where '" + std::string(word) + "' belongs");
  }
  std::string_view name() {
    const auto name = token_;
    advance();
    return name;
  }
  [[nodiscard]] bool done() const { return token_.empty(); }
  // All that is not taken yet.
  [[nodiscard]] std::string_view tail() const { return {token_.data(), rest_.end()}; }
  void skip_tail() { token_ = rest_ = {}; }

  Cell literal() {
    Cell cell;
    const auto token = token_;
    if (token.starts_with("x'")) {
      const auto digits = token.substr(2, token.size() - 3);
      for (std::size_t i = 0; i + 1 < digits.size(); i += 2) {
        unsigned byte = 0;
        std::from_chars(digits.data() + i, digits.data() + i + 2, byte, 16);
        cell.text += static_cast<char>(byte);
      }
    } else if (token.starts_with('\'')) {
      cell.text = token.substr(1, token.size() - 2);
    } else {
      const auto [end, error] =
          std::from_chars(token.data(), token.data() + token.size(), cell.number);
      if (error != std::errc{} || end != token.data() + token.size())
        refuse("'" + std::string(token) + "'");
    }
    advance();
    return cell;
  }

  Node condition(const SqlTable& table) {
    auto node = comparison(table);
    while (take("AND")) node = Node(Op::both, std::move(node), comparison(table));
    return node;
  }

  Node comparison(const SqlTable& table) {
    auto left = sum(table);
    if (take("IN")) {
      Node node(Op::in, -1);
      node.of.push_back(std::move(left));
      expect("(");
      do node.of.emplace_back(literal());
      while (take(","));
      expect(")");
      return node;
    }
    static constexpr std::pair<std::string_view, Op> kOps[] = {{">=", Op::greater_equal},
                                                               {"<=", Op::less_equal},
                                                               {">", Op::greater},
                                                               {"<", Op::less},
                                                               {"=", Op::equal}};
    for (const auto& [text, op] : kOps)
      if (take(text)) return Node(op, std::move(left), sum(table));
    return left;
  }

  Node sum(const SqlTable& table) {
    auto node = term(table);
    while (take("+")) node = Node(Op::add, std::move(node), term(table));
    return node;
  }

 private:
  Node term(const SqlTable& table) {
    const auto first = static_cast<unsigned char>(token_.empty() ? 0 : token_[0]);
    if (std::isdigit(first) || first == '-' || first == '\'' || token_.starts_with("x'"))
      return Node(literal());
    const auto word = name();
    if (!at("(")) return {Op::column, column(table, word)};
    advance();
    Node node;
    if (word == "VALUES" || word == "MAX") {
      node = Node(word == "MAX" ? Op::max : Op::inserted, column(table, name()));
    } else if (word == "COUNT") {
      expect("*");
      node.op = Op::count;
    } else {
      node.op = word == "IF"         ? Op::choose
                : word == "GREATEST" ? Op::greatest
                : word == "COALESCE" ? Op::coalesce
                                     : (refuse(std::string(word)), Op::constant);
      do node.of.push_back(comparison(table));
      while (take(","));
    }
    expect(")");
    return node;
  }

  static int column(const SqlTable& table, std::string_view word) {
    const auto column = table.column(word);
    if (column < 0) throw SqlFault{1054, "no column " + std::string(word)};
    return column;
  }

  void advance() {
    while (!rest_.empty() && rest_[0] == ' ') rest_.remove_prefix(1);
    std::size_t size = 0;
    const auto is_word = [&](std::size_t i) {
      return kWordCharacters[static_cast<unsigned char>(rest_[i])];
    };
    if (rest_.empty()) {
    } else if (rest_[0] == '\'' || rest_.starts_with("x'")) {
      size = rest_.find('\'', rest_[0] == 'x' ? 2 : 1) + 1;
    } else if (is_word(0) || rest_[0] == '-') {
      size = 1;
      while (size < rest_.size() && is_word(size)) ++size;
    } else {
      size = rest_.starts_with(">=") || rest_.starts_with("<=") ? 2 : 1;
    }
    token_ = rest_.substr(0, size);
    rest_.remove_prefix(size);
  }

  std::string_view rest_;
  std::string_view token_;
};

struct Assignment {
  std::size_t column;
  Node value;
};

std::vector<Assignment> assignments(Parser& parser, const SqlTable& table) {
  std::vector<Assignment> all;
  do {
    const auto column = table.column(parser.name());
    if (column < 0) refuse("an assignment to an unknown column");
    parser.expect("=");
    all.push_back({static_cast<std::size_t>(column), parser.comparison(table)});
  } while (parser.take(","));
  return all;
}

// The list that ends an INSERT: few texts, always the same, so each is parsed once.
const std::vector<Assignment>& assignments_at_end(Parser& parser, const SqlTable& table) {
  thread_local std::map<std::string_view, std::unordered_map<std::string, std::vector<Assignment>>>
      known;
  auto& of_table = known[table.name];
  const std::string text(parser.tail());
  auto found = of_table.find(text);
  if (found != of_table.end()) {
    parser.skip_tail();
    return found->second;
  }
  auto parsed = assignments(parser, table);
  if (!parser.done()) refuse(text);
  return of_table.emplace(text, std::move(parsed)).first->second;
}

// --- statements -----------------------------------------------------------------------------

std::int64_t key_of(const SqlTable& table, const Cell& cell) {
  return table.columns[0].is_text
             ? static_cast<std::int64_t>(std::hash<std::string>{}(cell.text) >> 1)
             : cell.number;
}

void check(const SqlTable& table, const SqlCells& cells) {
  if (table.not_negative >= 0 && cells[static_cast<std::size_t>(table.not_negative)].number < 0)
    throw SqlFault{4025, "CONSTRAINT failed"};
}

void write(SqlTable& table, std::int64_t key, SqlCells cells, std::vector<SqlChange>& changes) {
  check(table, cells);
  const auto found = table.rows.find(key);
  changes.push_back({&table, key, found == table.rows.end() ? SqlCells{} : found->second});
  table.set(key, &cells);
}

// True when the row is another one now.
bool assign(SqlTable& table, std::int64_t key, const std::vector<Assignment>& what,
            const SqlCells* inserted, std::vector<SqlChange>& changes) {
  auto cells = table.rows.at(key);
  for (const auto& one : what) cells[one.column] = eval(one.value, {&cells, inserted, nullptr});
  if (cells == table.rows.at(key)) return false;
  write(table, key, std::move(cells), changes);
  return true;
}

std::vector<std::int64_t> matching(const SqlTable& table, const std::optional<Node>& where) {
  std::vector<std::int64_t> keys;
  if (where && where->op == Op::in && where->of[0].op == Op::column && where->of[0].column == 0) {
    for (std::size_t i = 1; i < where->of.size(); ++i)
      if (table.rows.contains(where->of[i].value.number)) keys.push_back(where->of[i].value.number);
    return keys;
  }
  for (const auto& [key, cells] : table.rows)
    if (!where || truth(*where, {&cells, nullptr, nullptr})) keys.push_back(key);
  return keys;
}

void insert(Parser& parser, SqlTable& table, std::vector<SqlChange>& changes, SqlAnswer& answer) {
  std::vector<std::size_t> into;
  if (parser.take("(")) {
    do into.push_back(static_cast<std::size_t>(table.column(parser.name())));
    while (parser.take(","));
    parser.expect(")");
  } else {
    for (std::size_t i = 0; i < table.columns.size(); ++i) into.push_back(i);
  }
  parser.expect("VALUES");
  std::vector<SqlCells> tuples;
  do {
    auto& cells = tuples.emplace_back(table.columns.size());
    for (std::size_t i = 0; i < cells.size(); ++i) cells[i].number = table.columns[i].fallback;
    parser.expect("(");
    for (std::size_t i = 0; i < into.size(); ++i) {
      if (i > 0) parser.expect(",");
      cells[into[i]] = parser.literal();
    }
    parser.expect(")");
  } while (parser.take(","));
  const std::vector<Assignment>* update = nullptr;
  if (parser.take("ON")) {
    for (const char* word : {"DUPLICATE", "KEY", "UPDATE"}) parser.expect(word);
    update = &assignments_at_end(parser, table);
  }
  for (auto& cells : tuples) {
    auto key = key_of(table, cells[0]);
    bool there = table.rows.contains(key);
    if (!there && table.unique >= 0) {
      const auto twin = table.by_unique.find(cells[static_cast<std::size_t>(table.unique)].text);
      if (twin != table.by_unique.end()) key = twin->second, there = true;
    }
    if (!there) {
      write(table, key, std::move(cells), changes);
      ++answer.affected;
    } else if (!update) {
      throw SqlFault{1062, "Duplicate entry"};
    } else if (assign(table, key, *update, &cells, changes)) {
      answer.affected += 2;
    }
  }
}

void update(Parser& parser, SqlTable& table, std::vector<SqlChange>& changes, SqlAnswer& answer) {
  parser.expect("SET");
  const auto what = assignments(parser, table);
  std::optional<Node> where;
  if (parser.take("WHERE")) where = parser.condition(table);
  for (const auto key : matching(table, where))
    if (assign(table, key, what, nullptr, changes)) ++answer.affected;
}

void project(const std::vector<Node>& what, const SqlTable& table,
             const std::vector<std::int64_t>& keys, std::size_t limit, SqlAnswer& answer) {
  std::vector<const SqlCells*> group;
  for (const auto key : keys) group.push_back(&table.rows.at(key));
  const auto row = [&](const SqlCells* cells) {
    auto& out = answer.rows.emplace_back();
    for (const auto& node : what) out.push_back(eval(node, {cells, nullptr, &group}));
  };
  if (std::any_of(what.begin(), what.end(), has_aggregate)) return row(nullptr);
  for (std::size_t i = 0; i < std::min(limit, group.size()); ++i) row(group[i]);
}

}  // namespace

int SqlTable::column(std::string_view wanted) const {
  for (std::size_t i = 0; i < columns.size(); ++i)
    if (columns[i].name == wanted) return static_cast<int>(i);
  return -1;
}

void SqlTable::set(std::int64_t key, const SqlCells* cells) {
  const auto found = rows.find(key);
  const auto text = static_cast<std::size_t>(unique);
  if (unique >= 0 && found != rows.end()) by_unique.erase(found->second[text].text);
  if (cells == nullptr) {
    if (found != rows.end()) rows.erase(found);
    return;
  }
  if (unique >= 0) by_unique[(*cells)[text].text] = key;
  if (found != rows.end())
    found->second = *cells;
  else
    rows.emplace_hint(rows.end(), key, *cells);
}

void SqlEngine::undo(std::vector<SqlChange>& changes, std::size_t keep) {
  for (; changes.size() > keep; changes.pop_back()) {
    auto& change = changes.back();
    change.table->set(change.key, change.before.empty() ? nullptr : &change.before);
  }
}

SqlAnswer SqlEngine::run(std::string_view sql, std::vector<SqlChange>& changes) {
  SqlAnswer answer;
  const auto before = changes.size();
  const auto table = [&](std::string_view name) -> SqlTable& {
    for (auto* one : tables_)
      if (one->name == name) return *one;
    throw SqlFault{1146, "no table " + std::string(name)};
  };
  try {
    Parser parser(sql);
    if (parser.take("INSERT")) {
      parser.expect("INTO");
      auto& into = table(parser.name());
      insert(parser, into, changes, answer);
    } else if (parser.take("UPDATE")) {
      auto& which = table(parser.name());
      update(parser, which, changes, answer);
    } else {
      parser.expect("SELECT");
      const auto from = sql.find(" FROM ");
      if (from == std::string_view::npos) refuse(std::string(sql));
      auto& which = table(Parser(sql.substr(from + 6)).name());
      std::vector<Node> what;
      do what.push_back(parser.sum(which));
      while (parser.take(","));
      parser.expect("FROM");
      (void)parser.name();
      std::optional<Node> where;
      if (parser.take("WHERE")) where = parser.condition(which);
      std::size_t limit = SIZE_MAX;
      if (parser.take("ORDER")) {  // always by the primary key, as rows are kept
        parser.expect("BY");
        if (which.column(parser.name()) != 0) refuse(std::string(sql));
      }
      if (parser.take("LIMIT")) limit = static_cast<std::size_t>(parser.literal().number);
      if (parser.take("FOR")) parser.expect("UPDATE");
      project(what, which, matching(which, where), limit, answer);
    }
    if (!parser.done()) refuse(std::string(sql));
  } catch (const SqlFault& fault) {
    undo(changes, before);
    return {fault.errnum, fault.message, 0, {}};
  }
  return answer;
}

}  // namespace stampede::sim
