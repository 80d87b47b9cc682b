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
  kAtFlags = 52,
  kAtWallNs = 56,
  kAtPid = 64,
  kAtStreamCrc = 68,  // format 2
};
static_assert(kAtStreamCrc + 4 == kBatchHeaderBytes);

// The CRC counts its own field as zero, so that one pass over the finished frame computes it.
std::uint32_t frame_crc(std::string_view frame) {
  constexpr std::string_view kNoCrc{"\0\0\0\0", 4};
  std::uint32_t crc = crc32c(frame.substr(0, kAtCrc));
  crc = crc32c(kNoCrc, crc);
  return crc32c(frame.substr(kAtCrc + kNoCrc.size()), crc);
}

// Of a frame of format 2 whose other fields are there: what every copy of the log has alike.
std::uint32_t stream_crc(std::string_view frame) {
  char fixed[28];
  std::memcpy(fixed, frame.data() + kAtEpoch, 8);
  std::memcpy(fixed + 8, frame.data() + kAtBatchNo, 8);
  std::memcpy(fixed + 16, frame.data() + kAtFirstLsn, 8);
  std::memcpy(fixed + 24, frame.data() + kAtCount, 4);
  const auto so_far = crc32c({fixed, sizeof fixed}, get<std::uint32_t>(frame, kAtPrevCrc));
  return crc32c(frame.substr(kBatchHeaderBytes), so_far);
}

// Its first CRC covers the header alone: what lies behind is covered by stream_crc in there.
bool valid_frame(std::string_view frame, LogFormat format) {
  const auto crc = get<std::uint32_t>(frame, kAtCrc);
  if (format == LogFormat::one) return frame_crc(frame) == crc;
  return frame_crc(frame.substr(0, kBatchHeaderBytes)) == crc &&
         stream_crc(frame) == get<std::uint32_t>(frame, kAtStreamCrc);
}

}  // namespace

