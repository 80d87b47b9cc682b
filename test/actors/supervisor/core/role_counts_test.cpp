// Lists of roles and numbers.

#include "actors/supervisor/core/role_counts.h"

#include <doctest/doctest.h>

using stampede::actors::parse_counts;
using stampede::actors::RoleCount;

using Counts = std::vector<RoleCount>;

TEST_CASE("a list names some roles, each with its last number") {
  CHECK(std::get<Counts>(parse_counts("webapp=3")) == Counts{{"webapp", 3}});
  CHECK(std::get<Counts>(parse_counts("backend=1,webapp=2,webapp=0")) ==
        Counts{{"backend", 1}, {"webapp", 0}});
  CHECK(std::get<Counts>(parse_counts("webapp=16,broker=0")) ==
        Counts{{"webapp", 16}, {"broker", 0}});
}

TEST_CASE("a list that is none says what it may be") {
  for (const char* bad : {"", "webapp", "webapp=", "webapp=17", "webapp=-1", "broker=2", "shop=1",
                          "webapp=1,", "webapp=1;broker=1", "webapp= 1", "webapp=1x"}) {
    const auto parsed = parse_counts(bad);
    REQUIRE(std::holds_alternative<std::string>(parsed));
    CHECK(std::get<std::string>(parsed).find("webapp=2,broker=1,backend=1") != std::string::npos);
  }
}
