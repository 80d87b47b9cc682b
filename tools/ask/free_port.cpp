#include "tools/ask/free_port.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <cstring>

namespace stampede::tools {

// SO_REUSEADDR as the nodes have it.
bool is_port_free(const std::string& host, int port, std::string& why) {
  const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd < 0) return true;  // nobody can say
  const int on = 1;
  ::setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<std::uint16_t>(port));
  ::inet_pton(AF_INET, host.c_str(), &address.sin_addr);
  const bool bound = ::bind(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0;
  // Two sockets may be bound so as long as none of them listens.
  const bool free = bound && ::listen(fd, 1) == 0;
  if (!free) why = std::strerror(errno);
  ::close(fd);
  return free;
}

}  // namespace stampede::tools
