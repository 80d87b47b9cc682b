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

std::string small_frame() {
  std::string frame(kBatchHeaderBytes, '\0');
  append_record(frame, RecordType::emit, "abc");
  finish_frame(frame, {.epoch = 2, .first_lsn = 7, .count = 1, .wall_ns = -5, .pid = 9},
               {.batch_no = 3, .prev_crc = 4, .durable_pos = 5});
  return frame;
}

}  // namespace

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
  CHECK(fault_of(RecordCursor(one_record(9, "x"), 1)) == RecordFault::type_unknown);
  CHECK(fault_of(RecordCursor(one_record(127, "x"), 1)) == RecordFault::type_unknown);
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
  const std::string frame = small_frame();
  CHECK(frame.size() == 72 + 8 + 3 + 5);
  CHECK(frame.substr(0, 4) == "BATC");
  CHECK(frame[4] == 88);
  CHECK(frame[16] == 3);
  CHECK(frame[64] == 9);
  const auto batch = decode_frame(frame + "what follows");
  REQUIRE(batch);
  CHECK(batch->len == frame.size());
  CHECK(batch->link.batch_no == 3);
  CHECK(batch->link.prev_crc == 4);
  CHECK(batch->link.durable_pos == 5);
  CHECK(batch->head.epoch == 2);
  CHECK(batch->head.first_lsn == 7);
  CHECK(batch->head.count == 1);
  CHECK(batch->head.wall_ns == -5);
  CHECK(batch->head.pid == 9);
}

TEST_CASE("every flipped bit and every shortening of a batch is noticed") {
  const std::string frame = small_frame();
  for (std::size_t bit = 0; bit < frame.size() * 8; ++bit) {
    std::string damaged = frame;
    damaged[bit / 8] = static_cast<char>(damaged[bit / 8] ^ (1 << (bit % 8)));
    CHECK_FALSE(decode_frame(damaged));
  }
  for (std::size_t keep = 0; keep < frame.size(); ++keep) {
    CHECK_FALSE(decode_frame(frame.substr(0, keep)));
  }
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
}

TEST_CASE("a newer format version is refused as such, a damaged version number as damage") {
  std::string bytes = encode_header({});
  bytes[8] = 2;
  CHECK(decode_header(bytes).error().code == Errc::corrupt);
  const std::uint32_t crc = crc32c(std::string_view(bytes).substr(0, kSegmentHeaderBytes - 4));
  std::memcpy(bytes.data() + kSegmentHeaderBytes - 4, &crc, sizeof crc);
  CHECK(decode_header(bytes).error().code == Errc::version);
}

}  // namespace stampede::storage
