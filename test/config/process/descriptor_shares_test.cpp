#include "config/process/descriptor_shares.h"

#include <doctest/doctest.h>
#include <sys/resource.h>

#include <initializer_list>

using namespace stampede::config;

namespace {

std::size_t of_a_webapp(std::size_t limit) {
  return descriptors_for(Door::peers, limit) + descriptors_for(Door::requests, limit) +
         descriptors_for(Door::streams, limit);
}

std::size_t of_a_supervisor(std::size_t limit) {
  return descriptors_for(Door::peers, limit) + descriptors_for(Door::requests, limit) +
         descriptors_for(Door::operators, limit);
}

}  // namespace

TEST_CASE("all doors together leave a process what it needs itself, whatever the limit") {
  for (std::size_t limit = kOwnDescriptors + 8; limit < 70'000; limit += 7) {
    CAPTURE(limit);
    CHECK(of_a_webapp(limit) <= limit - kOwnDescriptors);
    CHECK(of_a_supervisor(limit) <= limit - kOwnDescriptors);
  }
}

TEST_CASE("at the usual limit each door has what its bound promises") {
  CHECK(descriptors_for(Door::peers, 65'536) >= 25'000);  // 20,000 and what is being closed
  CHECK(descriptors_for(Door::requests, 65'536) >= 10'000);
  CHECK(descriptors_for(Door::streams, 65'536) >= 10'000);
}

TEST_CASE("a door stays open where there is nearly nothing") {
  for (const auto door : {Door::peers, Door::requests, Door::streams, Door::operators})
    for (const int limit : {0, 1, 48, 50})
      CHECK(descriptors_for(door, static_cast<std::size_t>(limit)) == 2);
}

TEST_CASE("a limit that is changed while the process runs counts at once") {
  rlimit before{};
  REQUIRE(::getrlimit(RLIMIT_NOFILE, &before) == 0);
  const rlimit few{128, before.rlim_max};
  REQUIRE(::setrlimit(RLIMIT_NOFILE, &few) == 0);
  const auto peers = descriptors_for(Door::peers);
  ::setrlimit(RLIMIT_NOFILE, &before);
  CHECK(peers == 40);
  CHECK(descriptors_for(Door::peers) == descriptors_for(Door::peers, before.rlim_cur));
}
