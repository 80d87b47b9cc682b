#include "config/process/whole_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

namespace stampede::config {
namespace {

bool write_all(int fd, std::string_view text) {
  while (!text.empty()) {
    const ssize_t done = ::write(fd, text.data(), text.size());
    if (done < 0 && errno == EINTR) continue;
    if (done <= 0) return false;
    text.remove_prefix(static_cast<std::size_t>(done));
  }
  return true;
}

}  // namespace

std::string write_whole(const std::filesystem::path& file, std::string_view text, Outlives outlives,
                        mode_t mode) {
  const bool synced = outlives == Outlives::machine;
  const auto draft = file.string() + ".new." + std::to_string(::getpid());
  ::unlink(draft.c_str());
  const int fd = ::open(draft.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
  bool whole =
      fd >= 0 && ::fchmod(fd, mode) == 0 && write_all(fd, text) && (!synced || ::fsync(fd) == 0);
  int error = errno;
  if (fd >= 0) ::close(fd);
  if (whole && ::rename(draft.c_str(), file.c_str()) != 0) {
    whole = false;
    error = errno;
  }
  if (whole) return synced ? sync_names(file.parent_path()) : std::string();
  if (fd >= 0) ::unlink(draft.c_str());
  return "cannot write " + file.string() + ": " + std::strerror(error);
}

std::string sync_names(const std::filesystem::path& directory) {
  const int fd = ::open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  const bool synced = fd >= 0 && ::fsync(fd) == 0;
  const int error = errno;
  if (fd >= 0) ::close(fd);
  return synced ? "" : "cannot sync " + directory.string() + ": " + std::strerror(error);
}

}  // namespace stampede::config
