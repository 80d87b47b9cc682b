#include "storage/log/log_reader.h"

#include <algorithm>
#include <utility>

#include "config/process/invariant.h"
#include "storage/log/log_tail.h"

namespace stampede::storage {
namespace {

constexpr std::string_view kWhatToDo =
    "; nothing was changed: keep the directory and restore the log from a backup";

struct SegmentFile {
  std::string name;
  SegmentName numbers;  // in its name
  std::uint64_t bytes{};
  SegmentHeader header;
};

LogPosition position_at(const SegmentHeader& header, std::uint64_t base, Lsn last_lsn) {
  return {.uuid = header.uuid,
          .hash_key = header.hash_key,
          .level = header.level,
          .seg_no = header.seg_no,
          .base = base,
          .chain = header.chain,
          .last_lsn = last_lsn};
}

Error corrupt(const std::string& path, std::uint64_t offset, const std::string& what) {
  return {Errc::corrupt, "log damaged: " + path + " at offset " + std::to_string(offset) + ": " +
                             what + std::string(kWhatToDo)};
}

// The files of the directory that matter, segments in order of their numbers.
struct Listing {
  std::vector<SegmentFile> segments;
  std::optional<FileEntry> spare;
};

Result<Listing> list_log(Disk& disk, const std::string& dir) {
  auto files = disk.list(dir);
  if (!files) return files.error();
  Listing listing;
  for (auto& file : *files) {
    if (file.name == kSpareName) listing.spare = file;
    if (!looks_like_segment(file.name)) continue;
    const auto numbers = parse_segment_name(file.name);
    if (!numbers) {
      return corrupt(path_in(dir, file.name), 0, "not the name of a segment of this log");
    }
    listing.segments.push_back({std::move(file.name), *numbers, file.bytes, {}});
  }
  std::sort(listing.segments.begin(), listing.segments.end(),
            [](const auto& a, const auto& b) { return a.numbers < b.numbers; });
  return listing;
}

// One pass over one log.
class Reading {
 public:
  Reading(Disk& disk, const std::string& dir, LogVisitor& visitor, const LogPosition& from)
      : disk_(disk), dir_(dir), visitor_(visitor), from_(from) {}

  Result<LogEnd> run();
  Result<LogPosition> run_closed(std::uint64_t until_seg);
  // No visitor: headers only.
  Result<LogPosition> oldest();
  Result<LogPosition> unread();

 private:
  Status find_segments(std::uint64_t first);
  Status begin();
  Status read_headers();
  Status read_header(std::size_t index);
  [[nodiscard]] std::string_view stranger_fault(std::size_t index) const;
  Status enter_segment(std::size_t index);
  Status read_closed_segment(std::uint64_t limit);
  Status read_last_segment();
  Status read_batches(std::uint64_t limit);
  Status read_batch(const BatchHeader& batch);
  Status visit_records(const BatchInfo& info, std::string_view records, std::uint32_t& decisions);
  Status end_torn_or_corrupt(const TailVerdict& verdict);
  [[nodiscard]] BatchInfo info_of(const BatchHeader& batch) const;
  [[nodiscard]] std::string path() const { return path_in(dir_, segment_->name); }
  [[nodiscard]] Error corrupt_here(std::string_view what) const;
  [[nodiscard]] Error newer_program(std::uint64_t offset, std::string_view what) const;

  Disk& disk_;
  const std::string& dir_;
  LogVisitor& visitor_;
  const LogPosition& from_;
  std::vector<SegmentFile> segments_;  // from first_seg_ on
  std::uint64_t first_seg_ = 1;
  LogEnd end_;  // of what was read so far