void append_record(std::string& records, RecordType type, std::string_view payload) {
  STAMPEDE_ASSERT(type != RecordType::invalid, "a record needs a type");
  STAMPEDE_ASSERT(payload.size() <= kRecordPayloadBytesMax, "record too large for the log");
  const auto len = static_cast<std::uint32_t>(payload.size());
  char header[kRecordHeaderBytes] = {};
  std::memcpy(header, &len, sizeof len);
  header[4] = static_cast<char>(type);
  records.append(header, sizeof header);
  records.append(payload);
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
    case RecordFault::type_level:
      return "a record has a type that its segment's feature level does not have";
    case RecordFault::flags:
      return "a record has flags that this version does not know";
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

namespace {

// What the common records have not: a new type, or bytes behind it that are not 0.
RecordFault fault_of(FeatureLevel level, std::uint8_t type, std::uint32_t behind_type) {
  if (type == 0) return RecordFault::type_invalid;
  const bool format_1 = level == FeatureLevel::format_1;
  if (type > (format_1 ? kRecordTypeLastOfFormat1 : kRecordTypeLast) && type < kRecordTypeIgnorable)
    return RecordFault::type_unknown;
  if (level_of(static_cast<RecordType>(type)) > level) return RecordFault::type_level;
  return !format_1 && behind_type != 0 ? RecordFault::flags : RecordFault::none;
}

struct RecordHead {
  std::uint32_t len = 0;  // of the payload, all of which is there unless there is a fault
  std::uint8_t type = 0;
  std::uint8_t flags = 0;
  RecordFault fault = RecordFault::none;
};

// Of the record that `bytes` begin with.
[[gnu::always_inline]] inline RecordHead head_of(std::string_view bytes, FeatureLevel level) {
  RecordHead head;
  if (bytes.size() < kRecordHeaderBytes) return head.fault = RecordFault::cut_short, head;
  head.len = get<std::uint32_t>(bytes, 0);
  const auto word = get<std::uint32_t>(bytes, 4);  // type, flags, zero
  head.type = static_cast<std::uint8_t>(word);
  head.flags = static_cast<std::uint8_t>(word >> 8);
  if (head.len > kRecordPayloadBytesMax)
    head.fault = RecordFault::too_large;
  else if (head.len > bytes.size() - kRecordHeaderBytes)
    head.fault = RecordFault::cut_short;
  else if (word - 1 >= kRecordTypeLastOfFormat1)
    head.fault = fault_of(level, head.type, word >> 8);
  return head;
}

}  // namespace

RecordCount count_records(std::string_view bytes, FeatureLevel level) {
  RecordCount count;
  while (!bytes.empty()) {
    const auto head = head_of(bytes, level);
    if (head.fault != RecordFault::none) {
      count.fault = head.fault;
      return count;
    }
    if (is_decision(static_cast<RecordType>(head.type))) ++count.decisions;
    ++count.records;
    bytes.remove_prefix(kRecordHeaderBytes + head.len);
  }
  return count;
}

bool RecordCursor::next(RecordView& out) {
  while (fault_ == RecordFault::none) {
    if (count_ ? seen_ == *count_ : bytes_.empty()) return finish();
    const auto head = head_of(bytes_, level_);
    if (head.fault != RecordFault::none) {
      fault_type_ = static_cast<RecordType>(head.type);
      return refuse(head.fault);
    }
    out.type = static_cast<RecordType>(head.type);
    out.flags = head.flags;
    out.payload = bytes_.substr(kRecordHeaderBytes, head.len);
    out.level = level_;
    out.lsn = is_decision(out.type) ? next_lsn_ + decisions_++ : 0;
    bytes_.remove_prefix(kRecordHeaderBytes + head.len);
    ++seen_;
    if (head.type < kRecordTypeIgnorable) return true;
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
  if (batch.head.first_lsn == 0 || batch.head.first_lsn + batch.head.count < batch.head.first_lsn)
    return "an lsn out of range";
  if (batch.link.durable_pos > position) return "durable position beyond the batch itself";
  return {};
}

std::uint32_t finish_frame(std::string& frame, const BatchHead& head, const BatchLink& link,
                           LogFormat format) {
  STAMPEDE_ASSERT(frame.size() >= kBatchHeaderBytes, "no room for the batch header");
  frame.resize((frame.size() + kFrameAlign - 1) / kFrameAlign * kFrameAlign, '\0');
  STAMPEDE_ASSERT(frame.size() <= kBatchBytesMax, "batch too large for the log");
  std::memset(frame.data(), 0, kBatchHeaderBytes);
  put(frame, kAtMagic, format == LogFormat::one ? kBatchMagic : kBatchMagic2);
  put(frame, kAtLen, static_cast<std::uint32_t>(frame.size()));
  put(frame, kAtPrevCrc, link.prev_crc);
  put(frame, kAtBatchNo, link.batch_no);
  put(frame, kAtEpoch, head.epoch);
  put(frame, kAtFirstLsn, head.first_lsn);
  put(frame, kAtDurablePos, link.durable_pos);
  put(frame, kAtCount, head.count);
  put(frame, kAtWallNs, head.wall_ns);
  put(frame, kAtPid, head.pid);
  if (format == LogFormat::one) {
    const std::uint32_t crc = crc32c(frame);  // the CRC field is still zero
    put(frame, kAtCrc, crc);
    return crc;
  }
  const std::uint32_t stream = stream_crc(frame);
  put(frame, kAtStreamCrc, stream);
  put(frame, kAtCrc, crc32c(std::string_view(frame).substr(0, kBatchHeaderBytes)));
  return stream;
}

std::optional<BatchHeader> decode_frame(std::string_view bytes) {
  if (bytes.size() < kBatchHeaderBytes) return std::nullopt;
  const auto magic = get<std::uint32_t>(bytes, kAtMagic);
  if (magic != kBatchMagic && magic != kBatchMagic2) return std::nullopt;
  const auto format = magic == kBatchMagic ? LogFormat::one : LogFormat::two;
  const auto len = get<std::uint32_t>(bytes, kAtLen);
  if (len < kBatchHeaderBytes || len > kBatchBytesMax || len % kFrameAlign != 0 ||
      len > bytes.size()) {
    return std::nullopt;
  }
  if (!valid_frame(bytes.substr(0, len), format)) return std::nullopt;
  const auto chained_by = format == LogFormat::one ? kAtCrc : kAtStreamCrc;
  return BatchHeader{.format = format,
                     .len = len,
                     .crc = get<std::uint32_t>(bytes, chained_by),
                     .flags = get<std::uint32_t>(bytes, kAtFlags),
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
