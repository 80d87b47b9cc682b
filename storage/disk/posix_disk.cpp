#include "storage/disk/posix_disk.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <filesystem>
#include <system_error>
#include <utility>

#include "config/faults/failpoint.h"
#include "config/process/invariant.h"
#include "storage/disk/posix_file.h"

namespace stampede::storage {
namespace {

constexpr mode_t kDirMode = 0700;

class PosixLock final : public HeldLock {
 public:
  explicit PosixLock(Fd fd) : fd_(std::move(fd)) {}

 private:
  Fd fd_;
};

Status read_from(const Fd& fd, const std::string& path, std::uint64_t offset,
                 std::uint64_t bytes_max, std::string& out) {
  out.resize(bytes_max);
  std::size_t done = 0;
  while (done < bytes_max) {
    const ssize_t n =
        ::pread(fd.get(), out.data() + done, bytes_max - done, static_cast<off_t>(offset + done));
    if (n < 0 && errno == EINTR) continue;
    if (n < 0)
      return failed("read at offset " + std::to_string(offset + done) + " of", path, errno);
    if (n == 0) break;
    done += static_cast<std::size_t>(n);
  }
  out.resize(done);
  return Done{};
}

class PosixHeldFile final : public HeldFile {
 public:
  PosixHeldFile(Fd fd, std::string path) : fd_(std::move(fd)), path_(std::move(path)) {}
  Status read(std::uint64_t offset, std::uint64_t bytes_max, std::string& out) const override {
    return read_from(fd_, path_, offset, bytes_max, out);
  }

