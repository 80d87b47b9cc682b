#pragma once

// The tables of this project's Markdown files, for tests that hold them against the code.

#include <string>
#include <string_view>
#include <vector>

namespace stampede::test {

using Row = std::vector<std::string>;

// A file of the project; fails the test when it cannot be read.
std::string text_of(const std::string& path);

// The rows of the first table behind the line that begins with `heading`, without the table's own
// head and ruler. Cells are trimmed and lose their backquotes.
std::vector<Row> table_of(const std::string& path, std::string_view heading);

// Name and number of each `name = number` behind `begin` and before `end` in a source.
struct NamedNumber {
  std::string name;
  int number = 0;
  bool operator==(const NamedNumber&) const = default;
};
std::vector<NamedNumber> numbers_of(const std::string& path, std::string_view begin,
                                    std::string_view end);

}  // namespace stampede::test