  const SegmentFile* segment_ = nullptr;  // being read
  std::string bytes_;                     // of that segment
};

// The segments from number `first` on.
Status Reading::find_segments(std::uint64_t first) {
  first_seg_ = first;
  auto listing = list_log(disk_, dir_);
  if (!listing) return listing.error();
  segments_ = std::move(listing->segments);
  end_.spare = listing->spare;
  std::erase_if(segments_,
                [&](const SegmentFile& segment) { return segment.numbers.seg_no < first; });
  if (!segments_.empty() || first == 1) return Done{};
  return Error{Errc::corrupt, "the log in " + dir_ + " ends before segment " +
                                  std::to_string(first) + " (lsn " + to_text(from_.last_lsn) +
                                  "), which a snapshot was made at" + std::string(kWhatToDo)};
}

// Reads all headers and takes the place to read on from.
Status Reading::begin() {
  if (auto read = read_headers(); !read) return read;
  end_.tail = LogTail::clean;
  const SegmentHeader& last = segments_.back().header;
  end_.uuid = last.uuid;
  end_.hash_key = last.hash_key;
  end_.level = last.level;
  end_.seg_base = from_.base;
  end_.chain = from_.chain;
  end_.last_lsn = from_.last_lsn;
  return visitor_.on_log({last.uuid, last.hash_key, last.level});
}

Result<LogEnd> Reading::run() {
  if (auto found = find_segments(from_.seg_no); !found) return found.error();
  if (segments_.empty()) return std::move(end_);
  if (auto begun = begin(); !begun) return begun.error();
  end_.segments = segments_.size();
  for (std::size_t i = 0; i < segments_.size(); ++i) {
    if (auto entered = enter_segment(i); !entered) return entered.error();
    const bool last = i + 1 == segments_.size();
    auto read = last ? read_last_segment() : read_closed_segment(segments_[i + 1].header.prev_end);
    if (!read) return read.error();
  }
  end_.bytes = end_.seg_base + end_.seg_end;
  return std::move(end_);
}

Result<LogPosition> Reading::run_closed(std::uint64_t until_seg) {
  if (auto found = find_segments(from_.seg_no); !found) return found.error();
  if (segments_.empty()) return from_;
  if (auto begun = begin(); !begun) return begun.error();
  for (std::size_t i = 0; i < segments_.size(); ++i) {
    const SegmentHeader& header = segments_[i].header;
    if (auto entered = enter_segment(i); !entered) return entered.error();
    const bool last = i + 1 == segments_.size();
    if (last || header.seg_no >= until_seg) {
      return position_at(header, end_.seg_base, end_.last_lsn);
    }
    if (auto read = read_closed_segment(segments_[i + 1].header.prev_end); !read) {
      return read.error();
    }
  }
  return from_;
}

Result<LogPosition> Reading::oldest() {
  auto numbers = segment_numbers(disk_, dir_);
  if (!numbers) return numbers.error();
  std::uint64_t first = from_.seg_no;
  for (auto it = numbers->rbegin(); it != numbers->rend(); ++it) {
    if (*it + 1 == first) first = *it;
  }
  if (first == from_.seg_no) return from_;
  if (auto found = find_segments(first); !found) return found.error();
  std::uint64_t between = 0;  // bytes from there to from_
  for (std::size_t i = 0; i < segments_.size() && first + i <= from_.seg_no; ++i) {
    if (auto read = read_header(i); !read) return read.error();
    if (i > 0) between += segments_[i].header.prev_end;
  }
  const SegmentHeader& header = segments_.front().header;
  if (header.hash_key != from_.hash_key || between > from_.base) {
    return corrupt(path_in(dir_, segments_.front().name), 0, "the segment is not of this log");
  }
  const Lsn next = header.chain.next_lsn;
  return position_at(header, from_.base - between, lsn_counter(next) > 1 ? next - 1 : 0);
}

Result<LogPosition> Reading::unread() {
  auto numbers = segment_numbers(disk_, dir_);
  if (!numbers) return numbers.error();
  if (numbers->empty() || numbers->front() >= from_.seg_no) return from_;
  if (auto found = find_segments(numbers->front()); !found) return found.error();
  std::uint64_t between = 0;  // bytes from there to from_
  std::uint64_t batch = 1;
  for (std::size_t i = 0; first_seg_ + i <= from_.seg_no; ++i) {
    if (i >= segments_.size())
      return Error{Errc::corrupt, "log damaged: segment " + std::to_string(first_seg_ + i) +
                                      " is missing in " + dir_ + std::string(kWhatToDo)};
    if (auto read = read_header(i); !read) return read.error();
    const SegmentHeader& header = segments_[i].header;
    if (std::exchange(batch, header.chain.next_batch) > header.chain.next_batch)
      return corrupt(path_in(dir_, segments_[i].name), 0, "its batches do not follow those before");
    if (i == 0) continue;
    const SegmentFile& before = segments_[i - 1];
    if (header.prev_end < kSegmentHeaderBytes || header.prev_end > before.bytes)
      return corrupt(path_in(dir_, before.name), before.bytes,
                     "the segment is shorter than its successor says");
    between += header.prev_end;
  }
  if (between > from_.base || (first_seg_ == 1 && between != from_.base))
    return corrupt(path_in(dir_, segments_.front().name), 0,
                   "the segments from here on do not end where the snapshot begins");
  const SegmentHeader& header = segments_.front().header;
  const Lsn next = header.chain.next_lsn;
  return position_at(header, from_.base - between, lsn_counter(next) > 1 ? next - 1 : 0);
}

// All headers first: a closed segment ends where its successor says.
Status Reading::read_headers() {
  for (std::size_t i = 0; i < segments_.size(); ++i) {
    if (auto read = read_header(i); !read) return read;
  }
  return Done{};
}

Status Reading::read_header(std::size_t index) {
  SegmentFile& segment = segments_[index];
  const std::string file = path_in(dir_, segment.name);
  if (auto read = disk_.read(file, 0, kSegmentHeaderBytes, bytes_); !read) return read;
  auto header = decode_header(bytes_);
  if (!header && header.error().code == Errc::corrupt) {
    return corrupt(
        file, 0,
        header.error().message + "; batch " + std::to_string(segment.numbers.first_batch) + " on");
  }
  if (!header) return Error{header.error().code, file + ": " + header.error().message};
  segment.header = *header;

  const std::uint64_t seg_no = header->seg_no;
  const auto first = [&] { return "; lsn " + to_text(header->chain.next_lsn) + " on"; };
  if (segment.numbers != SegmentName{seg_no, header->chain.next_batch}) {
    return corrupt(file, 0, "the file's name and its header disagree" + first());
  }
  const auto wrong = stranger_fault(index);
  if (!wrong.empty())
    return corrupt(file, 0, std::string(wrong) + ", " + to_text(header->uuid) + first());
  const std::uint64_t expected = first_seg_ + index;
  if (seg_no > expected) {
    return corrupt(file, 0,
                   "segment " + std::to_string(expected) + " is missing; lsn before " +
                       to_text(header->chain.next_lsn));
  }
  if (seg_no < expected) {
    return corrupt(file, 0, "segment " + std::to_string(seg_no) + " is there twice" + first());
  }
  return Done{};
}

// What does not fit the segment before this one, or the place that reading begins at.
std::string_view Reading::stranger_fault(std::size_t index) const {
  constexpr std::string_view kOther = "the segment belongs to another log";
  const SegmentHeader& header = segments_[index].header;
  const LogIdentity own{header.uuid, header.hash_key, header.level};
  if (from_.seg_no > 1 && header.seg_no == from_.seg_no &&
      own != LogIdentity{from_.uuid, from_.hash_key, from_.level})
    return kOther;
  if (index == 0) return {};
  const SegmentHeader& before = segments_[index - 1].header;
  const bool fork = header.parent.uuid == before.uuid && header.uuid != before.uuid &&
                    header.parent.batch + 1 == header.chain.next_batch;
  if (header.uuid != before.uuid && !fork) return kOther;
  if (header.hash_key != before.hash_key)
    return "the segment hashes request ids with another key; its log";
  return header.level < before.level ? "the segment's format is older than that before it; its log"
                                     : std::string_view{};
}

Error Reading::corrupt_here(std::string_view what) const {
  return corrupt(path(), end_.seg_end,
                 std::string(what) + "; batch " + std::to_string(end_.chain.next_batch) + ", lsn " +
                     to_text(end_.chain.next_lsn) + " on");
}

Status Reading::enter_segment(std::size_t index) {
  segment_ = &segments_[index];
  const SegmentHeader& header = segment_->header;
  end_.seg_no = header.seg_no;
  end_.seg_base += end_.seg_end;
  end_.seg_end = 0;
  if (header.chain != end_.chain || (header.seg_no == 1 && header.prev_end != 0)) {
    return corrupt_here("the segment does not follow what is before it");
  }
  end_.seg_end = kSegmentHeaderBytes;
  end_.last_batch_offset = 0;
  end_.chain_before_last = end_.chain;
  return Done{};
}

Status Reading::read_closed_segment(std::uint64_t limit) {
  if (limit < kSegmentHeaderBytes || limit > segment_->bytes) {
    return corrupt_here("the segment is shorter than its successor says");
  }
  if (auto read = disk_.read(path(), 0, limit, bytes_); !read) return read;
  if (auto read = read_batches(limit); !read) return read;
  if (end_.seg_end != limit) return corrupt_here("no valid batch, and segments follow");
  return Done{};
}

Status Reading::read_last_segment() {
  // Another process may be writing while we read: a batch that was only half there may be whole by
  // now, and those after it too. So a verdict counts only if a second look, taken after it, still
  // finds nothing at the broken place.
  std::optional<TailVerdict> verdict;
  while (true) {
    if (auto read = disk_.read(path(), 0, segment_->bytes, bytes_); !read) return read;
    if (bytes_.size() < kSegmentHeaderBytes) return corrupt_here("the segment was cut short");
    const std::uint64_t before = end_.seg_end;
    if (auto read = read_batches(bytes_.size()); !read) return read;
    if (verdict && end_.seg_end == before) {
      if (auto ended = end_torn_or_corrupt(*verdict); !ended) return ended;
      break;
    }
    verdict = judge_tail(bytes_, end_.seg_end, end_.seg_base, end_.chain.next_batch);
    if (verdict->used_bytes == 0) break;
  }
  if (end_.last_batch_offset != 0) {
    end_.last_batch = bytes_.substr(end_.last_batch_offset, end_.seg_end - end_.last_batch_offset);
  }
  return Done{};
}

// Stops at `limit` or where no valid batch starts.
Status Reading::read_batches(std::uint64_t limit) {
  while (end_.seg_end < limit) {
    const auto batch =
        decode_frame(std::string_view(bytes_).substr(end_.seg_end, limit - end_.seg_end));
    if (!batch) break;
    if (auto read = read_batch(*batch); !read) return read;
  }
  return Done{};
}

Status Reading::read_batch(const BatchHeader& batch) {
  // Segments hold zeros before they are used, so a batch with a valid CRC was written here by this
  // log's writer: one that does not fit is damage, never the trace of a crash.
  if (batch.format != format_of(segment_->header.level))
    return corrupt_here("a batch of another format than its segment");
  if (batch.format == LogFormat::two && batch.flags != 0)
    return newer_program(end_.seg_end, "a batch has flags that this version does not know");
  const auto fault = chain_fault(end_.chain, batch, end_.seg_base + end_.seg_end);
  if (!fault.empty()) return corrupt_here(fault);
  const BatchInfo info = info_of(batch);
  if (auto visited = visitor_.on_batch(info); !visited) return visited;
  std::uint32_t decisions = 0;
  const auto frame = std::string_view(bytes_).substr(end_.seg_end);
  if (auto visited = visit_records(info, frame_records(frame, batch), decisions); !visited) {
    return visited;
  }
  end_.chain_before_last = end_.chain;
  end_.last_batch_offset = end_.seg_end;
  end_.chain = chain_after(batch, decisions);
  if (decisions > 0) end_.last_lsn = end_.chain.next_lsn - 1;
  end_.seg_end += batch.len;
  ++end_.batches;
  end_.records += batch.head.count;
  return Done{};
}

Status Reading::visit_records(const BatchInfo& info, std::string_view records,
                              std::uint32_t& decisions) {
  RecordCursor cursor(records, info.first_lsn, info.count, info.level);
  for (RecordView record; cursor.next(record);) {
    if (auto visited = visitor_.on_record(info, record); !visited) return visited;
  }
  decisions = cursor.decisions();
  switch (cursor.fault()) {
    case RecordFault::none:
      return Done{};
    case RecordFault::type_unknown:
    case RecordFault::flags:
      return newer_program(info.offset, to_text(cursor.fault()));
    case RecordFault::type_level:
      return newer_program(info.offset, "a record of type " +
                                            std::to_string(static_cast<int>(cursor.fault_type())) +
                                            " needs " + to_text(level_of(cursor.fault_type())) +
                                            ", its segment has " + to_text(info.level));
    default:
      return corrupt_here(to_text(cursor.fault()));
  }
}

Error Reading::newer_program(std::uint64_t offset, std::string_view what) const {
  return {Errc::version, path() + " at offset " + std::to_string(offset) + ": " +
                             std::string(what) + "; read this log with the version that wrote it"};
}

BatchInfo Reading::info_of(const BatchHeader& batch) const {
  return {.level = segment_->header.level,
          .batch_no = batch.link.batch_no,
          .epoch = batch.head.epoch,
          .first_lsn = batch.head.first_lsn,
          .durable_pos = batch.link.durable_pos,
          .wall_ns = batch.head.wall_ns,
          .pid = batch.head.pid,
          .count = batch.head.count,
          .file = segment_->name,
          .offset = end_.seg_end,
          .position = end_.seg_base + end_.seg_end,
          .end = end_.seg_base + end_.seg_end + batch.len};
}

Status Reading::end_torn_or_corrupt(const TailVerdict& verdict) {
  if (verdict.witness) {
    const BatchHeader& witness = *verdict.witness;
    return corrupt_here("no valid batch, but batch " + std::to_string(witness.link.batch_no) +
                        " at offset " + std::to_string(verdict.witness_offset) + " (lsn " +
                        to_text(witness.head.first_lsn) + ") says that it was durable here");
  }
  end_.tail = LogTail::torn;
  end_.torn = {segment_->name, end_.seg_end, verdict.used_bytes};
  return Done{};
}

}  // namespace

Result<LogEnd> read_log(Disk& disk, const std::string& dir, LogVisitor& visitor,
                        const LogPosition& from) {
  return Reading(disk, dir, visitor, from).run();
}

Result<LogPosition> read_closed(Disk& disk, const std::string& dir, LogVisitor& visitor,
                                const LogPosition& from, std::uint64_t until_seg) {
  return Reading(disk, dir, visitor, from).run_closed(until_seg);
}

Result<LogPosition> oldest_position(Disk& disk, const std::string& dir, const LogPosition& known) {
  LogVisitor nobody;
  return Reading(disk, dir, nobody, known).oldest();
}

Result<LogPosition> judge_unread(Disk& disk, const std::string& dir, const LogPosition& known) {
  LogVisitor nobody;
  return Reading(disk, dir, nobody, known).unread();
}

Result<std::vector<std::uint64_t>> segment_numbers(Disk& disk, const std::string& dir) {
  auto files = disk.list(dir);
  if (!files) return files.error();
  std::vector<std::uint64_t> numbers;
  for (const auto& file : *files) {
    if (const auto name = parse_segment_name(file.name)) numbers.push_back(name->seg_no);
  }
  std::sort(numbers.begin(), numbers.end());
  return numbers;
}

}  // namespace stampede::storage