 private:
  Fd fd_;
  std::string path_;
};

std::string parent_of(std::string dir) {
  while (dir.size() > 1 && dir.back() == '/') dir.pop_back();
  const auto parent = std::filesystem::path(dir).parent_path().string();
  return parent.empty() ? "." : parent;
}

bool is_directory(const std::string& path) {
  struct stat status {};
  return ::stat(path.c_str(), &status) == 0 && S_ISDIR(status.st_mode);
}

bool exists(const std::string& path) {
  struct stat status {};
  return ::lstat(path.c_str(), &status) == 0;
}

}  // namespace

Result<std::unique_ptr<AppendFile>> PosixDisk::create_zeroed(const std::string& path,
                                                             std::uint64_t bytes) {
  if (config::failpoint("disk_full")) return failed("create", path, ENOSPC);
  Fd fd = open_fd(path, O_CREAT | O_EXCL | O_RDWR);
  if (!fd) return failed("create", path, errno);
  auto file = std::make_unique<PosixFile>(std::move(fd), path);
  if (auto filled = file->fill_with_zeros(bytes); !filled) {
    ::unlink(path.c_str());  // a disk that is full should not stay so because of this file
    return filled.error();
  }
  return std::unique_ptr<AppendFile>(std::move(file));
}

Result<std::unique_ptr<AppendFile>> PosixDisk::open_zeroed(const std::string& path) {
  Fd fd = open_fd(path, O_RDWR);
  if (!fd) return failed("open", path, errno);
  struct stat status {};
  if (::fstat(fd.get(), &status) != 0) return failed("look at", path, errno);
  auto file = std::make_unique<PosixFile>(std::move(fd), path);
  file->go_direct(static_cast<std::uint64_t>(status.st_size), kDirectBlock);
  return std::unique_ptr<AppendFile>(std::move(file));
}

Status PosixDisk::rename(const std::string& from, const std::string& to) {
  if (::renameat2(AT_FDCWD, from.c_str(), AT_FDCWD, to.c_str(), RENAME_NOREPLACE) == 0) {
    return Done{};
  }
  // Some file systems do not know the flag. The log's lock keeps others away meanwhile.
  if (errno == EINVAL || errno == ENOSYS) {
    if (exists(to)) return failed("rename " + from + " to", to, EEXIST);
    if (::rename(from.c_str(), to.c_str()) == 0) return Done{};
  }
  return failed("rename " + from + " to", to, errno);
}

Status PosixDisk::remove(const std::string& path) {
  STAMPEDE_ASSERT(!path.ends_with(".seg"), "a segment is not just any file");
  if (::unlink(path.c_str()) == 0 || errno == ENOENT) return Done{};
  return failed("remove", path, errno);
}

Status PosixDisk::remove_segment(const std::string& path) {
  STAMPEDE_ASSERT(path.ends_with(".seg"), "only segments are removed as segments");
  if (::unlink(path.c_str()) == 0) return Done{};
  return failed("remove", path, errno);
}

Status PosixDisk::sync_dir(const std::string& dir) {
  const Fd fd = open_fd(dir, O_RDONLY | O_DIRECTORY);
  if (!fd) return failed("open directory", dir, errno);
  if (::fsync(fd.get()) != 0) return failed("sync directory", dir, errno);
  return Done{};
}

Status PosixDisk::make_dir(const std::string& dir) {
  const bool made = ::mkdir(dir.c_str(), kDirMode) == 0;
  if (!made && errno != EEXIST) return failed("create directory", dir, errno);
  // Also when it was there: whoever made it may have died before this point.
  auto synced = sync_dir(parent_of(dir));
  if (!synced && made) return synced;
  return Done{};
}

Result<std::uint64_t> PosixDisk::free_bytes(const std::string& dir) {
  struct statvfs status {};
  if (::statvfs(dir.c_str(), &status) != 0) return failed("look at", dir, errno);
  if (status.f_blocks == 0) return ~std::uint64_t{0};
  return std::uint64_t{status.f_bavail} * status.f_frsize;
}

DirectoryPlace PosixDisk::place(const std::string& dir) {
  struct statx status {};
  if (::statx(AT_FDCWD, dir.c_str(), 0, STATX_BTIME | STATX_INO, &status) != 0) return {};
  DirectoryPlace place;
  place.number = status.stx_ino;
  constexpr std::int64_t kNsPerSecond = 1'000'000'000;
  if ((status.stx_mask & STATX_BTIME) != 0)
    place.made_ns = status.stx_btime.tv_sec * kNsPerSecond + status.stx_btime.tv_nsec;
  return place;
}

Result<std::vector<FileEntry>> PosixDisk::list(const std::string& dir) {
  std::vector<FileEntry> files;
  std::error_code error;
  std::filesystem::directory_iterator it(dir, error);
  if (error == std::errc::no_such_file_or_directory) return files;
  if (error) return failed("list directory", dir, error.value());
  for (; it != std::filesystem::directory_iterator(); it.increment(error)) {
    struct stat status {};
    if (::stat(it->path().c_str(), &status) != 0) {
      if (errno == ENOENT) continue;  // a .tmp file of a running writer, renamed meanwhile
      return failed("look at", it->path().string(), errno);
    }
    if (!S_ISREG(status.st_mode)) continue;
    files.push_back({it->path().filename().string(), static_cast<std::uint64_t>(status.st_size)});
  }
  if (error) return failed("list directory", dir, error.value());
  return files;
}

Status PosixDisk::read(const std::string& path, std::uint64_t offset, std::uint64_t bytes_max,
                       std::string& out) {
  const Fd fd = open_fd(path, O_RDONLY);
  if (!fd) return failed("open", path, errno);
  return read_from(fd, path, offset, bytes_max, out);
}

Result<std::unique_ptr<HeldFile>> PosixDisk::hold(const std::string& path) {
  Fd fd = open_fd(path, O_RDONLY);
  if (!fd) return failed("open", path, errno);
  return std::unique_ptr<HeldFile>(std::make_unique<PosixHeldFile>(std::move(fd), path));
}

Result<std::unique_ptr<HeldLock>> PosixDisk::lock(const std::string& path) {
  const bool directory = is_directory(path);
  Fd fd = open_fd(path, directory ? O_RDONLY | O_DIRECTORY : O_CREAT | O_RDWR);
  if (!fd) return failed("open", path, errno);
  int locked = -1;
  do {
    locked = ::flock(fd.get(), LOCK_EX | LOCK_NB);
  } while (locked != 0 && errno == EINTR);
  // Network file systems that make record locks of these have none for a directory.
  if (locked != 0 && directory && errno != EWOULDBLOCK) locked = 0;
  if (locked != 0 && errno == EWOULDBLOCK) {
    return Error{Errc::locked, path +
                                   " is held by another process: one writer to a log; stop it "
                                   "or use another directory"};
  }
  if (locked != 0) return failed("lock", path, errno);
  return std::unique_ptr<HeldLock>(std::make_unique<PosixLock>(std::move(fd)));
}

}  // namespace stampede::storage
