#include "transport/port/bound_paths.h"

#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>
#include <zmq.h>

#include <cerrno>
#include <cstdio>
#include <filesystem>
#include <string_view>
#include <utility>

namespace stampede::transport {
namespace {

constexpr std::string_view kIpc = "ipc://";
constexpr mode_t kDirectoryMode = 0700;

// What stands at a path of ours that is not our file: another process that listens keeps it.
bool somebody_listens(const std::string& file) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (file.size() >= sizeof address.sun_path) return false;
  file.copy(address.sun_path, file.size());
  const int fd = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (fd < 0) return true;  // not to be known now
  const bool listens =
      ::connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0 ||
      errno == EAGAIN;
  ::close(fd);
  return listens;
}

}  // namespace

BoundPaths::BoundPaths(const SocketOptions& options) {
  if (!options.bind) return;
  for (const auto& endpoint : {options.endpoint, options.local_endpoint})
    if (endpoint.starts_with(kIpc)) paths_.push_back({endpoint.substr(kIpc.size())});
}

void BoundPaths::remember() {
  for (auto& path : paths_) note(path);
}

void BoundPaths::note(Path& path) {
  struct stat status {};
  if (::lstat(path.file.c_str(), &status) != 0) status = {};
  path.device = status.st_dev;
  path.inode = status.st_ino;
}

bool BoundPaths::there(const Path& path) {
  struct stat status {};
  if (::lstat(path.file.c_str(), &status) != 0) return errno != ENOENT && errno != ENOTDIR;
  const bool ours = status.st_dev == path.device && status.st_ino == path.inode;
  return ours || (S_ISSOCK(status.st_mode) && somebody_listens(path.file));
}

void BoundPaths::look(Socket& socket) {
  for (auto& path : paths_)
    if (!there(path)) bind_again(socket, path);
}

// Beside the listener that nobody finds any more: to unbind that one would end its connections, and
// it would take the new file with it when it closes.
void BoundPaths::bind_again(Socket& socket, Path& path) {
  const auto directory = std::filesystem::path(path.file).parent_path();
  ::mkdir(directory.c_str(), kDirectoryMode);
  const bool bound = zmq_bind(socket.native(), (std::string(kIpc) + path.file).c_str()) == 0;
  if (bound) note(path);
  if (!bound && std::exchange(path.told, true)) return;
  path.told = !bound;
  std::fprintf(stderr, "port: %s was removed; %s\n", path.file.c_str(),
               bound ? "bound again" : zmq_strerror(zmq_errno()));
}

}  // namespace stampede::transport
