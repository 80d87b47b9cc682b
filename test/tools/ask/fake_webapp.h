#pragma once

// A ROUTER that answers SF1 messages as a test's script says, in a thread of its own.

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <cstdlib>
#include <functional>
#include <nlohmann/json.hpp>
#include <string>
#include <thread>
#include <vector>

#include "transport/zmq/sockets.h"
#include "transport/zmq/wait.h"

namespace stampede::tools {

inline int free_port() {
  const int fd = ::socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  if (::bind(fd, reinterpret_cast<sockaddr*>(&address), size) != 0) std::abort();
  ::getsockname(fd, reinterpret_cast<sockaddr*>(&address), &size);
  ::close(fd);
  return ntohs(address.sin_port);
}

// Confirms everything: order ids count from 2^40 + 1 in the order of first sight.
class FakeWebapp {
 public:
  using json = nlohmann::json;
  // Gets the decoded request, returns what is sent back, in order.
  using Script = std::function<std::vector<json>(const json& request)>;

  explicit FakeWebapp(Script script, int port = free_port())
      : script_(std::move(script)),
        endpoint_("tcp://127.0.0.1:" + std::to_string(port)),
        port_(port),
        thread_([this] { run(); }) {}
  ~FakeWebapp() {
    stop_ = true;
    thread_.join();
  }
  FakeWebapp(const FakeWebapp&) = delete;
  FakeWebapp& operator=(const FakeWebapp&) = delete;

  [[nodiscard]] const std::string& endpoint() const { return endpoint_; }
  [[nodiscard]] int port() const { return port_; }
  [[nodiscard]] int arrays() const { return arrays_; }

 private:
  void run() {
    transport::SocketOptions options;
    options.kind = transport::SocketKind::router;
    options.endpoint = endpoint_;
    options.bind = true;
    transport::Context context;
    std::vector<transport::Socket> sockets;
    sockets.emplace_back(context, options);
    transport::Message parts;
    while (!stop_) {
      static_cast<void>(transport::wait_readable(sockets, std::chrono::milliseconds(10)));
      while (!stop_ && sockets[0].receive(parts)) answer(sockets[0], parts);
    }
  }

  void answer(transport::Socket& socket, const transport::Message& parts) {
    const std::string peer(parts.front().bytes());
    const json request = json::from_msgpack(parts.back().bytes(), true, false);
    for (const json& map : answers_to(request)) {
      std::string frame;
      json::to_msgpack(map, frame);
      transport::Message out;
      out.emplace_back(std::string_view(peer));
      out.emplace_back(std::string_view(frame));
      static_cast<void>(socket.send(out));
    }
  }

  // An array of orders is answered by one array: the script's first answer to each.
  std::vector<json> answers_to(const json& request) {
    if (!request.is_array()) return script_(request);
    ++arrays_;
    json array = json::array();
    for (const json& order : request)
      if (const auto answers = script_(order); !answers.empty()) array.push_back(answers.front());
    return {array};
  }

  Script script_;
  std::atomic<int> arrays_{0};
  std::string endpoint_;
  int port_;
  std::atomic<bool> stop_{false};
  std::thread thread_;
};

inline nlohmann::json confirmed(const nlohmann::json& request, std::uint64_t order_id) {
  return {{"id", request.at("id")},
          {"state", "confirmed"},
          {"order_id", std::to_string(order_id)},
          {"item", request.value("item", 1)},
          {"qty", 1},
          {"left", 7},
          {"stored", false}};
}

inline nlohmann::json refused(const nlohmann::json& request, const char* code, bool retry,
                              int retry_after_ms = 0) {
  nlohmann::json map{{"id", request.at("id")}, {"code", code}, {"message", "no"}, {"retry", retry}};
  if (retry_after_ms > 0) map["retry_after_ms"] = retry_after_ms;
  return map;
}

}  // namespace stampede::tools
