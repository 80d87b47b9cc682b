#include "actors/protocol/endpoint.h"

#include "config/process/invariant.h"

namespace stampede::transport {

namespace {

constexpr int kPortsPerWebapp = 100;
constexpr int kPortMax = 65535;

bool for_clients(Channel channel) {
  return channel == Channel::webapp_clients || channel == Channel::webapp_news;
}

const char* file_name(Channel channel) {
  switch (channel) {
    case Channel::webapp_clients:
      return "webapp_clients";
    case Channel::webapp_news:
      return "webapp_news";
    case Channel::requests_in:
      return "requests_in";
    case Channel::requests_out:
      return "requests_out";
    case Channel::results_in:
      return "results_in";
    case Channel::results_out:
      return "results_out";
    case Channel::reports:
      return "reports";
    case Channel::wanted:
      return "wanted";
  }
  STAMPEDE_ASSERT(false, "unknown channel");
}

std::variant<std::string, EndpointError> tcp(const NetOptions& net, Channel channel, int index) {
  int port = net.port_base + static_cast<int>(channel);
  if (for_clients(channel)) port += kPortsPerWebapp * (index - 1);
  if (port < 1 || port > kPortMax)
    return EndpointError{std::string("tcp port ") + std::to_string(port) + " for " +
                         file_name(channel) + " is outside 1 ... 65535; lower net.port_base (" +
                         std::to_string(net.port_base) + ") or start fewer webapps"};
  return "tcp://" + net.bind + ":" + std::to_string(port);
}

std::variant<std::string, EndpointError> ipc(const NetOptions& net, const std::string& name) {
  const std::string path = socket_directory(net) + "/" + name;
  if (path.size() > kIpcPathMax)
    return EndpointError{"socket path " + path + " has " + std::to_string(path.size()) +
                         " bytes, at most " + std::to_string(kIpcPathMax) +
                         " are possible; choose a shorter run directory (--run-dir)"};
  return "ipc://" + path;
}

}  // namespace

std::variant<std::string, EndpointError> endpoint(const NetOptions& net, Channel channel,
                                                  int index) {
  if (index < 1)
    return EndpointError{std::string("node number ") + std::to_string(index) + " for " +
                         file_name(channel) + " is below 1; nodes are counted from 1"};
  if (net.tcp || for_clients(channel)) return tcp(net, channel, index);
  return ipc(net, file_name(channel));
}

std::variant<std::string, EndpointError> local_clients_endpoint(const NetOptions& net, int index) {
  return ipc(net, "clients-" + std::to_string(index));
}

std::string socket_directory(const NetOptions& net) {
  const bool slash = net.run_dir.ends_with('/');
  return net.run_dir + (slash ? "sock" : "/sock");
}

}  // namespace stampede::transport
