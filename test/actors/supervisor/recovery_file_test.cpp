#include "actors/supervisor/recovery_file.h"

#include <doctest/doctest.h>

#include <filesystem>
#include <fstream>

#include "test/support/temp_log_dir.h"

using namespace stampede::actors;
namespace fs = std::filesystem;

TEST_CASE("recoveries outlive their supervisor, as they were") {
  const stampede::test::TempDir dir;
  CHECK(read_recoveries(dir.path()).empty());
  const std::deque<Recovery> kept{{"backend-1", "SIGKILL", 1'000, 400, 250, 7},
                                  {"broker-1", "exit 70: \"\xff\"", 2'000, -1, -1, 0}};
  REQUIRE(write_recoveries(dir.path(), kept));
  const auto read = read_recoveries(dir.path());
  REQUIRE(read.size() == 2);
  CHECK(read[0].node == "backend-1");
  CHECK(read[0].cause == "SIGKILL");
  CHECK(read[0].ended_ms == 1'000);
  CHECK(read[0].duration_ms == 400);
  CHECK(read[0].replay_ms == 250);
  CHECK(read[0].asked_again == 7);
  CHECK(read[1].duration_ms == -1);
  CHECK(fs::status(dir.path() + "/recoveries.json").permissions() ==
        (fs::perms::owner_read | fs::perms::owner_write));
}

TEST_CASE("what is damaged in the file is left out, and its length is bounded") {
  for (const char* text : {"", "nonsense", "{}", "[1,[],{}]", "[{\"node\":1,\"cause\":\"c\"}]",
                           "[{\"node\":\"a\",\"cause\":\"c\",\"ended_ms\":-5}]",
                           "[{\"node\":\"a\",\"cause\":\"c\",\"ended_ms\":\"5\"}]"})
    CHECK(parse_recoveries(text).empty());
  const auto half = parse_recoveries(
      "[7,{\"node\":\"a\",\"cause\":\"c\",\"ended_ms\":5,\"asked_again\":-3,\"replay_ms\":[]}]");
  REQUIRE(half.size() == 1);
  CHECK(half[0].asked_again == 0);
  CHECK(half[0].replay_ms == -1);
  std::deque<Recovery> many;
  for (int i = 0; i < 250; ++i) many.push_back({"a", "c", i});
  const auto newest = parse_recoveries(recoveries_text(many));
  REQUIRE(newest.size() == RecoveryList::kKept);
  CHECK(newest.back().ended_ms == 249);
  // A directory in its place is none of ours.
  const stampede::test::TempDir dir;
  fs::create_directory(dir.path() + "/recoveries.json");
  CHECK(read_recoveries(dir.path()).empty());
  CHECK_FALSE(write_recoveries(dir.path(), many));
}
