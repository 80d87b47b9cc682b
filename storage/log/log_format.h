#pragma once

// Records and batches of the command log as bytes; the layout is documented byte by byte in
// log_format.md. Payloads are opaque here. Pure functions and value types, any thread, no I/O.

#include <cstdint>
#include <cstring>
#include <optional>
#include <string>
#include <string_view>

#include "config/process/invariant.h"
#include "storage/feature_level.h"
#include "storage/lsn.h"
#include "storage/msgpack/byte_buffer.h"

namespace stampede::storage {

enum class RecordType : std::uint8_t {
  invalid = 0,     // zeros are never a record
  emit = 1,        // a confirmed decision's command set; takes an lsn
  exec = 2,        // outcome: executed
  fail = 3,        // outcome: refused by the database for this row alone
  optm = 4,        // outcome: superseded by a later command
  seal = 5,        // empty; gives the batch before it a successor that vouches for it
  checkpoint = 6,  // reserved
  epoch = 7,       // a backend took over
  reject = 8,      // a negative decision; takes an lsn
  // Of format 2:
  ha = 9,       // who leads, as the register said
  hash = 10,    // the state up to here in one number, for a copy to compare with its own
  config = 11,  // a setting that decisions depend on; takes an lsn
  claim = 12,   // a request id belongs to an order of another shard; takes an lsn
  revoke = 13,  // a token of a session holds no longer; takes an lsn
};
inline constexpr std::uint8_t kRecordTypeLastOfFormat1 = 8;
inline constexpr std::uint8_t kRecordTypeLast = 13;
inline constexpr std::uint8_t kRecordTypeIgnorable = 128;  // from here on: old readers skip it

constexpr bool is_decision(RecordType type) {
  return type == RecordType::emit || type == RecordType::reject ||
         (type >= RecordType::config && type <= RecordType::revoke);
}

// The lowest level of a segment in which a record of this type may stand.
constexpr FeatureLevel level_of(RecordType type) {
  switch (type) {
    case RecordType::ha:
    case RecordType::hash:
    case RecordType::config:
      return FeatureLevel::ha;
    case RecordType::claim:
      return FeatureLevel::shards;
    case RecordType::revoke:
      return FeatureLevel::sale;
    default:
      return FeatureLevel::format_1;
  }
}

inline constexpr std::uint32_t kBatchMagic = 0x4354'4142;   // "BATC" in the file: format 1
inline constexpr std::uint32_t kBatchMagic2 = 0x3254'4142;  // "BAT2": format 2
inline constexpr std::uint32_t kBatchHeaderBytes = 72;
inline constexpr std::uint32_t kBatchBytesMax = 1u << 20;  // whole frame: header, records, padding
inline constexpr std::uint32_t kBatchRecordsBytesMax = kBatchBytesMax - kBatchHeaderBytes;
inline constexpr std::uint32_t kRecordHeaderBytes = 8;
inline constexpr std::uint32_t kRecordBytesMax = 64u << 10;  // header included
inline constexpr std::uint32_t kRecordPayloadBytesMax = kRecordBytesMax - kRecordHeaderBytes;
inline constexpr std::uint32_t kFrameAlign = 8;
static_assert(kBatchHeaderBytes % kFrameAlign == 0 && kBatchBytesMax % kFrameAlign == 0);
static_assert(kRecordBytesMax <= kBatchRecordsBytesMax, "a largest record fits a batch");

inline bool all_zero(std::string_view bytes) {
  return bytes.find_first_not_of('\0') == std::string_view::npos;
}

// Appends one framed record. A payload over kRecordPayloadBytesMax is a broken invariant.
void append_record(std::string& records, RecordType type, std::string_view payload);
// The same for a payload that is written to the end of `records` between the two calls. The first
// returns what the second must be given.
[[nodiscard]] inline std::size_t begin_record(ByteBuffer& records, RecordType type) {
  STAMPEDE_ASSERT(type != RecordType::invalid, "a record needs a type");
  const auto begin = records.size();
  const std::uint64_t header = std::uint64_t{static_cast<std::uint8_t>(type)} << 32;
  char* at = records.room(sizeof header);
  std::memcpy(at, &header, sizeof header);
  records.extend_to(at + sizeof header);
  return begin;
}
inline void end_record(ByteBuffer& records, std::size_t begin) {
  const auto bytes = records.size() - begin - kRecordHeaderBytes;
  STAMPEDE_ASSERT(bytes <= kRecordPayloadBytesMax, "record too large for the log");
  const auto len = static_cast<std::uint32_t>(bytes);
  std::memcpy(records.at(begin, sizeof len), &len, sizeof len);
}

// Framed records on their way to the log, and how many of them there are.
struct LogAppend {
  std::string records;
  std::uint32_t count{};
  std::uint32_t decisions{};  // decisions among them: the lsns they take

