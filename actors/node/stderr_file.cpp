#include "actors/node/stderr_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <string>
#include <string_view>
#include <system_error>

namespace stampede::actors {
namespace {

constexpr std::string_view kDeleted = " (deleted)";  // behind what was the name, says Linux

// Empty: not known.
std::filesystem::path name_of(int fd) {
  std::error_code error;
  auto name = std::filesystem::read_symlink("/proc/self/fd/" + std::to_string(fd), error).string();
  if (name.ends_with(kDeleted)) name.resize(name.size() - kDeleted.size());
  return name;
}

bool same_file(const struct stat& one, const struct stat& other) {
  return one.st_dev == other.st_dev && one.st_ino == other.st_ino;
}

// The directory may have gone with it.
int open_anew(const std::filesystem::path& name) {
  std::error_code error;
  std::filesystem::create_directory(name.parent_path(), error);
  return ::open(name.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_NOFOLLOW | O_CLOEXEC, 0600);
}

}  // namespace

void StderrFile::look(Clock::time_point now) {
  if (now < next_) return;
  next_ = now + kLookEvery;
  struct stat err {};
  struct stat out {};
  struct stat there {};
  if (::fstat(STDERR_FILENO, &err) != 0 || !S_ISREG(err.st_mode)) return;
  if (name_.empty()) name_ = name_of(STDERR_FILENO);
  if (name_.empty() || (::lstat(name_.c_str(), &there) == 0 && same_file(there, err))) return;
  const bool both = ::fstat(STDOUT_FILENO, &out) == 0 && same_file(out, err);
  const auto opened = open_anew(name_);
  if (opened < 0) return;
  static_cast<void>(::dup2(opened, STDERR_FILENO));
  if (both) static_cast<void>(::dup2(opened, STDOUT_FILENO));
  ::close(opened);
}

}  // namespace stampede::actors
