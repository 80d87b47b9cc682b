// What a node's lines look like, and which of them are written.

#include "actors/node/node_log.h"

#include <doctest/doctest.h>

#include <filesystem>
#include <nlohmann/json.hpp>
#include <sstream>
#include <string>
#include <vector>

#include "actors/node/core/repeated_lines.h"
#include "test/actors/node/node_lines.h"
#include "test/support/eventually.h"

namespace stampede::actors {
namespace {

std::vector<std::string> lines_of(const std::string& text) {
  std::vector<std::string> lines;
  std::istringstream in(text);
  for (std::string line; std::getline(in, line);) lines.push_back(line);
  return lines;
}

TEST_CASE("a line is one line, as text or as a map, whatever others say in it") {
  std::string text;
  {
    NodeLines lines;
    start_log("node-1");
    log_warning("said \"so\"\n\x1b[31m\xc2\x9b \xff");
    set_log_format("json");
    log_warning("said \"so\"\n\x1b[31m\xc2\x9b \xff");
    set_log_format("text");
    log_info("plain");
    text = lines.text();
  }
  const auto said = lines_of(text);
  REQUIRE(said.size() == 3);
  CHECK(said[0].substr(27) == " warning node-1 said \"so\"\\u000a\\u001b[31m\\u009b \xff");
  CHECK(text.find_first_of("\x1b\x9b") == std::string::npos);
  const auto map = nlohmann::json::parse(said[1]);
  CHECK(map.at("time").get<std::string>().size() == 27);
  CHECK(map.at("time").get<std::string>().back() == 'Z');
  CHECK(map.at("level") == "warning");
  CHECK(map.at("node") == "node-1");
  CHECK(map.at("text") == "said \"so\"\n\x1b[31m\xc2\x9b \xef\xbf\xbd");
  CHECK(said[2].ends_with(" info node-1 plain"));
}

TEST_CASE("the same line is counted, and the count is written when the node's end is near") {
  std::string text;
  {
    NodeLines lines;
    start_log("node-1");
    for (int i = 0; i < 100; ++i) log_info("again");
    for (int i = 0; i < 7; ++i) log_audit("who did what");
    log_critical("the end");
    text = lines.text();
  }
  const auto said = lines_of(text);
  REQUIRE(said.size() == RepeatedLines::kWritten + 7 + 2);
  CHECK(said.front().ends_with(" info node-1 again"));
  CHECK(said[said.size() - 2].ends_with("the end"));
  CHECK(said.back().ends_with(" info node-1 again (95 more of this line in 5 s)"));
}

TEST_CASE("the count is written though no further line comes") {
  bool told = false;
  {
    NodeLines lines;
    start_log("node-1");
    for (int i = 0; i < 8; ++i) log_warning("again");
    told = test::eventually(
        [&] { return lines.text().find("again (3 more of this line") != std::string::npos; });
    start_log("node-1");  // with no thread left behind
  }
  CHECK(told);
}

TEST_CASE("a log is reopened when it is told so, and not only with the next line") {
  bool there = false;
  {
    NodeLines lines;
    start_log("node-1");
    log_info("first");
    std::filesystem::rename(lines.file, lines.file.string() + ".1");
    reopen_log();
    there = std::filesystem::exists(lines.file);
  }
  CHECK(there);
}

}  // namespace
}  // namespace stampede::actors
