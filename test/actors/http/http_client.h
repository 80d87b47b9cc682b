#pragma once

// A raw, blocking HTTP client for tests: sends bytes as they are, reads one reply at a time. Every
// read is bounded by five seconds.

#include <arpa/inet.h>
#include <doctest/doctest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include <string>
#include <string_view>

namespace stampede::actors {

struct SeenHttp {
  int status = 0;  // 0: the connection ended
  std::string head;
  std::string body;
};

class RawHttp {
 public:
  explicit RawHttp(int port, int receive_buffer = 0) : fd_(::socket(AF_INET, SOCK_STREAM, 0)) {
    const timeval limit{8, 0};
    if (receive_buffer > 0)
      ::setsockopt(fd_, SOL_SOCKET, SO_RCVBUF, &receive_buffer, sizeof receive_buffer);
    ::setsockopt(fd_, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(static_cast<std::uint16_t>(port));
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    REQUIRE(::connect(fd_, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0);
  }
  ~RawHttp() { ::close(fd_); }
  RawHttp(const RawHttp&) = delete;
  RawHttp& operator=(const RawHttp&) = delete;

  void send(std::string_view bytes) {
    while (!bytes.empty()) {
      const auto sent = ::send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
      if (sent <= 0) return;  // the server may have closed already: read() tells
      bytes.remove_prefix(static_cast<std::size_t>(sent));
    }
  }

  SeenHttp read() {
    SeenHttp seen;
    auto end = in_.find("\r\n\r\n");
    while (end == std::string::npos) {
      if (!more()) return seen;
      end = in_.find("\r\n\r\n");
    }
    seen.head = in_.substr(0, end + 2);
    in_.erase(0, end + 4);
    seen.status = std::stoi(seen.head.substr(9, 3));
    const auto at = seen.head.find("Content-Length: ");
    const auto size = at == std::string::npos ? 0U : std::stoul(seen.head.substr(at + 16));
    while (in_.size() < size && more()) {
    }
    seen.body = in_.substr(0, size);
    in_.erase(0, size);
    return seen;
  }

  SeenHttp ask(std::string_view bytes) {
    send(bytes);
    return read();
  }

  bool await(std::string_view bytes) {  // until they are there; takes everything up to them
    for (auto at = in_.find(bytes);; at = in_.find(bytes)) {
      if (at != std::string::npos) return in_.erase(0, at + bytes.size()), true;
      if (!more()) return false;
    }
  }

  std::string rest() {  // everything up to the end of the connection, as it came
    while (more()) {
    }
    return in_;
  }

  bool closed() {  // waits for the end of the connection
    while (more()) {
    }
    return ended_;
  }

 private:
  bool more() {
    char buffer[4096];
    const auto got = ::recv(fd_, buffer, sizeof buffer, 0);
    if (got > 0) in_.append(buffer, static_cast<std::size_t>(got));
    ended_ = got == 0 || (got < 0 && errno == ECONNRESET);
    return got > 0;
  }
  int fd_;
  std::string in_;
  bool ended_ = false;
};

}  // namespace stampede::actors
