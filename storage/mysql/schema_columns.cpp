#include "storage/mysql/schema_columns.h"

#include <algorithm>

namespace stampede::storage {
namespace {

constexpr std::string_view kTableMade = "CREATE TABLE IF NOT EXISTS ";
constexpr std::string_view kTableChanged = "'ALTER TABLE ";
constexpr std::string_view kColumnAdded = "ADD COLUMN ";

std::string with_single_spaces(std::string_view text) {
  std::string out;
  for (const char c : text) {
    const bool space = c == ' ' || c == '\n';
    if (!space)
      out += c;
    else if (!out.empty() && out.back() != ' ')
      out += ' ';
  }
  if (out.ends_with(' ')) out.pop_back();
  return out;
}

// Of a text that begins with a literal, its value: a quote in it is written twice.
std::string literal_value(std::string_view text) {
  std::string out;
  for (std::size_t at = 1; at < text.size(); ++at) {
    if (text[at] == '\'') {
      if (at + 1 >= text.size() || text[at + 1] != '\'') break;
      ++at;
    }
    out += text[at];
  }
  return out;
}

// The parts between the commas that stand in no parentheses and in no literal; ends at a
// parenthesis that was not opened.
std::vector<std::string> parts_of(std::string_view list) {
  std::vector<std::string> parts(1);
  int depth = 0;
  bool quoted = false;
  for (const char c : list) {
    if (c == '\'') quoted = !quoted;
    if (!quoted) depth += c == '(' ? 1 : c == ')' ? -1 : 0;
    if (depth < 0) break;
    if (c == ',' && depth == 0 && !quoted)
      parts.emplace_back();
    else
      parts.back() += c;
  }
  for (auto& part : parts) part = with_single_spaces(part);
  return parts;
}

std::string take_word(std::string_view& text, char end) {
  const auto at = std::min(text.find(end), text.size());
  std::string word(text.substr(0, at));
  text.remove_prefix(std::min(at + 1, text.size()));
  return word;
}

SchemaColumn column_of(const std::string& table, std::string_view part) {
  auto name = take_word(part, ' ');
  return {table, std::move(name), std::string(part)};
}

void add_made(std::string_view behind, std::vector<SchemaColumn>& columns) {
  const auto table = take_word(behind, ' ');
  (void)take_word(behind, '(');
  for (const auto& part : parts_of(behind)) columns.push_back(column_of(table, part));
}

void add_changed(std::string_view literal, std::vector<SchemaColumn>& columns) {
  const auto text = with_single_spaces(literal_value(literal));
  std::string_view behind = std::string_view(text).substr(kTableChanged.size() - 1);
  const auto table = take_word(behind, ' ');
  for (const auto& part : parts_of(behind)) {
    const std::string_view words = part;
    if (words.starts_with(kColumnAdded))
      columns.push_back(column_of(table, words.substr(kColumnAdded.size())));
  }
}

bool says(const std::string& definition, std::string_view words) {
  return definition.find(words) != std::string::npos;
}

}  // namespace

bool SchemaColumn::is_key() const {
  return says(definition, " PRIMARY KEY");
}
bool SchemaColumn::is_computed() const {
  return says(definition, " VIRTUAL");
}
bool SchemaColumn::is_nullable() const {
  return !says(definition, " NOT NULL");
}

std::string SchemaColumn::type() const {
  auto end = definition.size();
  for (const std::string_view word : {" NOT NULL", " NULL", " DEFAULT ", " UNIQUE", " CHECK "})
    end = std::min(end, definition.find(word));
  return definition.substr(0, end);
}

std::string SchemaColumn::otherwise() const {
  constexpr std::string_view kWord = " DEFAULT ";
  const auto at = definition.find(kWord);
  if (at == std::string::npos) return {};
  const auto behind = definition.substr(at + kWord.size());
  return behind.substr(0, behind.find(" CHECK "));
}

std::string SchemaColumn::without_index() const {
  return definition.substr(0, definition.find(" UNIQUE"));
}

std::vector<SchemaColumn> columns_made_by(std::string_view sql) {
  std::vector<SchemaColumn> columns;
  while (true) {
    const auto made = sql.find(kTableMade);
    const auto changed = sql.find(kTableChanged);
    if (made == sql.npos && changed == sql.npos) return columns;
    if (made < changed)
      add_made(sql.substr(made + kTableMade.size()), columns);
    else
      add_changed(sql.substr(changed), columns);
    sql.remove_prefix(std::min(made, changed) + 1);
  }
}

}  // namespace stampede::storage