  void add(RecordType type, std::string_view payload) {
    append_record(records, type, payload);
    ++count;
    if (is_decision(type)) ++decisions;
  }
};

struct RecordView {
  RecordType type{};
  std::uint8_t flags{};
  Lsn lsn{};                               // of a decision, else 0
  std::string_view payload;                // valid as long as the bytes it was cut from
  FeatureLevel level = kFeatureLevelRead;  // of the segment it stands in
};

enum class RecordFault : std::uint8_t {
  none = 0,
  cut_short,     // a length reaches beyond the bytes there are
  too_large,     // over kRecordBytesMax
  type_invalid,  // 0
  type_unknown,  // of a newer version, and not marked ignorable
  type_level,    // needs a higher level than the segment says
  flags,         // of a newer version
  padding,       // what follows the last record is not the zero padding of a batch
};
std::string_view to_text(RecordFault fault);

// Walks framed records. Ignorable records are counted but not returned.
//   RecordCursor cursor(append.records, first_lsn);
//   for (RecordView record; cursor.next(record);) …;   then look at cursor.fault()
class RecordCursor {
 public:
  // Records to the end of `bytes`.
  RecordCursor(std::string_view bytes, Lsn first_lsn, FeatureLevel level = kFeatureLevelRead)
      : bytes_(bytes), next_lsn_(first_lsn), level_(level) {}
  // Exactly `count` records followed by the zero padding of a batch.
  RecordCursor(std::string_view bytes, Lsn first_lsn, std::uint32_t count,
               FeatureLevel level = kFeatureLevelRead)
      : bytes_(bytes), next_lsn_(first_lsn), count_(count), level_(level) {}

  bool next(RecordView& out);  // false: at the end, or at a fault
  [[nodiscard]] RecordFault fault() const { return fault_; }
  [[nodiscard]] RecordType fault_type() const { return fault_type_; }  // when it is type_level
  [[nodiscard]] std::uint32_t seen() const { return seen_; }
  [[nodiscard]] std::uint32_t decisions() const { return decisions_; }

 private:
  bool finish();
  bool refuse(RecordFault fault) {
    fault_ = fault;
    return false;
  }

  std::string_view bytes_;
  Lsn next_lsn_;
  std::optional<std::uint32_t> count_;
  FeatureLevel level_;
  std::uint32_t seen_ = 0;
  std::uint32_t decisions_ = 0;
  RecordFault fault_ = RecordFault::none;
  RecordType fault_type_ = RecordType::invalid;
};

// What a walk over all of `bytes` would see, faster: for those who write it.
struct RecordCount {
  std::uint32_t records{};
  std::uint32_t decisions{};
  RecordFault fault = RecordFault::none;
};
RecordCount count_records(std::string_view bytes, FeatureLevel level);

// What the writer's caller says about a batch.
struct BatchHead {
  std::uint64_t epoch{};   // never decreases
  Lsn first_lsn{};         // of its first decision; without one, the next lsn to be used
  std::uint32_t count{};   // records of every type, at least 1
  std::int64_t wall_ns{};  // for people only; nothing is decided by it
  std::uint32_t pid{};     // of the writing process, for people only
  // What its records need. A writer whose segment has a lower level begins one that has this.
  FeatureLevel level = FeatureLevel::format_1;
};

// How a batch hangs on those before it.
struct BatchLink {
  std::uint64_t batch_no{};     // from 1, contiguous through all segments
  std::uint32_t prev_crc{};     // what the batch before is chained by, 0 for the first
  std::uint64_t durable_pos{};  // global position known durable when this one was written
};

struct BatchHeader {
  LogFormat format{};
  std::uint32_t len{};  // whole frame
  // What the next batch is chained by. Format 1: the CRC of the frame. Format 2: stream_crc, which
  // is the same in every copy of the log, whatever each of them knows of its own durability.
  std::uint32_t crc{};
  std::uint32_t flags{};
  BatchLink link;
  BatchHead head;
};

// Where the next batch must fit. The same four values stand in every segment header.
struct LogChain {
  std::uint64_t next_batch = 1;
  std::uint32_t last_crc = 0;  // BatchHeader::crc of the last batch
  std::uint64_t epoch = 0;     // of the last batch
  Lsn next_lsn = 0;            // no later decision has a lower one

  friend bool operator==(const LogChain&, const LogChain&) = default;
};

// The chain after a batch that holds `decisions` records that take an lsn.
LogChain chain_after(const BatchHeader& batch, std::uint32_t decisions);
// What does not fit, or empty: number, CRC chain, epoch, lsn (0 and what would wrap are none),
// durable_pos beyond its own position.
std::string_view chain_fault(const LogChain& chain, const BatchHeader& batch,
                             std::uint64_t position);

// Turns `frame` (kBatchHeaderBytes of room, then records) into a batch: pads, fills in the header
// and its CRCs. Returns BatchHeader::crc. A frame over kBatchBytesMax is a broken invariant.
std::uint32_t finish_frame(std::string& frame, const BatchHead& head, const BatchLink& link,
                           LogFormat format = LogFormat::two);

// The batch at the start of `bytes` if it is valid on its own (magic, length, CRC), else nothing.
std::optional<BatchHeader> decode_frame(std::string_view bytes);
// The records (and padding) of a frame that decode_frame accepted.
inline std::string_view frame_records(std::string_view bytes, const BatchHeader& batch) {
  return bytes.substr(kBatchHeaderBytes, batch.len - kBatchHeaderBytes);
}

}  // namespace stampede::storage
