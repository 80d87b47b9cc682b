#include "tools/ask/node_logs.h"

#include <doctest/doctest.h>

using namespace stampede::tools;

TEST_CASE("a line of a node's log has a time, a level, a node and a text") {
  const auto line = read_log_line("2026-11-29T12:00:00.123456Z warning webapp-1 what is: so");
  CHECK(line.time == "2026-11-29T12:00:00.123456Z");
  CHECK(line.level == "warning");
  CHECK(line.node == "webapp-1");
  CHECK(line.text == "what is: so");
}

TEST_CASE("what a dying process prints is a text alone") {
  for (const char* text : {"", "terminate called", "*** unhandled exception",
                           "2026-11-29T12:00:00.1Z loud webapp-1 text", "T info webapp-1 x"}) {
    const auto line = read_log_line(text);
    CHECK(line.time.empty());
    CHECK(line.level.empty());
    CHECK(line.text == text);
  }
}

TEST_CASE("levels are ordered") {
  CHECK(log_level("info") < log_level("warning"));
  CHECK(log_level("warning") < log_level("critical"));
  CHECK_FALSE(log_level("loud"));
}
