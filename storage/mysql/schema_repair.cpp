#include "storage/mysql/schema_repair.h"

#include <algorithm>
#include <array>
#include <set>
#include <string_view>
#include <utility>

#include "config/process/wall_clock.h"

namespace stampede::storage {
namespace {

// The comment of a column that is not filled yet.
constexpr std::string_view kUnfilled = "made anew; stampede log replay --all fills it";
constexpr std::int64_t kUsPerSecond = 1'000'000;

using Columns = std::vector<SchemaColumn>;

bool writes_once(std::string_view table) {
  return table == "orders" || table == "stock_change";
}
bool is_of_lanes(std::string_view table) {
  return writes_once(table) || table == "item" || table == "promo";
}

// What a newer command is told by. Of an order only what it became is guarded.
bool is_guard(const SchemaColumn& column) {
  const bool named = column.name == "lsn" || (column.name == "put_lsn" && column.table != "orders");
  return named && !column.is_key() && column.table != "stock_change";
}
bool is_guarded(const SchemaColumn& column) {
  constexpr std::array<std::string_view, 3> kOfAnOrder = {"fulfilment", "payment_id",
                                                          "fulfilled_at"};
  if (column.table == "orders")
    return std::find(kOfAnOrder.begin(), kOfAnOrder.end(), column.name) != kOfAnOrder.end();
  return (column.table == "item" || column.table == "promo") && !column.is_computed();
}

bool names(const Columns& columns, const SchemaColumn& column) {
  return std::any_of(columns.begin(), columns.end(), [&](const SchemaColumn& one) {
    return one.table == column.table && one.name == column.name;
  });
}

Columns of_table(const Columns& columns, const std::string& table) {
  Columns out;
  for (const auto& column : columns)
    if (column.table == table) out.push_back(column);
  return out;
}

bool is_to_be_filled(const SchemaColumn& column) {
  return writes_once(column.table) && !column.is_computed() && !is_guard(column);
}

// A time that must be there and has no default would be refused for the rows that are there.
bool needs_time(const SchemaColumn& column) {
  return column.type().starts_with("DATETIME") && !column.is_nullable() &&
         column.otherwise().empty() && !is_to_be_filled(column);
}

std::string addition(const SchemaColumn& column) {
  std::string text = "ADD COLUMN " + column.name + ' ';
  if (is_to_be_filled(column)) {
    text += column.type() + " NULL COMMENT '" + std::string(kUnfilled) + '\'';
    if (column.definition.find(" UNIQUE") != std::string::npos) text += " UNIQUE";
    return text;
  }
  return text + column.definition + (needs_time(column) ? " DEFAULT '1970-01-01'" : "");
}

// What an added column says of rows to come, where that is not what it says of those that are
// there.
std::string default_again(const SchemaColumn& column) {
  const auto change = ", ALTER COLUMN " + column.name;
  if (is_to_be_filled(column) && !column.otherwise().empty())
    return change + " SET DEFAULT " + column.otherwise();
  return needs_time(column) ? change + " DROP DEFAULT" : std::string();
}

std::string list_of_names(const Columns& columns) {
  std::string out;
  for (const auto& column : columns) out += (out.empty() ? "" : ", ") + column.name;
  return out;
}

Status run(SqlSession& session, const std::string& table, const std::string& sql) {
  const auto done = session.execute(sql);
  if (done.failed) return failed(session, "making columns of " + table + " anew", done);
  return Done{};
}

Status set_aside(SqlSession& session, const std::string& table, const OnMended& on_mended) {
  const auto name = table + "_lost_" + std::to_string(config::wall_us() / kUsPerSecond);
  if (auto done = run(session, table, "RENAME TABLE " + table + " TO " + name); !done) return done;
  on_mended(table + " had lost its key: it is called " + name + " now, and made anew");
  return Done{};
}

std::string where_values_are(const std::string& table) {
  if (is_of_lanes(table)) return "`stampede log replay --all` fills them";
  if (table == "account") return "what they held is in a backup alone";
  return "nothing else is to do for it";
}

Status add_columns(SqlSession& session, const Columns& all, const Columns& lost,
                   const OnMended& on_mended) {
  const auto& table = lost.front().table;
  const bool guarded = std::any_of(lost.begin(), lost.end(), is_guarded);
  std::string changes;
  std::string defaults;
  for (const auto& column : of_table(all, table)) {
    const bool again = guarded && is_guard(column) && !names(lost, column);
    if (!again && !names(lost, column)) continue;
    if (again) changes += ", DROP COLUMN " + column.name;
    changes += ", " + addition(column);
    defaults += default_again(column);
  }
  const auto alter = "ALTER TABLE " + table + ' ';
  if (auto done = run(session, table, alter + changes.substr(2)); !done) return done;
  if (!defaults.empty()) {
    if (auto done = run(session, table, alter + defaults.substr(2)); !done) return done;
  }
  on_mended(table + " had lost " + list_of_names(lost) + ": made anew; " + where_values_are(table));
  return Done{};
}

Result<bool> holds_null(SqlSession& session, const std::string& table, const std::string& column) {
  bool found = false;
  const auto read =
      session.query("SELECT 1 FROM " + table + " WHERE " + column + " IS NULL LIMIT 1",
                    [&](const SqlRow&) { found = true; });
  if (read.failed) return failed(session, "looking at " + table, read);
  return found;
}

}  // namespace

Result<Columns> lost_columns(SqlSession& session, const Columns& columns) {
  std::set<std::pair<std::string, std::string>> there;
  std::set<std::string> tables;
  const auto read = session.query(
      "SELECT table_name,column_name FROM information_schema.columns WHERE table_schema=DATABASE()",
      [&](const SqlRow& row) {
        tables.insert(row.text(0));
        there.emplace(row.text(0), row.text(1));
      });
  if (read.failed) return failed(session, "reading the columns' names", read);
  Columns lost;
  for (const auto& column : columns)
    if (tables.contains(column.table) && !there.contains({column.table, column.name}))
      lost.push_back(column);
  return lost;
}

bool were_of_lanes(const Columns& lost) {
  return std::any_of(lost.begin(), lost.end(), [](const SchemaColumn& column) {
    return is_of_lanes(column.table) && !column.is_computed();
  });
}

Status make_anew(SqlSession& session, const Columns& all, const Columns& lost,
                 const OnMended& on_mended) {
  std::set<std::string> tables;
  for (const auto& column : lost) tables.insert(column.table);
  for (const auto& table : tables) {
    const auto of_this = of_table(lost, table);
    const bool keyless = std::any_of(of_this.begin(), of_this.end(),
                                     [](const SchemaColumn& column) { return column.is_key(); });
    const auto done = keyless ? set_aside(session, table, on_mended)
                              : add_columns(session, all, of_this, on_mended);
    if (!done) return done;
  }
  return Done{};
}

Result<UnfilledColumns> unfilled_columns(SqlSession& session) {
  UnfilledColumns unfilled;
  const auto read = session.query(
      "SELECT table_name,column_name FROM information_schema.columns WHERE table_schema=DATABASE() "
      "AND column_comment='" +
          std::string(kUnfilled) + "' ORDER BY table_name,ordinal_position",
      [&](const SqlRow& row) { unfilled[row.text(0)].push_back(row.text(1)); });
  if (read.failed) return failed(session, "reading the columns' comments", read);
  return unfilled;
}

Result<UnfilledColumns> unfilled_columns(const DbOptions& options) {
  auto session = connect_sql(options, SqlSession::Commit::each_statement);
  if (!session) return session.error();
  return unfilled_columns(**session);
}

Status finish_filled(SqlSession& session, const Columns& all, const UnfilledColumns& unfilled,
                     const OnMended& on_mended) {
  for (const auto& column : all) {
    const auto found = unfilled.find(column.table);
    if (found == unfilled.end() ||
        std::find(found->second.begin(), found->second.end(), column.name) == found->second.end())
      continue;
    if (!column.is_nullable()) {
      const auto empty = holds_null(session, column.table, column.name);
      if (!empty) return empty.error();
      if (*empty) {
        on_mended(column.table + '.' + column.name +
                  " is still empty in rows that are older than the log: only a backup has them");
        continue;
      }
    }
    const auto sql = "ALTER TABLE " + column.table + " MODIFY COLUMN " + column.name + ' ' +
                     column.without_index();
    if (auto done = run(session, column.table, sql); !done) return done;
  }
  return Done{};
}

}  // namespace stampede::storage
