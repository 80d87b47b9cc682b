#pragma once

// The one seam between the log and the file system. The log's reader and writer do all their I/O
// through `Disk`, so the same code runs on files (posix_disk.h) and on a simulated disk that
// forgets what was not synced (test/support/forgetful_disk.h).
//
// Errors: every call returns Errc::io naming the path, or Errc::full when the disk has no room for
// it, unless it says otherwise. Paths are plain
// file system paths; all files of one log lie in one directory.
// Threads: a Disk may be called from several threads as long as they name different files; an
// AppendFile belongs to one thread at a time. All calls block, write_at() too: PosixDisk hands
// whole segments to the disk past the page cache where it can (posix_file.h), so a write
// returns when the disk has taken the bytes, and what was written is read from the disk, not from
// memory.

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "storage/result.h"

namespace stampede::storage {

// An open file that is written at given offsets, by nobody else. Closed by the destructor (nothing
// is synced).
class AppendFile {
 public:
  virtual ~AppendFile() = default;
  // All bytes or an error; after an error any part may be in the file. Not durable on return.
  virtual Status write_at(std::uint64_t offset, std::string_view bytes) = 0;
  // Durable on return: every byte written so far (not the file's name). Never call it again after
  // it failed: the kernel then counts the lost pages as written.
  virtual Status datasync() = 0;
  // As datasync(), and the file's size and other metadata.
  virtual Status sync() = 0;
  // Whether `path` still leads to this file, and that is as long as it was made. Errc::io when it
  // leads nowhere or to another file (what is written here then is found by nobody who reads the
  // log by its names), or when somebody has cut it.
  [[nodiscard]] virtual Status still_at(const std::string& path) const = 0;
};

// An open file that is only read: its bytes are there for as long as this lives, whatever becomes
// of its name.
class HeldFile {
 public:
  virtual ~HeldFile() = default;
  // As Disk::read.
  virtual Status read(std::uint64_t offset, std::uint64_t bytes_max, std::string& out) const = 0;
};

// Holds an advisory lock until destroyed (or until the process ends, however it ends).
class HeldLock {
 public:
  virtual ~HeldLock() = default;
};

// What a directory shares with no other one: a copy has another place, a directory that was moved
// within its file system keeps its own.
struct DirectoryPlace {
  std::int64_t made_ns = 0;  // when it was made, since 1970; 0: the file system does not say
  std::uint64_t number = 0;  // of its inode: of two that were made in one moment

  [[nodiscard]] bool is_known() const { return made_ns != 0 || number != 0; }
  friend bool operator==(const DirectoryPlace&, const DirectoryPlace&) = default;
};

struct FileEntry {
  std::string name;  // without the directory
  std::uint64_t bytes{};
};

class Disk {
 public:
  virtual ~Disk() = default;

  // Creates `path` with `bytes` zeros really written (later writes need no new blocks, so their
  // sync is cheap and cannot find the disk full). Fails if it exists; removes it if it fails.
  // Nothing is durable on return.
  virtual Result<std::unique_ptr<AppendFile>> create_zeroed(const std::string& path,
                                                            std::uint64_t bytes) = 0;
  // Opens a file that create_zeroed made and of which nothing but the first 4096 bytes was ever
  // written: the rest is taken for zeros unread.
  virtual Result<std::unique_ptr<AppendFile>> open_zeroed(const std::string& path) = 0;

  // Atomic; fails if `to` exists. Durable after sync_dir.
  virtual Status rename(const std::string& from, const std::string& to) = 0;
  // Removes a file of the log that is not a segment; a missing file is fine.
  virtual Status remove(const std::string& path) = 0;
  // Removes a segment that snapshots stand for; nothing else may call it but
  // actors/backend/recovery/retention.
  virtual Status remove_segment(const std::string& path) = 0;
  // Durable on return: names created, renamed and removed in `dir`.
  virtual Status sync_dir(const std::string& dir) = 0;
  // Creates `dir` (one level, durable) unless it is there.
  virtual Status make_dir(const std::string& dir) = 0;

  // What files in `dir` may still grow by. Of a file system that does not say: very much.
  virtual Result<std::uint64_t> free_bytes(const std::string& dir) = 0;

  // Not known of a missing directory, and of a disk that does not say.
  virtual DirectoryPlace place(const std::string&) { return {}; }

  // The directory's regular files, in no order; a missing directory is an empty one.
  virtual Result<std::vector<FileEntry>> list(const std::string& dir) = 0;
  // Replaces `out` by up to `bytes_max` bytes from `offset`; fewer only at the end of the file.
  virtual Status read(const std::string& path, std::uint64_t offset, std::uint64_t bytes_max,
                      std::string& out) = 0;

  // Keeps the file's bytes; null: a disk that cannot.
  virtual Result<std::unique_ptr<HeldFile>> hold(const std::string&) {
    return std::unique_ptr<HeldFile>();
  }

  // Exclusive lock on the directory `path`, or on the file, created if missing; Errc::locked at
  // once when it is held by someone else (the caller decides whether to try again).
  virtual Result<std::unique_ptr<HeldLock>> lock(const std::string& path) = 0;
};

}  // namespace stampede::storage
