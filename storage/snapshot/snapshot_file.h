#pragma once

// A snapshot file: its name, how it comes into being, and how it is read. It is made under a .tmp
// name, synced, renamed, and the directory synced: whatever carries a snapshot's name was complete
// once. Never written again. Reader and writer hold one block in memory.
//
// Errors: Errc::io from the disk; Errc::corrupt naming the file and the place when bytes are not
// what was written; Errc::version for a format that this program does not read.
// Threads: one thread each. All calls block on the disk.

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "storage/disk/disk.h"
#include "storage/log/log_reader.h"
#include "storage/result.h"
#include "storage/snapshot/snapshot_format.h"

namespace stampede::storage {

struct SnapshotHeader {
  LogPosition position;         // the snapshot is the log up to here
  std::int64_t created_ns = 0;  // wall clock, for people only
};

// "snapshot-<last lsn>-<segment>", both as 16 hex digits.
std::string snapshot_name(const LogPosition& position);
bool looks_like_snapshot(std::string_view name);  // begins with "snapshot-"

struct SnapshotEntry {
  std::string name;
  Lsn last_lsn = 0;
  std::uint64_t seg_no = 0;  // reading goes on at the start of this segment
  std::uint64_t bytes = 0;
};
// The snapshots of a log directory, newest first. What is being made is not among them.
Result<std::vector<SnapshotEntry>> list_snapshots(Disk& disk, const std::string& dir);

// Cuts entries into blocks and hashes them.
class SnapshotHasher : public SnapshotSink {
 public:
  explicit SnapshotHasher(const LogPosition& position);
  ~SnapshotHasher() override;
  SnapshotHasher(SnapshotHasher&&) noexcept;
  SnapshotHasher& operator=(SnapshotHasher&&) = delete;

  void add(SnapshotSection section, std::string_view entry) final;
  // A whole block, as it was cut before.
  void add_block(const SnapshotBlock& block);
  // After the last entry; once.
  SnapshotHash finish();

 protected:
  virtual void block(const SnapshotBlock&) {}

 private:
  void close_block();
  struct State;
  std::unique_ptr<State> state_;
  std::string entries_;
  SnapshotSection section_ = SnapshotSection::invalid;
  std::uint32_t count_ = 0;
};

class SnapshotWriter final : public SnapshotHasher {
 public:
  // Begins `<name>.tmp`; what a crash left of an earlier one is removed. Errors come out of
  // finish(); after the first one nothing more is written.
  SnapshotWriter(Disk& disk, std::string dir, const SnapshotHeader& header);

  // Durable on return, name and all. Failpoint in_snapshot, passed before and after each step.
  Result<SnapshotHash> install();
  [[nodiscard]] std::uint64_t bytes() const { return offset_; }

 private:
  void block(const SnapshotBlock& block) override;
  void write(std::string_view bytes);
  Status sync_and_rename();

  Disk& disk_;
  std::string dir_;
  std::string name_;
  std::unique_ptr<AppendFile> file_;
  std::uint64_t offset_ = 0;
  std::uint32_t blocks_ = 0;
  Status status_ = Done{};
  std::string frame_;  // the block being written; kept for its memory
};

class SnapshotReader {
 public:
  // Reads and checks the header.
  static Result<SnapshotReader> open(Disk& disk, const std::string& dir, const std::string& name);

  [[nodiscard]] const SnapshotHeader& header() const { return header_; }
  // The next block of entries. False at the end: the file is whole.
  Result<bool> next(SnapshotBlock& block);
  // The content hash that the file carries, after the end.
  [[nodiscard]] const SnapshotHash& hash() const { return hash_; }

 private:
  SnapshotReader(Disk& disk, std::string path) : disk_(&disk), path_(std::move(path)) {}
  Status fill(std::size_t bytes);
  Result<bool> end(const SnapshotBlock& block);
  [[nodiscard]] Error damaged(std::string_view what) const;

  Disk* disk_;
  std::string path_;
  SnapshotHeader header_;
  std::string window_;        // a piece of the file
  std::size_t used_ = 0;      // of the window
  std::uint64_t offset_ = 0;  // in the file, of the window's first unused byte
  std::uint32_t blocks_ = 0;  // read so far
  SnapshotSection last_{};    // section of the last block
  SnapshotHash hash_{};
};

// Reads a whole snapshot, also recomputing its content hash.
struct SnapshotFacts {
  SnapshotHeader header;
  SnapshotHash hash{};
};
Result<SnapshotFacts> check_snapshot(Disk& disk, const std::string& dir, const std::string& name);

}  // namespace stampede::storage
