#pragma once

// What the socket tests share: a directory of their own, a free tcp port, waiting with a bound.

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>
#include <zmq.h>

#include <chrono>
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <initializer_list>
#include <random>
#include <string>
#include <string_view>

#include "transport/zmq/sockets.h"

namespace stampede::transport {

inline constexpr int kPatienceMs = 10'000;  // only a broken program waits so long

class SocketDirectory {
 public:
  SocketDirectory() {
    std::string name = (std::filesystem::temp_directory_path() / "stampede-XXXXXX").string();
    path_ = ::mkdtemp(name.data());
  }
  ~SocketDirectory() { std::filesystem::remove_all(path_); }
  std::string ipc(const std::string& name) const { return "ipc://" + path_ + "/" + name; }
  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

inline bool is_free_tcp_port(int port) {
  const int fd = ::socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<std::uint16_t>(port));
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  const bool free = ::bind(fd, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0;
  ::close(fd);
  return free;
}

// The first of `count` ports in a row that nobody has now. Below the range from which the kernel
// takes the ports of outgoing connections: one of those could be gone before it is bound.
inline int free_tcp_port(int count = 1) {
  std::random_device random;
  for (int attempt = 0; attempt < 1000; ++attempt) {
    const int first = 32'100 + static_cast<int>(random() % 600);
    int free = 0;
    while (free < count && is_free_tcp_port(first + free)) ++free;
    if (free == count) return first;
  }
  std::abort();
}

inline SocketOptions bind_to(SocketKind kind, std::string endpoint) {
  SocketOptions options;
  options.kind = kind;
  options.endpoint = std::move(endpoint);
  options.bind = true;
  return options;
}

inline SocketOptions connect_to(SocketKind kind, std::string endpoint) {
  SocketOptions options = bind_to(kind, std::move(endpoint));
  options.bind = false;
  return options;
}

inline bool wait_for(Socket& socket, short event, int patience_ms = kPatienceMs) {
  zmq_pollitem_t item{socket.native(), 0, event, 0};
  return zmq_poll(&item, 1, patience_ms) > 0;
}

inline bool receive_in_time(Socket& socket, Message& parts, int patience_ms = kPatienceMs) {
  return wait_for(socket, ZMQ_POLLIN, patience_ms) && socket.receive(parts);
}

inline Message message_of(std::initializer_list<std::string_view> texts) {
  Message parts;
  for (const auto text : texts) parts.emplace_back(text);
  return parts;
}

// Waits until the socket takes messages, then sends.
inline bool send_in_time(Socket& socket, std::initializer_list<std::string_view> texts) {
  Message parts = message_of(texts);
  return wait_for(socket, ZMQ_POLLOUT) && socket.send(parts);
}

inline std::string text_of(const Message& parts) {
  std::string text;
  for (const auto& part : parts) text.append(text.empty() ? "" : "|").append(part.bytes());
  return text;
}

}  // namespace stampede::transport
