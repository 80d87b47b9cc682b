#include "actors/node/operator_wishes.h"

#include <doctest/doctest.h>

#include <fstream>

#include "test/support/temp_log_dir.h"

using namespace stampede::actors;

TEST_CASE("what an operator wants is kept, and gone when he wants nothing") {
  const stampede::test::TempDir dir;
  const std::filesystem::path run = dir.path();
  CHECK(read_operator_wishes(run) == OperatorWishes{});
  const OperatorWishes wishes{1'790'000'000'123, {"webapp-1", "broker-1"}, 2};
  REQUIRE(write_operator_wishes(run, wishes));
  CHECK(read_operator_wishes(run) == wishes);
  const auto mode = std::filesystem::status(run / "operator.json").permissions();
  CHECK((mode & std::filesystem::perms::mask) == std::filesystem::perms{0600});
  REQUIRE(write_operator_wishes(run, {}));
  CHECK_FALSE(std::filesystem::exists(run / "operator.json"));
  CHECK(write_operator_wishes(run, {}));
  CHECK_FALSE(write_operator_wishes(run / "not-there", wishes));
}

TEST_CASE("a file that makes no sense means no wishes") {
  const stampede::test::TempDir dir;
  const std::filesystem::path run = dir.path();
  for (const char* text : {"", "{", "[]", R"({"drained_ms":"x"})", R"({"stopped":[7]})"}) {
    std::ofstream(run / "operator.json") << text;
    CHECK(read_operator_wishes(run) == OperatorWishes{});
  }
}
