#pragma once

// Looks after the names and sizes of the log's closed segments and of its newest snapshot while the
// sale goes on: nobody but log.retain_s may remove a segment, and the next start would find that
// somebody did. The newest of them are kept open, so that a file that was removed is written again,
// under its name, from what is still open; it is told either way. What somebody has cut is lost and
// told. Whoever runs it calls look() now and then. Blocks on the disk: for a list of names, and for
// a file's copy when one is gone. One thread.

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "storage/disk/disk.h"
#include "storage/result.h"

namespace stampede::actors {

// What is not in the log's directory as it was written.
struct LogLosses {
  std::set<std::uint64_t> removed, cut;  // segments
  std::string snapshot;                  // the newest one; empty: it is whole, or there is none
  bool snapshot_cut = false;             // else it is gone

  [[nodiscard]] bool none() const { return *this == LogLosses{}; }
  friend bool operator==(const LogLosses&, const LogLosses&) = default;
};

// What the watch says. Called in its own calls.
class SegmentWatchOutlet {
 public:
  virtual void written_again(const std::string& name) = 0;
  // The first time, and again when it is another loss: all there is. None: there is no more.
  virtual void missing(const LogLosses& losses) = 0;
  virtual void not_watched(const storage::Error& error) = 0;  // tried again at the next look

 protected:
  ~SegmentWatchOutlet() = default;
};

class SegmentWatch {
 public:
  // Files that are kept open, of the newest segments: each is a descriptor.
  static constexpr std::size_t kHeldMax = 32;

  SegmentWatch(storage::Disk& disk, std::string dir, SegmentWatchOutlet& outlet)
      : disk_(disk), dir_(std::move(dir)), outlet_(outlet) {}

  void look();

 private:
  struct Held {
    std::string name;
    std::uint64_t bytes = 0;
    std::unique_ptr<storage::HeldFile> file;
  };

  void hold_newest(const std::vector<storage::FileEntry>& files);
  storage::Status judge(const std::vector<storage::FileEntry>& files, LogLosses& losses);
  storage::Status judge_snapshot(const std::vector<storage::FileEntry>& files, LogLosses& losses);
  void judge_sizes(const std::vector<storage::FileEntry>& files, LogLosses& losses) const;
  void hold(const storage::FileEntry& file, Held& held);
  storage::Status write_again(const Held& held);
  storage::Status copy(const Held& held, storage::AppendFile& file);
  void tell(LogLosses losses);

  storage::Disk& disk_;
  std::string dir_;
  SegmentWatchOutlet& outlet_;
  std::map<std::uint64_t, Held> held_;      // by number
  Held snapshot_;                           // no name: none was seen
  std::uint64_t lowest_seen_ = UINT64_MAX;  // of a log whose begin nobody has remembered
  LogLosses told_;
};

}  // namespace stampede::actors
