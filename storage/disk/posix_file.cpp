#include "storage/disk/posix_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <bit>
#include <cerrno>
#include <cstring>
#include <system_error>

#include "config/process/invariant.h"

namespace stampede::storage {
namespace {

// Of a zero-filled file. A sync of the log's waits for one piece at most; smaller ones would cost
// more CPU.
constexpr std::size_t kZeroPiece = std::size_t{1} << 20;
constexpr std::uint64_t kFlushEvery = std::uint64_t{4} << 20;
constexpr mode_t kFileMode = 0600;

std::uint64_t block_of(std::uint64_t offset) {
  return offset / kDirectBlock * kDirectBlock;
}

}  // namespace

Error failed(const std::string& what, const std::string& path, int error) {
  const bool limited = error == EFBIG;  // a smaller file may do
  const bool full = error == ENOSPC || error == EDQUOT || limited;
  const char* hint = limited ? "; raise the limit on a file's size (ulimit -f, LimitFSIZE=)"
                     : full  ? "; make room on this disk"
                     : error == kNoFile ? "; something else lies in the place of this file"
                                        : "; check the disk and the directory's rights";
  return {full ? Errc::full : Errc::io,
          "cannot " + what + " " + path + ": " + std::generic_category().message(error) + hint};
}

Fd::~Fd() {
  if (fd_ >= 0) ::close(fd_);
}

// Children must inherit neither the log nor its lock: O_CLOEXEC everywhere.
Fd open_fd(const std::string& path, int flags) {
  const bool directory = (flags & O_DIRECTORY) != 0;
  int fd = -1;
  do {
    fd = ::open(path.c_str(), flags | O_CLOEXEC | (directory ? 0 : O_NONBLOCK), kFileMode);
  } while (fd < 0 && errno == EINTR);
  struct stat about {};
  if (fd < 0 || directory || ::fstat(fd, &about) != 0 || S_ISREG(about.st_mode)) return Fd(fd);
  ::close(fd);
  errno = kNoFile;
  return Fd(-1);
}

char* BlockBuffer::reserve(std::size_t bytes) {
  if (bytes > size_) {
    size_ = std::bit_ceil(bytes);
    bytes_.reset();
    bytes_.reset(static_cast<char*>(::operator new (size_, std::align_val_t{kDirectBlock})));
  }
  return bytes_.get();
}

// F_SETFL and not a flag of open(): the file is then open and usable whatever the answer is.
void PosixFile::go_direct(std::uint64_t size, std::uint64_t zeros_from) {
  size_ = size;
  zeros_from_ = zeros_from;
  if (size == 0 || size % kDirectBlock != 0) return;
  direct_ = ::fcntl(fd_.get(), F_SETFL, O_DIRECT) == 0;
}

void PosixFile::leave_direct() {
  ::fcntl(fd_.get(), F_SETFL, 0);  // if it fails, so does the next write, and says so
  direct_ = false;
}

Status PosixFile::fill_with_zeros(std::uint64_t bytes) {
  if (bytes == 0) return Done{};
  go_direct(bytes, 0);
  const std::size_t piece_max = std::min<std::uint64_t>(kZeroPiece, bytes);
  BlockBuffer buffer;
  char* const zeros = buffer.reserve(piece_max);
  std::memset(zeros, 0, piece_max);
  for (std::uint64_t done = 0; done < bytes;) {
    const auto piece = std::min<std::uint64_t>(piece_max, bytes - done);
    if (auto written = write_all(done, {zeros, piece}); !written) return written;
    done += piece;
    // From the page cache they are handed to the disk bit by bit: one sync of it all would hold up
    // the log's own syncs. Only a hint; sync() is what counts.
    if (!direct_ && done % kFlushEvery == 0) {
      ::sync_file_range(fd_.get(), static_cast<off_t>(done - kFlushEvery),
                        static_cast<off_t>(kFlushEvery),
                        SYNC_FILE_RANGE_WRITE | SYNC_FILE_RANGE_WAIT_AFTER);
    }
  }
  return Done{};
}

Status PosixFile::write_at(std::uint64_t offset, std::string_view bytes) {
  if (bytes.empty()) return Done{};
  if (direct_) {
    if (const auto blocks = lay_out(offset, bytes)) {
      return write_blocks(block_of(offset), *blocks, offset + bytes.size());
    }
    leave_direct();
  }
  return write_all(offset, bytes);
}

// The blocks that `bytes` lie in, as they will be. Nothing if that cannot be known.
std::optional<std::string_view> PosixFile::lay_out(std::uint64_t offset, std::string_view bytes) {
  const std::uint64_t end = offset + bytes.size();
  const std::uint64_t first = block_of(offset);
  const std::uint64_t last = block_of(end - 1);
  if (last + kDirectBlock > size_) return std::nullopt;
  const std::size_t laid = last + kDirectBlock - first;
  char* const blocks = blocks_.reserve(laid);
  const bool first_in_part = offset != first || (first == last && end != last + kDirectBlock);
  const bool last_in_part = first != last && end != last + kDirectBlock;
  if (first_in_part && !load(first, blocks)) return std::nullopt;
  if (last_in_part && !load(last, blocks + (last - first))) return std::nullopt;
  std::memcpy(blocks + (offset - first), bytes.data(), bytes.size());
  return std::string_view(blocks, laid);
}

// The block's bytes as they are now. The log's writer never needs to read them.
bool PosixFile::load(std::uint64_t block, char* into) const {
  if (block >= zeros_from_) {
    std::memset(into, 0, kDirectBlock);
  } else if (block == tail_at_) {
    std::memcpy(into, tail_.data(), kDirectBlock);
  } else {
    const ssize_t n = ::pread(fd_.get(), into, kDirectBlock, static_cast<off_t>(block));
    return n == static_cast<ssize_t>(kDirectBlock);
  }
  return true;
}

// After an error the file is read again for what it holds.
Status PosixFile::write_blocks(std::uint64_t first, std::string_view blocks, std::uint64_t end) {
  tail_at_ = kNowhere;
  zeros_from_ = std::max(zeros_from_, end);
  if (auto written = write_all(first, blocks); !written) return written;
  if (end % kDirectBlock == 0) return Done{};
  const auto tail = blocks.substr(blocks.size() - kDirectBlock);
  std::memcpy(tail_.data(), tail.data(), tail.size());
  tail_at_ = block_of(end);
  return Done{};
}

Status PosixFile::write_all(std::uint64_t offset, std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t n = ::pwrite(fd_.get(), bytes.data(), bytes.size(), static_cast<off_t>(offset));
    if (n < 0 && errno == EINTR) continue;
    if (n < 0 && errno == EINVAL && direct_) {  // a disk with larger sectors, or the like
      leave_direct();
      continue;
    }
    if (n < 0) return failed("write at offset " + std::to_string(offset) + " of", path_, errno);
    STAMPEDE_ASSERT(n > 0, "a write that takes nothing reports an error");
    offset += static_cast<std::uint64_t>(n);
    bytes.remove_prefix(static_cast<std::size_t>(n));
  }
  return Done{};
}

Status PosixFile::datasync() {
  if (::fdatasync(fd_.get()) != 0) return failed("sync", path_, errno);
  return Done{};
}

Status PosixFile::sync() {
  if (::fsync(fd_.get()) != 0) return failed("sync", path_, errno);
  return Done{};
}

Status PosixFile::still_at(const std::string& path) const {
  struct stat ours {};
  struct stat named {};
  if (::fstat(fd_.get(), &ours) != 0) return failed("look at", path_, errno);
  if (::stat(path.c_str(), &named) != 0) return failed("find the open file", path, errno);
  if (ours.st_dev != named.st_dev || ours.st_ino != named.st_ino)
    return Error{Errc::io, path + " is another file than the open one: somebody replaced it"};
  if (static_cast<std::uint64_t>(ours.st_size) < size_)
    return Error{Errc::io, path + " has " + std::to_string(ours.st_size) + " of the " +
                               std::to_string(size_) +
                               " bytes that it was made with: somebody cut it"};
  return Done{};
}

}  // namespace stampede::storage
