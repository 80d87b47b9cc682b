#include "actors/node/stderr_file.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>

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

bool is_stderr(const std::filesystem::path& name) {
  struct stat err {};
  struct stat there {};
  return ::fstat(STDERR_FILENO, &err) == 0 && ::lstat(name.c_str(), &there) == 0 &&
         same_file(there, err);
}

// Held by one process at a time, whoever else writes into the file.
class FileLock {
 public:
  explicit FileLock(const std::filesystem::path& name)
      : fd_(::open(name.c_str(), O_RDONLY | O_NOFOLLOW | O_CLOEXEC)) {
    if (fd_ >= 0 && ::flock(fd_, LOCK_EX) != 0) ::close(std::exchange(fd_, -1));
  }
  ~FileLock() {
    if (fd_ >= 0) ::close(fd_);
  }
  FileLock(const FileLock&) = delete;
  FileLock& operator=(const FileLock&) = delete;
  [[nodiscard]] bool held() const { return fd_ >= 0; }

 private:
  int fd_;
};

std::filesystem::path numbered(std::filesystem::path name, int number) {
  return name += "." + std::to_string(number);
}

}  // namespace

void StderrFile::look(Clock::time_point now) {
  const bool full = size_ >= file_bytes_ && rotates_;
  if (now < next_ && !full) return;
  next_ = now + kLookEvery;
  struct stat err {};
  if (::fstat(STDERR_FILENO, &err) != 0 || !S_ISREG(err.st_mode)) {
    size_ = 0;
    return;
  }
  size_ = static_cast<std::uint64_t>(err.st_size);
  if (name_.empty()) name_ = name_of(STDERR_FILENO);
  if (name_.empty()) return;
  if (!is_stderr(name_)) go_on_in_named();
  if (size_ >= file_bytes_) rotate();
}

void StderrFile::go_on_in_named() {
  struct stat err {};
  struct stat out {};
  const bool both =
      ::fstat(STDERR_FILENO, &err) == 0 && ::fstat(STDOUT_FILENO, &out) == 0 && same_file(out, err);
  const auto opened = open_anew(name_);
  if (opened < 0) return;
  static_cast<void>(::dup2(opened, STDERR_FILENO));
  if (both) static_cast<void>(::dup2(opened, STDOUT_FILENO));
  ::close(opened);
  size_ = ::fstat(STDERR_FILENO, &err) == 0 ? static_cast<std::uint64_t>(err.st_size) : 0;
}

void StderrFile::rotate() {
  {
    const FileLock lock(name_);
    rotates_ = lock.held();
    // Not ours any more: another process that writes into it was faster.
    for (int number = kFiles - 1; rotates_ && number > 0 && is_stderr(name_); --number) {
      const auto older = number > 1 ? numbered(name_, number - 1) : name_;
      rotates_ = ::rename(older.c_str(), numbered(name_, number).c_str()) == 0 || errno == ENOENT;
    }
  }
  if (!is_stderr(name_)) go_on_in_named();
}

void StderrFile::write(std::string_view line) {
  while (!line.empty()) {
    const auto written = ::write(STDERR_FILENO, line.data(), line.size());
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) return;  // nobody could be told
    size_ += static_cast<std::uint64_t>(written);
    line.remove_prefix(static_cast<std::size_t>(written));
  }
}

}  // namespace stampede::actors
