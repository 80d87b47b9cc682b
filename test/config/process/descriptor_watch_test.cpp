#include "config/process/descriptor_watch.h"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <sys/resource.h>
#include <unistd.h>

#include <vector>

using stampede::config::DescriptorWatch;
using std::chrono::seconds;

TEST_CASE("the end of the descriptors is told, and for some seconds behind it") {
  const DescriptorWatch::Time now{seconds(1000)};
  DescriptorWatch watch;
  CHECK(watch.look(now).empty());
  rlimit before{};
  REQUIRE(::getrlimit(RLIMIT_NOFILE, &before) == 0);
  const rlimit few{64, before.rlim_max};
  REQUIRE(::setrlimit(RLIMIT_NOFILE, &few) == 0);
  std::vector<int> taken;
  for (int fd = 0; (fd = ::fcntl(2, F_DUPFD_CLOEXEC, 0)) >= 0;) taken.push_back(fd);
  const auto told = watch.look(now);
  for (const int fd : taken) ::close(fd);
  ::setrlimit(RLIMIT_NOFILE, &before);
  CHECK(told.find("nearly all 64 file descriptors") == 0);
  CHECK_FALSE(watch.look(now + seconds(4)).empty());
  CHECK(watch.look(now + seconds(6)).empty());
}
