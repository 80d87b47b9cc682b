// docs/reference.md and the READMEs against the tables of the program.

#include <doctest/doctest.h>

#include <algorithm>
#include <set>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "actors/protocol/endpoint.h"
#include "actors/protocol/sf1.h"
#include "actors/sale/codes.h"
#include "config/faults/failpoint_names.h"
#include "test/docs/markdown_table.h"

namespace stampede::test {
namespace {

const std::string kReference = "docs/reference.md";

Row code_row(const actors::CodeInfo& info) {
  return {std::string(info.text), std::to_string(info.http_status), info.retry ? "yes" : "no",
          info.retry_after_ms > 0 ? std::to_string(info.retry_after_ms) : "–",
          std::string(info.message)};
}

// "| a | b |", to be copied into the document.
std::string shown(const Row& row) {
  std::string text = "|";
  for (const auto& cell : row) text += " " + cell + " |";
  return text;
}

std::string shown(const std::vector<Row>& rows) {
  std::string text;
  for (const auto& row : rows) text += shown(row) + "\n";
  return text;
}

void check_equal(const std::vector<Row>& documented, const std::vector<Row>& expected) {
  INFO("the table must be (names in backquotes):\n" << shown(expected));
  CHECK(documented == expected);
}

std::vector<NamedNumber> channels() {
  return numbers_of("actors/protocol/endpoint.h", "enum class Channel", "};");
}

std::vector<Row> columns(const std::vector<Row>& rows, std::size_t count) {
  std::vector<Row> cut;
  for (const auto& row : rows) cut.emplace_back(row.begin(), row.begin() + static_cast<int>(count));
  return cut;
}

}  // namespace

TEST_CASE("the reference has every code, with status, retry and meaning") {
  std::vector<Row> expected;
  for (std::uint16_t number = 1; number < 1000; ++number) {
    const auto& info = actors::info(actors::Code{number});
    if (info.code == actors::Code{number}) expected.push_back(code_row(info));
  }
  check_equal(table_of(kReference, "## Codes"), expected);
}

TEST_CASE("the reference has every channel, by name and port") {
  std::vector<Row> expected;
  for (const auto& [name, number] : channels()) expected.push_back({name, std::to_string(number)});
  CHECK(expected.size() == 8);
  check_equal(columns(table_of(kReference, "## Sockets"), 2), expected);
}

TEST_CASE("a channel's name and number are those of its sockets") {
  transport::NetOptions net;
  net.run_dir = "/run";
  for (const auto& [name, number] : channels()) {
    const auto channel = static_cast<transport::Channel>(number);
    net.tcp = true;
    CHECK(std::get<std::string>(transport::endpoint(net, channel)) ==
          "tcp://127.0.0.1:" + std::to_string(net.port_base + number));
    net.tcp = false;
    if (!name.starts_with("webapp"))
      CHECK(std::get<std::string>(transport::endpoint(net, channel)) == "ipc:///run/sock/" + name);
  }
}

TEST_CASE("the reference has every crash point") {
  std::vector<Row> expected;
  for (const auto& point : config::kCrashPoints)
    expected.push_back({std::string(point.name),
                        point.at == config::PassedAt::work ? "work" : "start",
                        std::string(point.about)});
  check_equal(table_of(kReference, "## Crash points"), expected);
  CHECK(text_of("test/torture/README.md")
            .find("each of the " + std::to_string(config::kCrashPoints.size()) + " points") !=
        std::string::npos);
}

TEST_CASE("the reference has every exit code") {
  std::set<std::string> expected, documented;
  for (const auto& [name, number] : numbers_of("config/process/exit_codes.h", "kExit", "}  //"))
    expected.insert(std::to_string(number));
  for (const auto& row : table_of(kReference, "## Exit codes")) documented.insert(row[0]);
  CHECK(documented == expected);
}

TEST_CASE("the bounds of the client protocol are those that are kept") {
  using namespace actors;
  const auto most = [](auto number) { return std::to_string(number); };
  const std::vector<std::pair<std::string, std::string>> promises{
      {"README.md", "up to " + most(kSf1BatchOrdersMax) + " order maps"},
      {"README.md", "may have " + most(kSf1OpenMax) + " messages open"},
      {"docs/protocol.md", "may have " + most(kSf1OpenMax) + " messages open"},
      {"docs/protocol.md",
       "at most " + most(kSf1BatchOrdersMax) + " and " + most(kSf1BatchBytesMax / 1024) + " KiB"},
      {"docs/protocol.md", "`limit` (at most " + most(kItemsPageMax) + ")"},
      {"docs/protocol.md", "`deadline_ms` (" + most(kDeadlineDefaultMs)},
      {"docs/protocol.md", "1 to " + most(kRequestIdBytesMax) + " of"},
      {"docs/protocol.md",
       "At most " + most(kSf1MapBytesMax / 1024) + " KiB a map, depth " + most(kSf1DepthMax)},
  };
  for (const auto& [file, promise] : promises) {
    INFO(file << ": " << promise);
    CHECK(text_of(file).find(promise) != std::string::npos);
  }
}

}  // namespace stampede::test
