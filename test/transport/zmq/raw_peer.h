#pragma once

// A peer without a library: whatever bytes a stranger may send after an ordinary handshake.

#include <arpa/inet.h>
#include <doctest/doctest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <string>

namespace stampede::transport {

template <std::size_t N>
std::string bytes(const char (&literal)[N]) {  // zeros and all
  return {literal, N - 1};
}

// A short frame of ZMTP 3.
inline std::string frame(const std::string& text, bool more = false) {
  return std::string(1, more ? '\1' : '\0') + static_cast<char>(text.size()) + text;
}

class RawPeer {
 public:
  // Connects to 127.0.0.1 and says nothing.
  explicit RawPeer(int port) : fd_(::socket(AF_INET, SOCK_STREAM, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(static_cast<std::uint16_t>(port));
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    REQUIRE(::connect(fd_, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0);
  }
  // And introduces itself as a socket of this type, with this id if it has one.
  RawPeer(int port, const std::string& socket_type, const std::string& identity = "")
      : RawPeer(port) {
    std::string ready =
        bytes("\5READY\x0bSocket-Type\0\0\0") + static_cast<char>(socket_type.size()) + socket_type;
    if (!identity.empty())
      ready += bytes("\x08Identity\0\0\0") + static_cast<char>(identity.size()) + identity;
    say(bytes("\xff\0\0\0\0\0\0\0\0\x7f\3\0NULL") + std::string(16 + 32, '\0') + '\4' +
        static_cast<char>(ready.size()) + ready);
    std::array<char, 64> greeting{};
    REQUIRE(::recv(fd_, greeting.data(), greeting.size(), MSG_WAITALL) == 64);
  }
  RawPeer(const RawPeer&) = delete;
  RawPeer& operator=(const RawPeer&) = delete;
  void say(const std::string& bytes) const {
    REQUIRE(::send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL) ==
            static_cast<ssize_t>(bytes.size()));
  }
  // As much of it as the other side takes.
  void offer(const std::string& bytes) const {
    for (std::size_t sent = 0; sent < bytes.size();) {
      const auto taken = ::send(fd_, bytes.data() + sent, bytes.size() - sent, MSG_NOSIGNAL);
      if (taken <= 0) return;
      sent += static_cast<std::size_t>(taken);
    }
  }
  // The other side has ended the connection; waits for it.
  [[nodiscard]] bool is_cut() const {
    const timeval patience{10, 0};
    ::setsockopt(fd_, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    std::array<char, 256> heard{};
    ssize_t got = 1;
    while (got > 0) got = ::recv(fd_, heard.data(), heard.size(), 0);
    return got == 0 || errno == ECONNRESET;
  }
  ~RawPeer() {  // resets its connection
    const linger reset{1, 0};
    ::setsockopt(fd_, SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
    ::close(fd_);
  }

 private:
  int fd_;
};

}  // namespace stampede::transport
