#include "test/sim/sql_statement.h"

#include <cctype>
#include <utility>

#include "test/sim/sql_table.h"

namespace stampede::sim {

namespace {

class Parser {
 public:
  Parser(const std::string& shape, const std::vector<SqlTable*>& tables)
      : shape_(shape), rest_(shape), tables_(tables) {
    advance();
  }

  SqlStatement statement() {
    SqlStatement statement;
    if (take("INSERT"))
      insert(statement);
    else if (take("UPDATE"))
      update(statement);
    else
      select(statement);
    if (!token_.empty()) refuse_sql(shape_);
    return statement;
  }

 private:
  void insert(SqlStatement& statement) {
    statement.kind = SqlStatement::Kind::insert;
    expect("INTO");
    statement.table = table(name());
    if (take("(")) {
      do statement.into.push_back(column(name()));
      while (take(","));
      expect(")");
    } else {
      for (std::size_t i = 0; i < table_->columns.size(); ++i) statement.into.push_back(i);
    }
    expect("VALUES");
    for (std::size_t i = 0; i < statement.into.size(); ++i) {
      expect(i == 0 ? "(" : ",");
      (void)parameter();
    }
    expect(")");
    statement.on_duplicate = take("ON");
    if (!statement.on_duplicate) return;
    for (const char* word : {"DUPLICATE", "KEY", "UPDATE"}) expect(word);
    statement.assignments = assignments();
    if (parameters_ != statement.into.size()) refuse_sql(shape_);  // behind rows of any number
  }

  void update(SqlStatement& statement) {
    statement.kind = SqlStatement::Kind::update;
    if (take("("))
      join(statement);
    else
      statement.table = table(name());
    expect("SET");
    statement.assignments = assignments();
    if (take("WHERE")) statement.where = condition();
  }

  // SELECT ? AS k,? AS f …) AS u STRAIGHT_JOIN orders FORCE INDEX(PRIMARY) ON orders.order_id=u.k
  void join(SqlStatement& statement) {
    expect("SELECT");
    do {
      (void)parameter();
      expect("AS");
      values_.push_back(name());
    } while (take(","));
    for (const char* word : {")", "AS", "u", "STRAIGHT_JOIN"}) expect(word);
    statement.table = table(name());
    statement.values = values_.size();
    for (const char* word : {"FORCE", "INDEX", "(", "PRIMARY", ")", "ON"}) expect(word);
    expect(table_->name);
    expect(".");
    if (column(name()) != 0) refuse_sql(shape_);
    for (const auto word :
         {std::string_view("="), std::string_view("u"), std::string_view("."), values_.front()})
      expect(word);
  }

  void select(SqlStatement& statement) {
    statement.kind = SqlStatement::Kind::select;
    expect("SELECT");
    const auto from = shape_.find(" FROM ");
    if (from == std::string::npos) refuse_sql(shape_);
    const auto behind = std::string_view(shape_).substr(from + 6);
    statement.table = table(behind.substr(0, behind.find(' ')));
    do statement.what.push_back(sum());
    while (take(","));
    expect("FROM");
    (void)name();
    if (take("WHERE")) statement.where = condition();
    if (take("ORDER")) {  // always by the primary key, as rows are kept
      expect("BY");
      if (column(name()) != 0) refuse_sql(shape_);
    }
    if (take("LIMIT")) statement.limit = parameter();
    if (take("FOR")) expect("UPDATE");
  }

  std::vector<SqlAssignment> assignments() {
    std::vector<SqlAssignment> all;
    do {
      const auto which = column(name());
      expect("=");
      all.push_back({which, comparison()});
    } while (take(","));
    return all;
  }

  SqlNode condition() {
    auto node = comparison();
    while (take("AND")) node = SqlNode(SqlOp::both, std::move(node), comparison());
    return node;
  }

