#pragma once

// Reads and verifies a whole command log. Changes nothing, creates nothing, takes no lock: a log
// that another process is writing can be read too (its end is then wherever the reader found it).
//
// Reading may begin at the start of any segment, told by a LogPosition: then what lies before is
// neither needed nor looked at.
//
// Three different outcomes: an end (empty, clean, or torn: the normal trace of a crash, everything
// ever acknowledged is before it), or an Error: Errc::corrupt (the log once was durable further
// than it can be read now; file, offset and lsns named), Errc::version, Errc::io.

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "storage/disk/disk.h"
#include "storage/log/log_format.h"
#include "storage/log/log_segment.h"
#include "storage/result.h"

namespace stampede::storage {

// What the segment headers say of a log as a whole.
struct LogIdentity {
  LogUuid uuid{};  // of its last segment: one that goes on from another log's has two
  HashKey hash_key{};
  FeatureLevel level{};  // of its last segment; it never falls

  friend bool operator==(const LogIdentity&, const LogIdentity&) = default;
};

struct BatchInfo {
  FeatureLevel level{};  // of its segment
  std::uint64_t batch_no{};
  std::uint64_t epoch{};
  Lsn first_lsn{};
  std::uint64_t durable_pos{};
  std::int64_t wall_ns{};
  std::uint32_t pid{};
  std::uint32_t count{};     // records
  std::string_view file;     // segment's name, valid during the call
  std::uint64_t offset{};    // in that file
  std::uint64_t position{};  // global
  std::uint64_t end{};       // global position behind it
};

// Called in log order, on the reading thread. What it was shown is true only if read_log then
// returns a LogEnd. An Error ends the reading and is returned by read_log.
class LogVisitor {
 public:
  virtual ~LogVisitor() = default;
  virtual Status on_log(const LogIdentity&) { return Done{}; }  // first, unless the log is empty
  virtual Status on_batch(const BatchInfo&) { return Done{}; }
  virtual Status on_record(const BatchInfo&, const RecordView&) { return Done{}; }
};

enum class LogTail : std::uint8_t {
  empty = 1,  // no segment at all
  clean,      // zeros follow the last batch
  torn,       // the remains of a batch that was never acknowledged follow it
};

struct TornTail {
  std::string file;
  std::uint64_t offset{};
  std::uint64_t bytes{};  // up to the last byte that is not zero
};

// The start of a segment, as a snapshot remembers it: all that reading on from there needs. The
// default is the start of a log.
struct LogPosition {
  LogUuid uuid{};  // of the segment that begins here, as the next two; not looked at when that is 1
  HashKey hash_key{};
  FeatureLevel level{};
  std::uint64_t seg_no = 1;
  std::uint64_t base = 0;  // global position of its first byte
  LogChain chain;          // before its first batch
  Lsn last_lsn = 0;        // of the last decision before it, 0 without one

  friend bool operator==(const LogPosition&, const LogPosition&) = default;
};

// Where and how a log ends: what reports show and what LogWriter::resume needs.
struct LogEnd {
  LogTail tail = LogTail::empty;
  TornTail torn;  // when tail is torn

  LogUuid uuid{};
  HashKey hash_key{};
  FeatureLevel level{};  // of the last segment
  LogChain chain;        // after the last batch
  Lsn last_lsn = 0;      // of the last decision, 0 without one

  std::uint64_t segments = 0;  // read, as the next two
  std::uint64_t batches = 0;
  std::uint64_t records = 0;
  std::uint64_t bytes = 0;  // global position of the end

  // The last segment.
  std::uint64_t seg_no = 0;
  std::uint64_t seg_base = 0;  // global position of its first byte
  std::uint64_t seg_end = 0;   // offset behind its last valid batch
  // Its last batch, bytes and all, empty when it holds none; and what was before it.
  std::string last_batch;
  std::uint64_t last_batch_offset = 0;
  LogChain chain_before_last;

  std::optional<FileEntry> spare;  // an unused spare segment
};

// Blocks; needs memory for one segment. A missing or empty directory is an empty log, no error,
// unless reading is to begin behind the start. A log that does not reach to `from`, or is another
// one there, is Errc::corrupt.
Result<LogEnd> read_log(Disk& disk, const std::string& dir, LogVisitor& visitor,
                        const LogPosition& from = {});

// Reads closed segments only: from `from` up to the start of segment `until_seg`, or of the last
// segment if that comes first; returns where it stopped. What it read is durable and is never
// written again, also while another process writes the log. Blocks; memory for one segment.
inline constexpr std::uint64_t kLastSegment = ~std::uint64_t{0};
Result<LogPosition> read_closed(Disk& disk, const std::string& dir, LogVisitor& visitor,
                                const LogPosition& from, std::uint64_t until_seg = kLastSegment);

// The start of the oldest segment from which on nothing is missing up to `known`, a place of this
// log. Reads segment headers only. Its last_lsn is the lsn below the segment's first, 0 when that
// begins an epoch.
Result<LogPosition> oldest_position(Disk& disk, const std::string& dir, const LogPosition& known);

// Looks at what reading from `known` on passes over: names, headers and sizes of the segments
// before it. Returns where the log begins now. Errc::corrupt naming the file when one is missing,
// cut, there twice, of another log or otherwise not what its neighbours say.
Result<LogPosition> judge_unread(Disk& disk, const std::string& dir, const LogPosition& known);

// The numbers of the segments there are, ascending; misnamed files are left out.
Result<std::vector<std::uint64_t>> segment_numbers(Disk& disk, const std::string& dir);

}  // namespace stampede::storage
