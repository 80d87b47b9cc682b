#pragma once

// Where the sockets are: ipc paths below the run directory, or tcp ports derived from a base port.
// Pure: names are made here, nothing is opened.

#include <cstddef>
#include <string>
#include <variant>

namespace stampede::transport {

// Offsets from net.port_base; also the order in which they are documented.
enum class Channel : int {
  webapp_clients = 1,  // ROUTER, tcp; on this host also local_clients_endpoint()
  webapp_news = 2,     // XPUB, tcp
  requests_in = 11,    // broker PULL <- webapps
  requests_out = 12,   // broker PUSH -> backend
  results_in = 13,     // broker PULL <- backend
  results_out = 14,    // broker XPUB -> webapps
  reports = 20,        // supervisor PULL <- every node
  wanted = 21,         // supervisor PUB -> every node
};

struct NetOptions {
  bool tcp = false;  // false: ipc between nodes
  std::string bind = "127.0.0.1";
  int port_base = 7100;
  std::string run_dir;  // ipc sockets live in <run_dir>/sock
};

// Of the settings, whatever type holds them.
NetOptions net_options(const auto& config) {
  return {config.net.tcp(), config.net.bind, config.net.port_base, config.run_dir.string()};
}

inline constexpr std::size_t kIpcPathMax = 100;  // bytes; the kernel's limit is 107

struct EndpointError {
  std::string message;
};

// The endpoint for a channel; `index` is k of webapp-k (its client ports move by 100*(k-1)).
// An ipc path over kIpcPathMax is an error that names the path and says what to do.
std::variant<std::string, EndpointError> endpoint(const NetOptions& net, Channel channel,
                                                  int index = 1);

// Where webapp-`index` takes clients of this host without tcp: <run_dir>/sock/clients-<index>.
std::variant<std::string, EndpointError> local_clients_endpoint(const NetOptions& net,
                                                                int index = 1);

// <run_dir>/sock, where all of them lie; whoever may enter it may order.
std::string socket_directory(const NetOptions& net);

}  // namespace stampede::transport
