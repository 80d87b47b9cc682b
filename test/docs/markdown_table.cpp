#include "test/docs/markdown_table.h"

#include <doctest/doctest.h>

#include <fstream>
#include <regex>
#include <sstream>

namespace stampede::test {

namespace {

std::string trimmed(std::string_view cell) {
  std::string text;
  for (const char character : cell)
    if (character != '`') text += character;
  const auto first = text.find_first_not_of(' ');
  if (first == std::string::npos) return {};
  return text.substr(first, text.find_last_not_of(' ') - first + 1);
}

Row cells_of(std::string_view line) {
  Row cells;
  line.remove_prefix(1);
  for (auto end = line.find('|'); end != std::string_view::npos; end = line.find('|')) {
    cells.push_back(trimmed(line.substr(0, end)));
    line.remove_prefix(end + 1);
  }
  return cells;
}

}  // namespace

std::string text_of(const std::string& path) {
  std::ifstream stream(std::string(PROJECT_FOLDER) + "/" + path);
  INFO(path);
  REQUIRE(stream.good());
  std::ostringstream text;
  text << stream.rdbuf();
  return text.str();
}

std::vector<Row> table_of(const std::string& path, std::string_view heading) {
  std::istringstream lines(text_of(path));
  std::vector<Row> rows;
  bool behind = false;
  for (std::string line; std::getline(lines, line);) {
    behind = behind || line.starts_with(heading);
    if (!behind || (line.empty() && rows.empty())) continue;
    if (line.starts_with("|"))
      rows.push_back(cells_of(line));
    else if (!rows.empty())
      break;
  }
  INFO(path << " has a table behind: " << heading);
  REQUIRE(rows.size() > 2);
  rows.erase(rows.begin(), rows.begin() + 2);
  return rows;
}

std::vector<NamedNumber> numbers_of(const std::string& path, std::string_view begin,
                                    std::string_view end) {
  const auto text = text_of(path);
  const auto from = text.find(begin);
  INFO(path << ": " << begin);
  REQUIRE(from != std::string::npos);
  const auto part = text.substr(from, text.find(end, from) - from);
  static const std::regex assignment(R"((\w+) = (\d+)[,;])");
  std::vector<NamedNumber> found;
  for (std::sregex_iterator at(part.begin(), part.end(), assignment), none; at != none; ++at)
    found.push_back({(*at)[1], std::stoi((*at)[2])});
  return found;
}

}  // namespace stampede::test
