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
std::filesystem::path former_name(int fd) {
  std::error_code error;
  const auto link = std::filesystem::read_symlink("/proc/self/fd/" + std::to_string(fd), error);
  std::string name = link.string();
  if (error || !name.ends_with(kDeleted)) return {};
  name.resize(name.size() - kDeleted.size());
  return name;
}

bool same_file(const struct stat& one, const struct stat& other) {
  return one.st_dev == other.st_dev && one.st_ino == other.st_ino;
}

// The directory may have gone with it.
int make_again(const std::filesystem::path& name) {
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
  if (::fstat(STDERR_FILENO, &err) != 0 || !S_ISREG(err.st_mode) || err.st_nlink != 0) return;
  const bool both = ::fstat(STDOUT_FILENO, &out) == 0 && same_file(out, err);
  const auto name = former_name(STDERR_FILENO);
  const int made = name.empty() ? -1 : make_again(name);
  if (made < 0) return;
  static_cast<void>(::dup2(made, STDERR_FILENO));
  if (both) static_cast<void>(::dup2(made, STDOUT_FILENO));
  ::close(made);
}

}  // namespace stampede::actors
