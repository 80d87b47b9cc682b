#include "config/settings/running_nodes.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <cerrno>
#include <string>

namespace stampede::config {

// By an open file of its own, which a shared lock does not disturb.
bool is_locked(const std::filesystem::path& file) {
  const int fd = ::open(file.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (fd < 0) return false;
  const bool locked = ::flock(fd, LOCK_SH | LOCK_NB) != 0 && errno == EWOULDBLOCK;
  ::close(fd);
  return locked;
}

bool a_node_runs(const std::filesystem::path& run_dir) {
  std::error_code error;
  std::filesystem::directory_iterator entry(run_dir, error);
  for (; !error && entry != std::filesystem::directory_iterator(); entry.increment(error)) {
    const auto& file = entry->path();
    // Other locks there have a name without a number.
    const bool of_node =
        file.extension() == ".lock" && file.stem().string().find('-') != std::string::npos;
    if (of_node && is_locked(file)) return true;
  }
  return false;
}

}  // namespace stampede::config
