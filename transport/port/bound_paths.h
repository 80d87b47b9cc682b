#pragma once

// The files of the ipc endpoints that one socket has bound. Somebody may remove them, a cleaner of
// temporary files for one: who is connected stays so, but nobody finds the socket any more. So they
// are looked at, and what is gone is bound once more, directory and all. One thread.

#include <sys/types.h>

#include <string>
#include <vector>

#include "transport/zmq/sockets.h"

namespace stampede::transport {

class BoundPaths {
 public:
  explicit BoundPaths(const SocketOptions& options);
  [[nodiscard]] bool empty() const { return paths_.empty(); }

  // After the socket was bound.
  void remember();
  // Binds again what leads nowhere, or to something at which nobody listens. Does not throw: what
  // cannot be bound now is tried at the next look.
  void look(Socket& socket);

 private:
  struct Path {
    std::string file;
    dev_t device = 0;
    ino_t inode = 0;
    bool told = false;  // that it cannot be bound
  };
  static bool there(const Path& path);
  static void note(Path& path);
  static void bind_again(Socket& socket, Path& path);

  std::vector<Path> paths_;
};

}  // namespace stampede::transport
