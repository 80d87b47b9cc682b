// A socket file that somebody removes or replaces comes back; who is connected notices nothing.

#include "transport/port/bound_paths.h"

#include <doctest/doctest.h>

#include <filesystem>
#include <fstream>
#include <functional>

#include "test/support/eventually.h"
#include "test/transport/port/port_fixture.h"

namespace stampede::transport {

TEST_CASE_FIXTURE(PortFixture, "a port binds again the file that somebody removed") {
  SocketId router = 0;
  role->at_start = [&](PortControl& port) {
    router = port.open(bind_to(SocketKind::router, directory.ipc("r")));
  };
  role->at_message = [&](PortControl& port, SocketId id, Message& parts) {
    CHECK(port.send(id, parts));
  };
  const auto port = spawn();
  const auto asks = [&](Socket& socket) {
    Message parts;
    REQUIRE(send_in_time(socket, {"question"}));
    REQUIRE(receive_in_time(socket, parts));
  };
  const auto file = directory.ipc("r").substr(6);
  Socket old(context, connect_to(SocketKind::dealer, directory.ipc("r")));
  asks(old);
  const std::function<void()> takes_away[] = {[&] { std::filesystem::remove(file); },
                                              [&] {
                                                std::filesystem::remove(file);
                                                std::ofstream(file) << "no socket";
                                              }};
  for (const auto& take_away : takes_away) {
    take_away();
    CHECK(test::eventually([&] { return std::filesystem::is_socket(file); }));
    Socket young(context, connect_to(SocketKind::dealer, directory.ipc("r")));
    asks(young);
    asks(old);
  }
  end(port, caf::exit_reason::user_shutdown);
}

TEST_CASE_FIXTURE(PortFixture, "a path at which another process listens now is left to it") {
  const auto options = bind_to(SocketKind::pull, directory.ipc("in"));
  Socket mine(context, options);
  BoundPaths paths(options);
  paths.remember();
  const auto file = directory.ipc("in").substr(6);
  std::filesystem::remove(file);
  Socket other(context, options);
  paths.look(mine);
  Socket push(context, connect_to(SocketKind::push, directory.ipc("in")));
  REQUIRE(send_in_time(push, {"hello"}));
  Message parts;
  CHECK(receive_in_time(other, parts));
}

}  // namespace stampede::transport
