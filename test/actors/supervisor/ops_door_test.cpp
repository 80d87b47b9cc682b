#include "actors/supervisor/ops_door.h"

#include <doctest/doctest.h>

#include <string>
#include <vector>

using namespace stampede::actors;

namespace {

const OpsDoor::Clock::time_point kNow{std::chrono::hours(1)};

}  // namespace

TEST_CASE("a code opens once, within its time") {
  OpsDoor door("token");
  const auto code = door.new_code(kNow);
  CHECK(door.open("", kNow).empty());
  CHECK(door.open(code.substr(1), kNow).empty());
  const auto session = door.open(code, kNow);
  CHECK(door.is_session(session));
  CHECK(door.open(code, kNow).empty());
  CHECK(door.open(door.new_code(kNow), kNow + OpsDoor::kCodeTime).empty());
  CHECK(door.open(door.new_code(kNow), kNow + OpsDoor::kCodeTime - std::chrono::seconds(1)) != "");
}

TEST_CASE("a session lasts until it is closed, and is no token") {
  OpsDoor door("token");
  const auto session = door.open(door.new_code(kNow), kNow);
  CHECK_FALSE(door.is_token(session));
  CHECK_FALSE(door.is_session("token"));
  CHECK_FALSE(door.is_session(""));
  door.close(session);
  CHECK_FALSE(door.is_session(session));
}

TEST_CASE("the token is all of it or nothing") {
  OpsDoor door("token");
  CHECK(door.is_token("token"));
  for (const char* other : {"", "t", "toke", "tokens", "Token"}) CHECK_FALSE(door.is_token(other));
  CHECK_FALSE(OpsDoor("").is_token(""));
}

TEST_CASE("the oldest codes and sessions make room") {
  OpsDoor door("token");
  std::vector<std::string> sessions;
  for (std::size_t i = 0; i <= OpsDoor::kSessionsMax; ++i)
    sessions.push_back(door.open(door.new_code(kNow), kNow));
  CHECK_FALSE(door.is_session(sessions.front()));
  CHECK(door.is_session(sessions.back()));
  const auto first = door.new_code(kNow);
  for (std::size_t i = 0; i < OpsDoor::kCodesMax; ++i) (void)door.new_code(kNow);
  CHECK(door.open(first, kNow).empty());
}

TEST_CASE("secrets differ") {
  CHECK(new_secret().size() == 64);
  CHECK(new_secret() != new_secret());
}
