// Which SIGKILL is told as want of memory.

#include "actors/supervisor/memory_deaths.h"

#include <doctest/doctest.h>

using namespace stampede;
using namespace stampede::actors;

namespace {

struct Group {
  config::MemoryKills kills{7, 0};
  MemoryDeaths deaths{[this] { return kills; }};
};

}  // namespace

TEST_CASE("a kill that the memory group counted is told once, with the group's limit") {
  Group group;
  CHECK(group.deaths.take_reason().empty());
  group.kills = {8, 512 << 20};
  const auto reason = group.deaths.take_reason();
  CHECK(reason.starts_with("killed by the kernel for want of memory"));
  CHECK(reason.find("512 MiB") != std::string::npos);
  CHECK(group.deaths.take_reason().empty());
}

TEST_CASE("of two that were killed at once both are told, without a limit the machine is named") {
  Group group;
  group.kills.count = 9;
  CHECK(group.deaths.take_reason().find("the machine") != std::string::npos);
  CHECK_FALSE(group.deaths.take_reason().empty());
  CHECK(group.deaths.take_reason().empty());
}

TEST_CASE("what was counted long before a node's end is not why it ended") {
  Group group;
  group.deaths.look(0);
  group.kills.count = 8;
  group.deaths.look(1);  // too soon for a look
  group.deaths.look(MemoryDeaths::kLookPause);
  SUBCASE("it just happened") {
    CHECK_FALSE(group.deaths.take_reason().empty());
  }
  SUBCASE("it was another process") {
    group.deaths.look(2 * MemoryDeaths::kLookPause);
    CHECK(group.deaths.take_reason().empty());
    group.kills.count = 9;
    CHECK_FALSE(group.deaths.take_reason().empty());
  }
}
