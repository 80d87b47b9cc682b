#include "actors/node/socket_directory.h"

#include <doctest/doctest.h>
#include <sys/stat.h>

#include "test/transport/zmq/zmq_fixture.h"

namespace stampede::actors {

TEST_CASE("the socket directory belongs to its owner alone, also when it was there before") {
  const transport::SocketDirectory directory;
  transport::NetOptions net;
  net.run_dir = directory.path() + "/run";
  for (int turn = 0; turn < 2; ++turn) {
    REQUIRE(make_socket_directory(net) == "");
    const std::string path = net.run_dir + "/sock";
    struct stat info {};
    REQUIRE(::stat(path.c_str(), &info) == 0);
    CHECK((info.st_mode & 0777) == 0700);
    ::chmod(path.c_str(), 0755);
  }
}

TEST_CASE("a socket directory that cannot be made is named") {
  transport::NetOptions net;
  net.run_dir = "/proc/nowhere";
  CHECK(make_socket_directory(net).find("/proc/nowhere/sock") != std::string::npos);
}

}  // namespace stampede::actors
