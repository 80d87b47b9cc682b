#include "actors/protocol/endpoint.h"

#include <doctest/doctest.h>

#include "test/transport/zmq/zmq_fixture.h"

namespace stampede::transport {

namespace {

std::string address(const NetOptions& net, Channel channel, int index = 1) {
  const auto result = endpoint(net, channel, index);
  if (const auto* error = std::get_if<EndpointError>(&result)) return "error: " + error->message;
  return std::get<std::string>(result);
}

bool has(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

}  // namespace

TEST_CASE("between nodes the default is an ipc path below the run directory") {
  NetOptions net;
  net.run_dir = "/r";
  CHECK(address(net, Channel::requests_in) == "ipc:///r/sock/requests_in");
  CHECK(address(net, Channel::requests_out) == "ipc:///r/sock/requests_out");
  CHECK(address(net, Channel::results_in) == "ipc:///r/sock/results_in");
  CHECK(address(net, Channel::results_out) == "ipc:///r/sock/results_out");
  CHECK(address(net, Channel::reports) == "ipc:///r/sock/reports");
  CHECK(address(net, Channel::wanted) == "ipc:///r/sock/wanted");
}

TEST_CASE("tcp ports are offsets from the base port") {
  NetOptions net;
  net.tcp = true;
  CHECK(address(net, Channel::requests_in) == "tcp://127.0.0.1:7111");
  CHECK(address(net, Channel::requests_out) == "tcp://127.0.0.1:7112");
  CHECK(address(net, Channel::results_in) == "tcp://127.0.0.1:7113");
  CHECK(address(net, Channel::results_out) == "tcp://127.0.0.1:7114");
  CHECK(address(net, Channel::reports) == "tcp://127.0.0.1:7120");
  net.port_base = 9000;
  CHECK(address(net, Channel::wanted) == "tcp://127.0.0.1:9021");
}

TEST_CASE("clients are served on tcp in every mode, 100 ports further for each webapp") {
  for (const bool tcp : {false, true}) {
    NetOptions net;
    net.tcp = tcp;
    net.run_dir = "/r";
    CHECK(address(net, Channel::webapp_clients) == "tcp://127.0.0.1:7101");
    CHECK(address(net, Channel::webapp_news) == "tcp://127.0.0.1:7102");
    CHECK(address(net, Channel::webapp_clients, 2) == "tcp://127.0.0.1:7201");
    CHECK(address(net, Channel::webapp_news, 3) == "tcp://127.0.0.1:7302");
  }
  NetOptions net;
  net.tcp = true;
  CHECK(address(net, Channel::results_out, 3) == "tcp://127.0.0.1:7114");
}

TEST_CASE("an ipc path over the limit is an error that names it") {
  NetOptions net;
  const std::string tail = "/sock/requests_in";
  net.run_dir = "/" + std::string(kIpcPathMax - tail.size() - 1, 'd');
  CHECK(address(net, Channel::requests_in).size() == kIpcPathMax + 6);
  net.run_dir += "d";
  const std::string error = address(net, Channel::requests_in);
  CHECK(has(error, net.run_dir + tail));
  CHECK(has(error, "101 bytes"));
  CHECK(has(error, "shorter run directory"));
  CHECK(address(net, Channel::webapp_clients) == "tcp://127.0.0.1:7101");
}

TEST_CASE("a port outside the possible range is an error") {
  NetOptions net;
  net.port_base = 65'400;
  CHECK(has(address(net, Channel::webapp_clients, 3), "tcp port 65601"));
  CHECK(has(address(net, Channel::webapp_clients, 0), "counted from 1"));
}

}  // namespace stampede::transport
