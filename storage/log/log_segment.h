#pragma once

// Segment files: their names, their header, and how one comes into being. A segment is made under
// a .tmp name, zero-filled, given its header, synced, renamed, and the directory synced: whatever
// carries a segment's name is complete. Once it has a successor a segment is never written again,
// and it may be removed when snapshots stand for it (snapshot_format.md).

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "storage/disk/disk.h"
#include "storage/log/log_format.h"
#include "storage/result.h"

namespace stampede::storage {

using LogUuid = std::array<std::uint8_t, 16>;
std::string to_text(const LogUuid& uuid);  // 32 hex digits

// What request ids are hashed with: the uuid that the log had when it began. A log that goes on
// from another one's has a uuid of its own and keeps the key, so that it forgets no id.
using HashKey = std::array<std::uint8_t, 16>;

inline constexpr std::uint32_t kSegmentHeaderBytes = 4096;
inline constexpr std::uint64_t kSegmentBytesMin = 2 * std::uint64_t{kSegmentHeaderBytes};
static_assert(kSegmentHeaderBytes % kFrameAlign == 0);

inline constexpr std::string_view kSpareName = "spare.zero";        // full of zeros, ready for use
inline constexpr std::string_view kSpareTmpName = "spare.tmp";      // a spare being made
inline constexpr std::string_view kSegmentTmpName = "segment.tmp";  // a segment being made
inline constexpr std::string_view kRestoredTmpName = "restored.tmp";  // one being written again
inline constexpr std::string_view kLockName = "LOCK";

// Where a log that goes on from another one's (a fork) left it.
struct LogParent {
  LogUuid uuid{};           // zero: none, the segment is no first one of a fork
  std::uint64_t batch = 0;  // the last one that both have
  Lsn lsn = 0;              // of the last decision that both have, 0 without one

  friend bool operator==(const LogParent&, const LogParent&) = default;
};

struct SegmentHeader {
  FeatureLevel level = kFeatureLevelMade;  // decides the format, too
  LogUuid uuid{};
  LogUuid node_uuid{};          // of the instance that wrote it; may be zero
  HashKey hash_key{};           // in format 1: the uuid
  LogParent parent;             // format 2
  std::uint64_t seg_no = 1;     // from 1, contiguous
  LogChain chain;               // before the segment's first batch
  std::uint64_t prev_end = 0;   // logical end of the segment before, 0 in the first
  std::int64_t created_ns = 0;  // for people only
};

std::string encode_header(const SegmentHeader& header);  // kSegmentHeaderBytes
// Errc::corrupt, or Errc::version for a format or a feature level of a newer program; the message
// says what is wrong but not in which file.
Result<SegmentHeader> decode_header(std::string_view bytes);

std::string segment_name(std::uint64_t seg_no, std::uint64_t first_batch);
struct SegmentName {
  std::uint64_t seg_no{};
  std::uint64_t first_batch{};
  auto operator<=>(const SegmentName&) const = default;  // the order of the log
};
std::optional<SegmentName> parse_segment_name(std::string_view name);
// 16 digits, the letters small, as names have them.
std::optional<std::uint64_t> parse_hex16(std::string_view digits);
bool looks_like_segment(std::string_view name);  // ends in .seg, well formed or not
std::string path_in(const std::string& dir, std::string_view name);

// The writer's exclusive right to a log directory; taken before the log is read. It lies on the
// directory itself, so that it holds whatever becomes of any name in there, and on the file LOCK,
// which programs know that have never heard of the other. That the directory's name still leads
// here is what the writer looks at before each promise (log_writer.h).
class LogLock {
 public:
  // Creates the directory if missing. Errc::locked when another process holds it.
  static Result<LogLock> take(Disk& disk, const std::string& dir);

 private:
  LogLock(std::unique_ptr<HeldLock> directory, std::unique_ptr<HeldLock> file)
      : directory_(std::move(directory)), file_(std::move(file)) {}
  std::unique_ptr<HeldLock> directory_;
  std::unique_ptr<HeldLock> file_;
};

// A zero-filled file waiting to become a segment. It stays on disk for the next start when unused.
struct SpareSegment {
  std::unique_ptr<AppendFile> file;
  std::string name;  // in the log's directory
  std::uint64_t bytes{};
};

// Makes spare segments ahead, on any thread, beside a working writer: zero-filling takes long, so
// it is kept off the log's path. At most one call at a time per directory, and only while the
// writer says wants_spare(). A failure (disk full) harms nothing: try again later. A spare never
// takes the last of a disk: kept_free() stays for what was admitted before that was known.
class SegmentMaker {
 public:
  SegmentMaker(Disk& disk, std::string dir, std::uint64_t segment_bytes)
      : disk_(&disk), dir_(std::move(dir)), segment_bytes_(segment_bytes) {}
  // Blocks for as long as writing and syncing segment_bytes takes.
  [[nodiscard]] Result<SpareSegment> make() const;
  [[nodiscard]] std::uint64_t kept_free() const { return segment_bytes_ / 8; }

 private:
  [[nodiscard]] Status look_at_room() const;

  Disk* disk_;
  std::string dir_;
  std::uint64_t segment_bytes_;
};

// Writes `start` (header and perhaps a batch) into the zeroed file `made` and gives it its name.
// Durable on return, name and all.
Status install_segment(Disk& disk, const std::string& dir, SpareSegment& made,
                       std::string_view start, const std::string& name);

}  // namespace stampede::storage
