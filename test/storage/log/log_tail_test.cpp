// Torn or damaged: the rule as a table.

#include "storage/log/log_tail.h"

#include <doctest/doctest.h>

#include <string>
#include <vector>

namespace stampede::storage {
namespace {

constexpr std::uint64_t kBase = 10'000;    // global position of the segment
constexpr std::uint64_t kBrokenAt = 4096;  // P, global 14,096
constexpr std::uint64_t kNextBatch = 20;
constexpr std::uint64_t kSegmentBytes = 8192;
constexpr std::string_view kPayload = "payload";
constexpr std::uint64_t kUsed = kBatchHeaderBytes + kRecordHeaderBytes + kPayload.size();

std::string batch(std::uint64_t batch_no, std::uint64_t durable_pos) {
  std::string frame(kBatchHeaderBytes, '\0');
  append_record(frame, RecordType::emit, kPayload);
  finish_frame(frame, {.epoch = 1, .first_lsn = 1, .count = 1},
               {.batch_no = batch_no, .prev_crc = 1, .durable_pos = durable_pos});
  return frame;
}

TailVerdict judge(const std::string& behind) {
  std::string segment(kSegmentBytes, '\0');
  segment.replace(kBrokenAt, behind.size(), behind);
  return judge_tail(segment, kBrokenAt, kBase, kNextBatch);
}

}  // namespace

TEST_CASE("a tail is clean, torn or proved to be damage") {
  const std::uint64_t broken_pos = kBase + kBrokenAt;
  const std::string garbage(64, '\xdb');
  struct Row {
    std::string name;
    std::string behind;
    std::uint64_t used_bytes;
    bool damage;
  };
  const std::string witness = batch(kNextBatch + 1, broken_pos + 88);
  std::string flipped = witness;
  flipped[kUsed - 1] ^= 1;
  const std::vector<Row> rows = {
      {"nothing", "", 0, false},
      {"only zeros", std::string(100, '\0'), 0, false},
      {"one byte", "x", 1, false},
      {"one byte after zeros", std::string(30, '\0') + "x", 31, false},
      {"garbage", garbage, 64, false},
      {"a later batch that vouches", garbage + witness, 64 + kUsed, true},
      {"the same behind zeros", std::string(128, '\0') + witness, 128 + kUsed, true},
      {"the same at no multiple of 8", garbage + "1234" + witness, 68 + kUsed, false},
      {"the same, damaged too", garbage + flipped, 64 + kUsed, false},
      {"the expected number vouches", garbage + batch(kNextBatch, broken_pos + 8), 64 + kUsed,
       true},
      {"an earlier number", garbage + batch(kNextBatch - 1, broken_pos + 8), 64 + kUsed, false},
      {"a later batch that vouches only up to here", garbage + batch(kNextBatch + 1, broken_pos),
       64 + kUsed, false},
      {"a later batch that vouches for less", garbage + batch(kNextBatch + 1, broken_pos - 1),
       64 + kUsed, false},
  };
  for (const auto& row : rows) {
    INFO(row.name);
    const auto verdict = judge(row.behind);
    CHECK(verdict.used_bytes == row.used_bytes);
    CHECK(verdict.witness.has_value() == row.damage);
    if (row.damage) CHECK(verdict.witness_offset == kBrokenAt + row.used_bytes - kUsed);
  }
}

}  // namespace stampede::storage
