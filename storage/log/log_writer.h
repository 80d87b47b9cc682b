#pragma once

// Appends batches to the command log. Owner: the log keeper, which holds the LogLock longer than
// the writer lives. One thread. No clock, no randomness, no thread of its own.
//
//   append(…)   one frame, one write; nothing is durable yet
//   sync()      one fdatasync; durable on return: that batch and all before it
//
// A sync promises nothing before it has seen that the segment's name still leads to the file that
// was written: in a file that was taken away, or whose directory was, the next start finds nothing.
//
// Exactly one batch is in flight: append asserts that the one before was synced. After the first
// error the writer is latched: every later call returns that error and touches the disk no more
// (a second fsync would lie). The batch in flight is then unknown until the log is read again.

#include <algorithm>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "storage/disk/disk.h"
#include "storage/log/log_format.h"
#include "storage/log/log_reader.h"
#include "storage/log/log_segment.h"
#include "storage/result.h"

namespace stampede::storage {

struct LogOptions {
  // Size of a segment; multiple of 4096, at least kSegmentBytesMin. A batch that would not fit
  // even an empty segment gets a larger one.
  std::uint64_t segment_bytes = std::uint64_t{64} << 20;
  // Size of the one segment that every start makes; small, so that starting is quick and a node
  // that restarts again and again does not fill the disk. Bounded by segment_bytes.
  std::uint64_t start_segment_bytes = std::uint64_t{4} << 20;
  std::int64_t created_ns = 0;  // for people: stands in the header of the segment made at start
  LogUuid node_uuid{};          // for people; may stay zero
  FeatureLevel level = kFeatureLevelMade;  // of a log that is made; another one keeps its own
};

class LogWriter {
 public:
  // A new log in `dir`, which must hold no segment. Durable on return. Blocks.
  static Result<LogWriter> create(Disk& disk, const std::string& dir, const LogUuid& uuid,
                                  const LogOptions& options);
  // Goes on where read_log ended. Copies the last batch into a new segment and syncs it before it
  // is trusted: after a failed sync the old copy may exist in memory only. Old segments keep their
  // bytes. Durable on return; a crash inside leaves a log that can be resumed again, and after
  // Errc::full the same call may be made again. Blocks.
  static Result<LogWriter> resume(Disk& disk, const std::string& dir, const LogEnd& end,
                                  const LogOptions& options);

  // Writes the framed records of all `parts`, in order, as one batch. Rotates first when it does
  // not fit, or needs a higher level than the segment has, into a smaller segment where the disk
  // has no room for a whole one. Errc::full when it has none for that either: nothing was changed,
  // the writer is not latched, the same call may be made again. Count, sizes, epoch and lsn that do
  // not fit the log are broken invariants. Failpoints: before_log, in_rotate.
  Status append(std::span<const std::string_view> parts, const BatchHead& head);
  // Failpoints: after_write (before the sync), after_log (behind it).
  Status sync();

  // True while no spare segment waits: have segment_maker().make() called, on any thread, and give
  // the result back here. Without a spare the writer makes its next segment itself, slowly.
  [[nodiscard]] bool wants_spare() const { return !spare_ && !first_error_; }
  // What new decisions may take of this segment if none can follow it: of its last quarter nothing,
  // for what has to be written whatever happens (outcomes, SEALs).
  [[nodiscard]] std::uint64_t decision_room() const {
    return segment_room() - std::min(segment_room(), seg_bytes_ / 4);
  }
  // True when no spare waits and that is used up: the disk is probably full.
  [[nodiscard]] bool nearly_full() const { return !spare_ && decision_room() == 0; }
  [[nodiscard]] SegmentMaker segment_maker() const;
  void give_spare(SpareSegment spare);

  [[nodiscard]] bool latched() const { return first_error_.has_value(); }
  [[nodiscard]] const LogChain& chain() const { return chain_; }  // next_batch, next_lsn, epoch
  [[nodiscard]] std::uint64_t written_pos() const { return base_ + offset_; }
  [[nodiscard]] std::uint64_t durable_pos() const { return durable_pos_; }
  [[nodiscard]] std::uint64_t segment_no() const { return seg_no_; }
  [[nodiscard]] std::uint64_t segment_room() const { return seg_bytes_ - offset_; }  // bytes
  [[nodiscard]] const LogUuid& uuid() const { return uuid_; }
  [[nodiscard]] FeatureLevel level() const { return level_; }  // of the open segment

 private:
  LogWriter(Disk& disk, std::string dir, const LogUuid& uuid, const LogOptions& options);

  Status raise_level(FeatureLevel level, std::int64_t now_ns);
  Status start_segment(const LogChain& chain, std::uint64_t prev_end, std::string_view batch,
                       std::int64_t now_ns);
  [[nodiscard]] std::uint64_t start_bytes() const;  // of a small segment
  Status rotate(std::uint64_t frame_bytes, std::int64_t now_ns);
  Result<SpareSegment> next_file(std::uint64_t bytes);
  Status adopt_spare(const std::optional<FileEntry>& found);
  std::uint32_t build_frame(std::span<const std::string_view> parts, const BatchHead& head);
  SegmentHeader header_for(const LogChain& chain, std::uint64_t prev_end,
                           std::int64_t now_ns) const;
  void enter(SpareSegment made, std::uint64_t prev_end, std::uint64_t used);
  Error latch(Error error);
  Status latch_unless_full(const Status& done);

  Disk* disk_;
  std::string dir_;
  LogUuid uuid_;
  HashKey hash_key_;
  FeatureLevel level_{};
  LogOptions options_;
  std::optional<SpareSegment> spare_;
  std::optional<Error> first_error_;

  std::unique_ptr<AppendFile> file_;
  std::string path_;             // of the open segment
  std::uint64_t seg_no_ = 0;     // of the open segment
  std::uint64_t seg_bytes_ = 0;  // its size
  std::uint64_t base_ = 0;       // global position of its first byte
  std::uint64_t offset_ = 0;     // where the next batch goes in it
  std::uint64_t durable_pos_ = 0;
  LogChain chain_;
  bool in_flight_ = false;
  std::string frame_;  // the batch being written; kept for its memory
};

}  // namespace stampede::storage
