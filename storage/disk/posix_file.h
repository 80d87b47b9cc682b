#pragma once

// The open files of PosixDisk. A file made of whole blocks of zeros, as segments are, is written
// past the page cache (O_DIRECT): the kernel then neither copies its bytes nor has to find dirty
// pages when it is synced, and the zeros of a segment push nothing out of memory. Direct writes
// take whole aligned blocks, so the block that a write ends in is kept and written once more with
// the next one; what is durable in it is written again as it was. Where direct writes are not to
// be had (the file system, an odd size, a write beyond the end) the file is written through the
// page cache from then on; nobody has to know.

#include <array>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <new>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "storage/disk/disk.h"

namespace stampede::storage {

inline constexpr std::size_t kDirectBlock = 4096;  // a multiple of every usual disk's sector

Error failed(const std::string& what, const std::string& path, int error);

class Fd {
 public:
  explicit Fd(int fd) : fd_(fd) {}
  Fd(Fd&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  Fd& operator=(Fd&&) = delete;
  ~Fd();
  [[nodiscard]] int get() const { return fd_; }
  explicit operator bool() const { return fd_ >= 0; }

 private:
  int fd_;
};

// errno of open_fd() for a pipe, a socket or a directory where a file is expected; nobody waits for
// a pipe's other end.
inline constexpr int kNoFile = EMEDIUMTYPE;

Fd open_fd(const std::string& path, int flags);

// Memory that begins where a block may begin.
class BlockBuffer {
 public:
  // At least that many bytes; what was in them is lost.
  char* reserve(std::size_t bytes);

 private:
  struct Delete {
    void operator()(char* bytes) const {
      ::operator delete (bytes, std::align_val_t{kDirectBlock});
    }
  };
  std::unique_ptr<char, Delete> bytes_;
  std::size_t size_ = 0;
};

class PosixFile final : public AppendFile {
 public:
  PosixFile(Fd fd, std::string path) : fd_(std::move(fd)), path_(std::move(path)) {}

  // Writes directly from now on, if that is possible. The file has `size` bytes, zeros from
  // `zeros_from` on, and nobody else writes to it.
  void go_direct(std::uint64_t size, std::uint64_t zeros_from);
  Status fill_with_zeros(std::uint64_t bytes);  // of a new file

  Status write_at(std::uint64_t offset, std::string_view bytes) override;
  Status datasync() override;
  Status sync() override;
  Status still_at(const std::string& path) const override;

 private:
  static constexpr std::uint64_t kNowhere = ~std::uint64_t{0};

  Status write_all(std::uint64_t offset, std::string_view bytes);
  Status write_blocks(std::uint64_t first, std::string_view blocks, std::uint64_t end);
  std::optional<std::string_view> lay_out(std::uint64_t offset, std::string_view bytes);
  bool load(std::uint64_t block, char* into) const;
  void leave_direct();

  Fd fd_;
  std::string path_;
  std::uint64_t size_ = 0;  // that it was made with
  bool direct_ = false;
  // Of a file that is written directly:
  std::uint64_t zeros_from_ = 0;      // nothing was written from here on
  std::uint64_t tail_at_ = kNowhere;  // the block that tail_ holds
  std::array<char, kDirectBlock> tail_{};
  BlockBuffer blocks_;  // of the last write; kept for its memory
};

}  // namespace stampede::storage