  SqlNode comparison() {
    auto left = sum();
    if (take("IN")) {
      SqlNode node(SqlOp::in, 0);
      node.of.push_back(std::move(left));
      expect("(");
      do node.of.emplace_back(SqlOp::parameter, parameter());
      while (take(","));
      expect(")");
      return node;
    }
    static constexpr std::pair<std::string_view, SqlOp> kOps[] = {{">=", SqlOp::greater_equal},
                                                                  {"<=", SqlOp::less_equal},
                                                                  {">", SqlOp::greater},
                                                                  {"<", SqlOp::less},
                                                                  {"=", SqlOp::equal}};
    for (const auto& [text, op] : kOps)
      if (take(text)) return {op, std::move(left), sum()};
    return left;
  }

  SqlNode sum() {
    auto node = term();
    while (take("+")) node = SqlNode(SqlOp::add, std::move(node), term());
    return node;
  }

  SqlNode term() {
    if (token_ == "?") return {SqlOp::parameter, parameter()};
    const auto word = name();
    if (take(".")) return word == "u" ? value(name()) : SqlNode(SqlOp::column, column(name()));
    if (!take("(")) return {SqlOp::column, column(word)};
    SqlNode node;
    if (word == "EXISTS") return exists();
    if (word == "VALUES" || word == "MAX") {
      node = SqlNode(word == "MAX" ? SqlOp::max : SqlOp::inserted, column(name()));
    } else if (word == "COUNT") {
      expect("*");
    } else {
      node.op = function(word);
      do node.of.push_back(comparison());
      while (take(","));
    }
    expect(")");
    return node;
  }

  SqlNode value(std::string_view word) {
    for (std::size_t i = 0; i < values_.size(); ++i)
      if (values_[i] == word) return {SqlOp::inserted, i};
    refuse_sql(shape_);
  }

  // Behind its bracket: SELECT 1 FROM table WHERE …)
  SqlNode exists() {
    expect("SELECT");
    (void)parameter();
    expect("FROM");
    const auto* outer = table_;
    SqlNode node(SqlOp::exists, table(name()));
    expect("WHERE");
    node.of.push_back(condition());
    table_ = outer;
    expect(")");
    return node;
  }

  static SqlOp function(std::string_view word) {
    if (word == "IF") return SqlOp::choose;
    if (word == "GREATEST") return SqlOp::greatest;
    if (word == "COALESCE") return SqlOp::coalesce;
    refuse_sql(std::string(word));
  }

  std::size_t table(std::string_view name) {
    for (std::size_t i = 0; i < tables_.size(); ++i)
      if (tables_[i]->name == name) return table_ = tables_[i], i;
    throw SqlFault{1146, "no table " + std::string(name)};
  }
  [[nodiscard]] std::size_t column(std::string_view word) const {
    const auto column = table_->column(word);
    if (column < 0) throw SqlFault{1054, "no column " + std::string(word)};
    return static_cast<std::size_t>(column);
  }

  bool take(std::string_view word) {
    if (token_ != word) return false;
    advance();
    return true;
  }
  void expect(std::string_view word) {
    if (!take(word))
      refuse_sql("'" + std::string(token_) + "' where '" + std::string(word) + "' belongs");
  }
  std::string_view name() {
    const auto name = token_;
    advance();
    return name;
  }
  std::size_t parameter() {
    expect("?");
    return parameters_++;
  }

  void advance() {
    while (!rest_.empty() && rest_[0] == ' ') rest_.remove_prefix(1);
    std::size_t size = 0;
    while (size < rest_.size() && (std::isalnum(rest_[size]) != 0 || rest_[size] == '_')) ++size;
    if (size == 0 && !rest_.empty())
      size = rest_.starts_with(">=") || rest_.starts_with("<=") ? 2 : 1;
    token_ = rest_.substr(0, size);
    rest_.remove_prefix(size);
  }

  const std::string& shape_;
  std::string_view rest_;
  std::string_view token_;
  const std::vector<SqlTable*>& tables_;
  const SqlTable* table_ = nullptr;
  std::vector<std::string_view> values_;  // names of the columns of a joined table
  std::size_t parameters_ = 0;
};

}  // namespace

SqlStatement parse_sql(const std::string& shape, const std::vector<SqlTable*>& tables) {
  return Parser(shape, tables).statement();
}

}  // namespace stampede::sim
