#include "storage/log/log_format.h"

#include <bit>
#include <type_traits>

#include "config/process/invariant.h"
#include "storage/log/byte_fields.h"
#include "storage/log/crc32c.h"

namespace stampede::storage {
namespace {

static_assert(std::endian::native == std::endian::little, "the log is little-endian");

// Offsets in a batch header; log_format.md.
enum : std::size_t {
  kAtMagic = 0,
  kAtLen = 4,
  kAtCrc = 8,
  kAtPrevCrc = 12,
  kAtBatchNo = 16,
  kAtEpoch = 24,
  kAtFirstLsn = 32,
  kAtDurablePos = 40,
  kAtCount = 48,
  kAtWallNs = 56,
  kAtPid = 64,
};
static_assert(kAtPid + 8 == kBatchHeaderBytes);

bool all_zero(std::string_view bytes) {
  return bytes.find_first_not_of('\0') == std::string_view::npos;
}

// The CRC counts its own field as zero, so that one pass over the finished frame computes it.
std::uint32_t frame_crc(std::string_view frame) {
  constexpr std::string_view kNoCrc{"\0\0\0\0", 4};
  std::uint32_t crc = crc32c(frame.substr(0, kAtCrc));
  crc = crc32c(kNoCrc, crc);
  return crc32c(frame.substr(kAtCrc + kNoCrc.size()), crc);
}

}  // namespace

void append_record(std::string& records, RecordType type, std::string_view payload) {
  const auto begin = begin_record(records, type);
  records.append(payload);
  end_record(records, begin);
}

std::size_t begin_record(std::string& records, RecordType type) {
  STAMPEDE_ASSERT(type != RecordType::invalid, "a record needs a type");
  const auto begin = records.size();
  char header[kRecordHeaderBytes] = {};
  header[4] = static_cast<char>(type);
  records.append(header, sizeof header);
  return begin;
}

void end_record(std::string& records, std::size_t begin) {
  const auto bytes = records.size() - begin - kRecordHeaderBytes;
  STAMPEDE_ASSERT(bytes <= kRecordPayloadBytesMax, "record too large for the log");
  const auto len = static_cast<std::uint32_t>(bytes);
  std::memcpy(records.data() + begin, &len, sizeof len);
}

std::string_view to_text(RecordFault fault) {
  switch (fault) {
    case RecordFault::none:
      return "no fault";
    case RecordFault::cut_short:
      return "a record reaches beyond its batch";
    case RecordFault::too_large:
      return "a record is larger than 64 KiB";
    case RecordFault::type_invalid:
      return "a record has type 0";
    case RecordFault::type_unknown:
      return "a record has a type that this version does not know";
    case RecordFault::padding:
      return "bytes that are no record follow the last one";
  }
  return "unknown fault";
}

bool RecordCursor::finish() {
  if (count_ && (bytes_.size() >= kFrameAlign || !all_zero(bytes_))) {
    return refuse(RecordFault::padding);
  }
  return false;
}

bool RecordCursor::next(RecordView& out) {
  while (fault_ == RecordFault::none) {
    if (count_ ? seen_ == *count_ : bytes_.empty()) return finish();
    if (bytes_.size() < kRecordHeaderBytes) return refuse(RecordFault::cut_short);
    const auto len = get<std::uint32_t>(bytes_, 0);
    const auto type = get<std::uint8_t>(bytes_, 4);
    if (len > kRecordPayloadBytesMax) return refuse(RecordFault::too_large);
    if (len > bytes_.size() - kRecordHeaderBytes) return refuse(RecordFault::cut_short);
    if (type == 0) return refuse(RecordFault::type_invalid);
    const bool ignorable = type >= kRecordTypeIgnorable;
    if (type > kRecordTypeLast && !ignorable) return refuse(RecordFault::type_unknown);

    out.type = static_cast<RecordType>(type);
    out.flags = get<std::uint8_t>(bytes_, 5);
    out.payload = bytes_.substr(kRecordHeaderBytes, len);
    out.lsn = is_decision(out.type) ? next_lsn_ + decisions_++ : 0;
    bytes_.remove_prefix(kRecordHeaderBytes + len);
    ++seen_;
    if (!ignorable) return true;
  }
  return false;
}

LogChain chain_after(const BatchHeader& batch, std::uint32_t decisions) {
  return {.next_batch = batch.link.batch_no + 1,
          .last_crc = batch.crc,
          .epoch = batch.head.epoch,
          .next_lsn = batch.head.first_lsn + decisions};
}

std::string_view chain_fault(const LogChain& chain, const BatchHeader& batch,
                             std::uint64_t position) {
  if (batch.link.batch_no != chain.next_batch) return "batch number out of order";
  if (batch.link.prev_crc != chain.last_crc) return "batch does not follow the one before it";
  if (batch.head.epoch < chain.epoch) return "epoch went back";
  if (batch.head.first_lsn < chain.next_lsn) return "lsn went back";
  if (batch.link.durable_pos > position) return "durable position beyond the batch itself";
  return {};
}

std::uint32_t finish_frame(std::string& frame, const BatchHead& head, const BatchLink& link) {
  STAMPEDE_ASSERT(frame.size() >= kBatchHeaderBytes, "no room for the batch header");
  frame.resize((frame.size() + kFrameAlign - 1) / kFrameAlign * kFrameAlign, '\0');
  STAMPEDE_ASSERT(frame.size() <= kBatchBytesMax, "batch too large for the log");
  std::memset(frame.data(), 0, kBatchHeaderBytes);
  put(frame, kAtMagic, kBatchMagic);
  put(frame, kAtLen, static_cast<std::uint32_t>(frame.size()));
  put(frame, kAtPrevCrc, link.prev_crc);
  put(frame, kAtBatchNo, link.batch_no);
  put(frame, kAtEpoch, head.epoch);
  put(frame, kAtFirstLsn, head.first_lsn);
  put(frame, kAtDurablePos, link.durable_pos);
  put(frame, kAtCount, head.count);
  put(frame, kAtWallNs, head.wall_ns);
  put(frame, kAtPid, head.pid);
  const std::uint32_t crc = crc32c(frame);  // the CRC field is still zero
  put(frame, kAtCrc, crc);
  return crc;
}

std::optional<BatchHeader> decode_frame(std::string_view bytes) {
  if (bytes.size() < kBatchHeaderBytes) return std::nullopt;
  if (get<std::uint32_t>(bytes, kAtMagic) != kBatchMagic) return std::nullopt;
  const auto len = get<std::uint32_t>(bytes, kAtLen);
  if (len < kBatchHeaderBytes || len > kBatchBytesMax || len % kFrameAlign != 0 ||
      len > bytes.size()) {
    return std::nullopt;
  }
  const auto crc = get<std::uint32_t>(bytes, kAtCrc);
  if (frame_crc(bytes.substr(0, len)) != crc) return std::nullopt;
  return BatchHeader{.len = len,
                     .crc = crc,
                     .link = {.batch_no = get<std::uint64_t>(bytes, kAtBatchNo),
                              .prev_crc = get<std::uint32_t>(bytes, kAtPrevCrc),
                              .durable_pos = get<std::uint64_t>(bytes, kAtDurablePos)},
                     .head = {.epoch = get<std::uint64_t>(bytes, kAtEpoch),
                              .first_lsn = get<Lsn>(bytes, kAtFirstLsn),
                              .count = get<std::uint32_t>(bytes, kAtCount),
                              .wall_ns = get<std::int64_t>(bytes, kAtWallNs),
                              .pid = get<std::uint32_t>(bytes, kAtPid)}};
}

}  // namespace stampede::storage
