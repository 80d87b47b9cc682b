// The first of ascending things from a place close by.

#include "actors/memory/near_search.h"

#include <doctest/doctest.h>

using namespace stampede::actors;

TEST_CASE("it is found from wherever one begins, with few looks from close by") {
  for (std::uint32_t size = 0; size < 70; ++size)
    for (std::uint32_t wanted = 0; wanted <= size; ++wanted)
      for (std::uint32_t near = 0; near <= size + 1; ++near) {
        std::uint32_t looks = 0;
        const auto found = first_not_before(size, near, [&](std::uint32_t at) {
          REQUIRE(at < size);
          ++looks;
          return at < wanted;
        });
        REQUIRE(found == wanted);
        const auto away = near < wanted ? wanted - near : near - wanted;
        if (near < size && away <= 1) REQUIRE(looks <= 4);
        REQUIRE(looks <= 16);
      }
}
