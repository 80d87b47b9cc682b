#include "storage/log/log_writer.h"

#include <algorithm>
#include <utility>

#include "config/faults/failpoint.h"
#include "config/process/invariant.h"

namespace stampede::storage {
namespace {

constexpr std::uint64_t kFileBlock = 4096;

std::uint64_t whole_blocks(std::uint64_t bytes) {
  return (bytes + kFileBlock - 1) / kFileBlock * kFileBlock;
}

Error pretended(std::string_view point) {
  return {Errc::io, "failpoint " + std::string(point) + " pretends an I/O error"};
}

Error taken_away(const Error& error) {
  return {error.code,
          "the segment being written was taken away, nothing of it is confirmed: " + error.message};
}

// Counts and checks what the reader will check again.
std::uint32_t count_decisions(std::span<const std::string_view> parts, const BatchHead& head,
                              FeatureLevel level) {
  std::uint32_t seen = 0;
  std::uint32_t decisions = 0;
  for (const auto part : parts) {
    const auto count = count_records(part, level);
    STAMPEDE_ASSERT(count.fault == RecordFault::none, "only whole records go to the log");
    seen += count.records;
    decisions += count.decisions;
  }
  STAMPEDE_ASSERT(seen == head.count, "the batch holds as many records as it says");
  STAMPEDE_ASSERT(seen > 0, "a batch holds at least one record");
  return decisions;
}

}  // namespace

LogWriter::LogWriter(Disk& disk, std::string dir, const LogUuid& uuid, const LogOptions& options)
    : disk_(&disk),
      dir_(std::move(dir)),
      uuid_(uuid),
      hash_key_(uuid),
      level_(options.level),
      options_(options) {
  STAMPEDE_ASSERT(options_.segment_bytes >= kSegmentBytesMin, "segment_bytes too small");
  STAMPEDE_ASSERT(options_.segment_bytes % kFileBlock == 0, "segment_bytes in whole blocks");
}

Result<LogWriter> LogWriter::create(Disk& disk, const std::string& dir, const LogUuid& uuid,
                                    const LogOptions& options) {
  if (auto made = disk.make_dir(dir); !made) return made.error();
  auto files = disk.list(dir);
  if (!files) return files.error();
  std::optional<FileEntry> spare;
  for (const auto& file : *files) {
    if (looks_like_segment(file.name)) {
      return Error{Errc::invalid, dir + " already holds a log (" + file.name + "): resume it"};
    }
    if (file.name == kSpareName) spare = file;
  }
  LogWriter writer(disk, dir, uuid, options);
  auto started = writer.start_segment({}, 0, {}, options.created_ns);
  if (!started) return started.error();
  if (auto adopted = writer.adopt_spare(spare); !adopted) return adopted.error();
  return writer;
}

Result<LogWriter> LogWriter::resume(Disk& disk, const std::string& dir, const LogEnd& end,
                                    const LogOptions& options) {
  STAMPEDE_ASSERT(end.tail != LogTail::empty, "an empty log is created, not resumed");
  // Every name that the reader saw must outlast the name of the segment that follows it.
  if (auto synced = disk.sync_dir(dir); !synced) return synced.error();
  LogWriter writer(disk, dir, end.uuid, options);
  writer.hash_key_ = end.hash_key;
  writer.seg_no_ = end.seg_no;
  writer.base_ = end.seg_base;
  const bool has_batch = !end.last_batch.empty();
  const LogChain& chain = has_batch ? end.chain_before_last : end.chain;
  const std::uint64_t prev_end = has_batch ? end.last_batch_offset : end.seg_end;
  writer.level_ = end.level;
  auto started = writer.start_segment(chain, prev_end, end.last_batch, options.created_ns);
  if (!started) return started.error();
  writer.chain_ = end.chain;
  if (auto adopted = writer.adopt_spare(end.spare); !adopted) return adopted.error();
  return writer;
}

std::uint64_t LogWriter::start_bytes() const {
  return whole_blocks(
      std::min(options_.segment_bytes, std::max(options_.start_segment_bytes, kSegmentBytesMin)));
}

// Makes a small segment: its header and, when resuming, the last batch once more.
Status LogWriter::start_segment(const LogChain& chain, std::uint64_t prev_end,
                                std::string_view batch, std::int64_t now_ns) {
  const std::uint64_t used = kSegmentHeaderBytes + batch.size();
  auto made = next_file(whole_blocks(std::max(start_bytes(), used)));
  if (!made) return made.error();
  std::string start = encode_header(header_for(chain, prev_end, now_ns));
  start += batch;
  const std::string name = segment_name(seg_no_ + 1, chain.next_batch);
  if (auto installed = install_segment(*disk_, dir_, *made, start, name); !installed) {
    return installed;
  }
  enter(std::move(*made), prev_end, used);
  durable_pos_ = written_pos();
  return Done{};
}

SegmentHeader LogWriter::header_for(const LogChain& chain, std::uint64_t prev_end,
                                    std::int64_t now_ns) const {
  return {.level = level_,
          .uuid = uuid_,
          .node_uuid = options_.node_uuid,
          .hash_key = hash_key_,
          .parent = {},
          .seg_no = seg_no_ + 1,
          .chain = chain,
          .prev_end = prev_end,
          .created_ns = now_ns};
}

void LogWriter::enter(SpareSegment made, std::uint64_t prev_end, std::uint64_t used) {
  file_ = std::move(made.file);
  path_ = path_in(dir_, made.name);
  seg_bytes_ = made.bytes;
  ++seg_no_;
  base_ += prev_end;
  offset_ = used;
}

// A zeroed file of its own name, so that it never meets a spare being made on another thread.
Result<SpareSegment> LogWriter::next_file(std::uint64_t bytes) {
  const std::string path = path_in(dir_, kSegmentTmpName);
  if (auto removed = disk_->remove(path); !removed) return removed.error();  // a crash's leftover
  config::failpoint("rotate_create");
  auto file = disk_->create_zeroed(path, bytes);
  if (!file) return file.error();
  return SpareSegment{std::move(*file), std::string(kSegmentTmpName), bytes};
}

Status LogWriter::adopt_spare(const std::optional<FileEntry>& found) {
  if (!found || found->bytes != options_.segment_bytes) return Done{};
  auto file = disk_->open_zeroed(path_in(dir_, kSpareName));
  if (!file) return file.error();
  spare_ = SpareSegment{std::move(*file), found->name, found->bytes};
  return Done{};
}

SegmentMaker LogWriter::segment_maker() const {
  return SegmentMaker(*disk_, dir_, options_.segment_bytes);
}

void LogWriter::give_spare(SpareSegment spare) {
  STAMPEDE_ASSERT(!spare_, "one spare segment at a time");
  STAMPEDE_ASSERT(spare.file != nullptr, "a spare segment has an open file");
  spare_ = std::move(spare);
}

Error LogWriter::latch(Error error) {
  STAMPEDE_ASSERT(!first_error_, "only the first error is kept");
  error.message += "; the log takes nothing more until the node is started again";
  first_error_ = std::move(error);
  return *first_error_;
}

Status LogWriter::latch_unless_full(const Status& done) {
  return done || done.error().code == Errc::full ? done : latch(done.error());
}

Status LogWriter::append(std::span<const std::string_view> parts, const BatchHead& head) {
  if (first_error_) return *first_error_;
  STAMPEDE_ASSERT(!in_flight_, "one batch in flight: sync before the next append");
  STAMPEDE_ASSERT(head.epoch >= chain_.epoch, "the epoch never decreases");
  STAMPEDE_ASSERT(head.first_lsn >= chain_.next_lsn, "lsns never decrease");
  const std::uint32_t decisions = count_decisions(parts, head, std::max(level_, head.level));
  if (head.level > level_) {
    auto raised = latch_unless_full(raise_level(head.level, head.wall_ns));
    if (!raised) return raised;
  }
  const std::uint32_t crc = build_frame(parts, head);
  if (config::failpoint("before_log")) return latch(pretended("before_log"));
  if (frame_.size() > segment_room()) {
    auto rotated = latch_unless_full(rotate(frame_.size(), head.wall_ns));
    if (!rotated) return rotated;
  }
  if (auto written = file_->write_at(offset_, frame_); !written) return latch(written.error());
  in_flight_ = true;
  offset_ += frame_.size();
  chain_ = {.next_batch = chain_.next_batch + 1,
            .last_crc = crc,
            .epoch = head.epoch,
            .next_lsn = head.first_lsn + decisions};
  return Done{};
}

// What was written so far stays as it is: the next batch is a new segment's first. Without a spare
// that is a small one, for somebody waits for it.
Status LogWriter::raise_level(FeatureLevel level, std::int64_t now_ns) {
  const auto before = std::exchange(level_, level);
  auto raised = spare_ ? rotate(0, now_ns) : start_segment(chain_, offset_, {}, now_ns);
  if (!raised) level_ = before;
  return raised;
}

// Returns what the next batch is chained by; the batch is in frame_.
std::uint32_t LogWriter::build_frame(std::span<const std::string_view> parts,
                                     const BatchHead& head) {
  frame_.assign(kBatchHeaderBytes, '\0');
  for (const auto part : parts) frame_ += part;
  return finish_frame(
      frame_, head,
      {.batch_no = chain_.next_batch, .prev_crc = chain_.last_crc, .durable_pos = durable_pos_},
      format_of(level_));
}

// Everything before is durable here: the batch before was synced, or append would not be called.
Status LogWriter::rotate(std::uint64_t frame_bytes, std::int64_t now_ns) {
  STAMPEDE_ASSERT(durable_pos_ == written_pos(), "a segment is closed only when it is durable");
  const std::uint64_t needed = whole_blocks(kSegmentHeaderBytes + frame_bytes);
  std::optional<SpareSegment> made;
  if (spare_ && spare_->bytes >= needed) {
    made = std::exchange(spare_, std::nullopt);
  } else {
    auto file = next_file(std::max(options_.segment_bytes, needed));
    if (!file && file.error().code == Errc::full) file = next_file(std::max(start_bytes(), needed));
    if (!file) return file.error();
    made = std::move(*file);
  }
  const std::string start = encode_header(header_for(chain_, offset_, now_ns));
  const std::string name = segment_name(seg_no_ + 1, chain_.next_batch);
  if (auto installed = install_segment(*disk_, dir_, *made, start, name); !installed) {
    return installed;
  }
  enter(std::move(*made), offset_, kSegmentHeaderBytes);
  durable_pos_ = written_pos();
  return Done{};
}

Status LogWriter::sync() {
  if (first_error_) return *first_error_;
  STAMPEDE_ASSERT(in_flight_, "nothing to sync");
  if (config::failpoint("after_write")) return latch(pretended("after_write"));
  if (auto synced = file_->datasync(); !synced) return latch(synced.error());
  if (auto there = file_->still_at(path_); !there) return latch(taken_away(there.error()));
  in_flight_ = false;
  durable_pos_ = written_pos();
  if (config::failpoint("after_log")) return latch(pretended("after_log"));
  return Done{};
}

}  // namespace stampede::storage
