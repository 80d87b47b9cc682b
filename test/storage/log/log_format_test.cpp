#include "storage/log/log_format.h"

#include <doctest/doctest.h>

#include <string>
#include <vector>

#include "storage/log/crc32c.h"
#include "storage/log/log_segment.h"

namespace stampede::storage {
namespace {

std::string one_record(std::uint8_t type, std::string_view payload) {
  std::string bytes;
  append_record(bytes, RecordType::emit, payload);
  bytes[4] = static_cast<char>(type);
  return bytes;
}

RecordFault fault_of(RecordCursor cursor) {
  for (RecordView record; cursor.next(record);) {
  }
  return cursor.fault();
}

std::string small_frame(LogFormat format, std::uint64_t durable_pos = 5) {
  std::string frame(kBatchHeaderBytes, '\0');
  append_record(frame, RecordType::emit, "abc");
  finish_frame(frame, {.epoch = 2, .first_lsn = 7, .count = 1, .wall_ns = -5, .pid = 9},
               {.batch_no = 3, .prev_crc = 4, .durable_pos = durable_pos}, format);
  return frame;
}

// Changes a header and makes its checksum right again.
std::string resealed(std::string bytes, std::size_t at, char value) {
  bytes[at] = value;
  const std::uint32_t crc = crc32c(std::string_view(bytes).substr(0, kSegmentHeaderBytes - 4));
  std::memcpy(bytes.data() + kSegmentHeaderBytes - 4, &crc, sizeof crc);
  return bytes;
}

constexpr std::uint8_t kNewTypes[] = {9, 10, 11, 12, 13};

}  // namespace

TEST_CASE("counting records sees what a walk over them sees, whatever bit is wrong") {
  LogAppend append;
  for (const auto type : {RecordType::emit, RecordType::exec, RecordType::reject, RecordType::seal})
    append.add(type, "payload");
  append.add(RecordType::config, "x");
  append.add(static_cast<RecordType>(200), "ignored");
  for (const auto level : {FeatureLevel::format_1, FeatureLevel::sale, FeatureLevel::ha}) {
    for (std::size_t bit = 0; bit <= 8 * append.records.size(); ++bit) {
      std::string bytes = append.records;
      if (bit < 8 * bytes.size()) bytes[bit / 8] ^= static_cast<char>(1U << bit % 8);
      RecordCursor cursor(bytes, 1, level);
      for (RecordView record; cursor.next(record);) {
      }
      const auto count = count_records(bytes, level);
      REQUIRE(count.fault == cursor.fault());
      REQUIRE(count.records == cursor.seen());
      REQUIRE(count.decisions == cursor.decisions());
    }
  }
}

TEST_CASE("records come back in order and only decisions take an lsn") {
  LogAppend append;
  append.add(RecordType::exec, "a");
  append.add(RecordType::emit, "bb");
  append.add(RecordType::seal, "");
  append.add(RecordType::reject, "dddd");
  append.add(RecordType::emit, "e");
  CHECK(append.count == 5);
  CHECK(append.decisions == 3);

  std::vector<Lsn> lsns;
  std::string payloads;
  RecordCursor cursor(append.records, 100);
  for (RecordView record; cursor.next(record);) {
    lsns.push_back(record.lsn);
    payloads += std::string(record.payload) + "/";
  }
  CHECK(cursor.fault() == RecordFault::none);
  CHECK(lsns == std::vector<Lsn>{0, 100, 0, 101, 102});
  CHECK(payloads == "a/bb//dddd/e/");
  CHECK(cursor.seen() == 5);
  CHECK(cursor.decisions() == 3);
}

TEST_CASE("records of a newer version are skipped when ignorable and refused when not") {
  const std::string bytes = one_record(128, "x") + one_record(1, "y") + one_record(255, "z");
  RecordCursor cursor(bytes, 1);
  RecordView record;
  REQUIRE(cursor.next(record));
  CHECK(record.payload == "y");
  CHECK_FALSE(cursor.next(record));
  CHECK(cursor.fault() == RecordFault::none);
  CHECK(cursor.seen() == 3);
  CHECK(fault_of(RecordCursor(one_record(14, "x"), 1)) == RecordFault::type_unknown);
  CHECK(fault_of(RecordCursor(one_record(127, "x"), 1)) == RecordFault::type_unknown);
}

TEST_CASE("a type of format 2 stands only where the segment's level has it") {
  for (const auto type : kNewTypes) {
    const auto needed = level_of(static_cast<RecordType>(type));
    CHECK(fault_of(RecordCursor(one_record(type, "x"), 1, FeatureLevel::format_1)) ==
          RecordFault::type_unknown);
    for (unsigned level = 1; level <= static_cast<unsigned>(kFeatureLevelRead); ++level) {
      const auto has = static_cast<FeatureLevel>(level);
      const auto expected = has >= needed ? RecordFault::none : RecordFault::type_level;
      CHECK(fault_of(RecordCursor(one_record(type, "x"), 1, has)) == expected);
    }
  }
  for (const auto type : {RecordType::config, RecordType::claim, RecordType::revoke})
    CHECK(is_decision(type));
  for (const auto type : {RecordType::ha, RecordType::hash, RecordType::exec, RecordType::epoch})
    CHECK_FALSE(is_decision(type));
}

TEST_CASE("flags of a record are refused in format 2 and were never looked at in format 1") {
  for (const std::size_t at : {5, 6, 7}) {
    std::string bytes = one_record(1, "x");
    bytes[at] = 1;
    CHECK(fault_of(RecordCursor(bytes, 1, FeatureLevel::format_1)) == RecordFault::none);
    CHECK(fault_of(RecordCursor(bytes, 1, FeatureLevel::format_2)) == RecordFault::flags);
  }
}

TEST_CASE("malformed records are refused, never read beyond their bytes") {
  const std::string good = one_record(1, "payload");
  for (std::size_t keep = 1; keep < good.size(); ++keep) {
    CHECK(fault_of(RecordCursor(good.substr(0, keep), 1)) == RecordFault::cut_short);
  }
  CHECK(fault_of(RecordCursor(one_record(0, "x"), 1)) == RecordFault::type_invalid);
  std::string large = good;
  large[2] = 1;  // a length of 64 KiB and a bit
  CHECK(fault_of(RecordCursor(large, 1)) == RecordFault::too_large);
  CHECK(fault_of(RecordCursor(good, 1, 2)) == RecordFault::cut_short);
  CHECK(fault_of(RecordCursor(good + std::string(3, '\0'), 1, 1)) == RecordFault::none);
  CHECK(fault_of(RecordCursor(good + "\1", 1, 1)) == RecordFault::padding);
  CHECK(fault_of(RecordCursor(good + std::string(8, '\0'), 1, 1)) == RecordFault::padding);
}

TEST_CASE("a batch header comes back as it was written, in the documented bytes") {
  for (const auto format : {LogFormat::one, LogFormat::two}) {
    const std::string frame = small_frame(format);
    CHECK(frame.size() == 72 + 8 + 3 + 5);
    CHECK(frame.substr(0, 4) == (format == LogFormat::one ? "BATC" : "BAT2"));
    CHECK(frame[4] == 88);
    CHECK(frame[16] == 3);
    CHECK(frame[64] == 9);
    const auto batch = decode_frame(frame + "what follows");
    REQUIRE(batch);
    CHECK(batch->format == format);
    CHECK(batch->len == frame.size());
    CHECK(batch->flags == 0);
    CHECK(batch->link.batch_no == 3);
    CHECK(batch->link.prev_crc == 4);
    CHECK(batch->link.durable_pos == 5);
    CHECK(batch->head.epoch == 2);
    CHECK(batch->head.first_lsn == 7);
    CHECK(batch->head.count == 1);
    CHECK(batch->head.wall_ns == -5);
    CHECK(batch->head.pid == 9);
  }
}

TEST_CASE("every flipped bit and every shortening of a batch is noticed") {
  for (const auto format : {LogFormat::one, LogFormat::two}) {
    const std::string frame = small_frame(format);
    for (std::size_t bit = 0; bit < frame.size() * 8; ++bit) {
      std::string damaged = frame;
      damaged[bit / 8] = static_cast<char>(damaged[bit / 8] ^ (1 << (bit % 8)));
      CHECK_FALSE(decode_frame(damaged));
    }
    for (std::size_t keep = 0; keep < frame.size(); ++keep) {
      CHECK_FALSE(decode_frame(frame.substr(0, keep)));
    }
  }
}

TEST_CASE(
    "copies of a batch of format 2 differ in durable_pos and are chained by the same number") {
  const auto leader = decode_frame(small_frame(LogFormat::two, 5));
  const auto follower = decode_frame(small_frame(LogFormat::two, 3));
  REQUIRE(leader);
  REQUIRE(follower);
  CHECK(leader->crc == follower->crc);
  CHECK(decode_frame(small_frame(LogFormat::one, 5))->crc !=
        decode_frame(small_frame(LogFormat::one, 3))->crc);
  // As documented: the batch before, epoch, number, first lsn, count, then what is behind the
  // header.
  const std::string frame = small_frame(LogFormat::two);
  const std::string fixed =
      frame.substr(24, 8) + frame.substr(16, 8) + frame.substr(32, 8) + frame.substr(48, 4);
  CHECK(leader->crc == crc32c(frame.substr(kBatchHeaderBytes), crc32c(fixed, 4)));
}

TEST_CASE("a batch whose decisions would have no lsn, or begin anew, does not fit") {
  const LogChain chain{.next_batch = 3, .last_crc = 4, .epoch = 2};
  const auto fault_with = [&](Lsn first_lsn, std::uint32_t count) {
    std::string frame(kBatchHeaderBytes, '\0');
    finish_frame(frame, {.epoch = 2, .first_lsn = first_lsn, .count = count},
                 {.batch_no = 3, .prev_crc = 4});
    const auto batch = decode_frame(frame);
    REQUIRE(batch.has_value());
    return chain_fault(chain, *batch, 0);
  };
  CHECK(fault_with(1, 1).empty());
  CHECK(fault_with(UINT64_MAX - 1, 1).empty());
  CHECK(fault_with(0, 1) == "an lsn out of range");
  CHECK(fault_with(UINT64_MAX, 1) == "an lsn out of range");
}

TEST_CASE("segment names and headers come back as they were written") {
  CHECK(segment_name(0x1f, 0xabc) == "000000000000001f-0000000000000abc.seg");
  const auto name = parse_segment_name("000000000000001f-0000000000000abc.seg");
  REQUIRE(name);
  CHECK(name->seg_no == 0x1f);
  CHECK(name->first_batch == 0xabc);
  CHECK_FALSE(parse_segment_name("000000000000001F-0000000000000abc.seg"));
  CHECK_FALSE(parse_segment_name("1-2.seg"));
  CHECK(looks_like_segment("copy of something.seg"));

  SegmentHeader header;
  header.level = FeatureLevel::ha;
  header.hash_key[2] = 41;
  header.parent = {.uuid = {7}, .batch = 5, .lsn = 8};
  header.uuid[3] = 42;
  header.seg_no = 5;
  header.chain = {.next_batch = 6, .last_crc = 7, .epoch = 8, .next_lsn = 9};
  header.prev_end = 4096;
  header.created_ns = 10;
  const std::string bytes = encode_header(header);
  CHECK(bytes.size() == kSegmentHeaderBytes);
  const auto again = decode_header(bytes);
  REQUIRE(again);
  CHECK(again->uuid == header.uuid);
  CHECK(again->seg_no == 5);
  CHECK(again->chain == header.chain);
  CHECK(again->prev_end == 4096);
  CHECK(again->created_ns == 10);
  CHECK(again->level == FeatureLevel::ha);
  CHECK(again->hash_key == header.hash_key);
  CHECK(again->parent == header.parent);

  header.level = FeatureLevel::format_1;  // which says nothing of the last ones
  const auto old = decode_header(encode_header(header));
  REQUIRE(old);
  CHECK(old->level == FeatureLevel::format_1);
  CHECK(old->hash_key == header.uuid);
  CHECK(old->parent == LogParent{});
}

TEST_CASE("a newer format or level is refused as such, a damaged version number as damage") {
  SegmentHeader header;
  header.hash_key[0] = 1;
  std::string bytes = encode_header(header);
  bytes[8] = 3;
  CHECK(decode_header(bytes).error().code == Errc::corrupt);
  CHECK(decode_header(resealed(bytes, 8, 3)).error().code == Errc::version);
  const auto newer = decode_header(resealed(encode_header(header), 10, 5));
  CHECK(newer.error().code == Errc::version);
  CHECK(newer.error().message.find("feature level 5") != std::string::npos);
}

TEST_CASE("a header of format 2 is decoded strictly") {
  SegmentHeader header;
  header.hash_key[0] = 1;
  const auto code = [](const std::string& bytes) {
    const auto decoded = decode_header(bytes);
    return decoded ? Errc{} : decoded.error().code;
  };
  const std::string good = encode_header(header);
  CHECK(code(good) == Errc{});
  CHECK(code(resealed(good, 10, 0)) == Errc::corrupt);   // no level
  CHECK(code(resealed(good, 84, 1)) == Errc::corrupt);   // flags
  CHECK(code(resealed(good, 104, 0)) == Errc::corrupt);  // no hash key
  CHECK(code(resealed(good, 152, 1)) == Errc::corrupt);  // what is behind the last field
  CHECK(code(resealed(good, 4091, 1)) == Errc::corrupt);
  CHECK(code(resealed(good, 136, 1)) == Errc::corrupt);  // a fork of nothing
  header.parent.uuid[0] = 1;
  CHECK(code(encode_header(header)) == Errc::corrupt);  // a fork below its level
  header.level = FeatureLevel::ha;
  CHECK(code(encode_header(header)) == Errc{});
  // Format 1 has neither, and a reader of it looked at none of these bytes.
  header.level = FeatureLevel::format_1;
  for (const std::size_t at : {10, 84, 104, 152})
    CHECK(code(resealed(encode_header(header), at, 1)) == Errc{});
}

}  // namespace stampede::storage
