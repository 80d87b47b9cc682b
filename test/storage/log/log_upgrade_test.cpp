// A log goes on in a higher format or level from the first batch on that needs it: what was written
// stays, what does not fit is refused, and by name what needs a newer program.

#include <doctest/doctest.h>

#include <string>
#include <vector>

#include "storage/log/byte_fields.h"
#include "storage/log/crc32c.h"
#include "storage/log/log_writer.h"
#include "test/storage/log/log_fixture.h"
#include "test/support/forgetful_disk.h"

namespace stampede::test {
namespace {

using storage::Errc;
using storage::FeatureLevel;
using storage::LogEnd;
using storage::LogFormat;
using storage::LogWriter;
using storage::SegmentHeader;

constexpr std::uint64_t kSegment = 16 << 10;

struct GrowingLog {
  ForgetfulDisk disk{1};
  BatchSource source{1};
  std::vector<TestBatch> written;

  LogEnd read(Recorder& recorder) {
    auto end = storage::read_log(disk, kDir, recorder);
    if (!end) FAIL(end.error().message);
    return std::move(*end);
  }
  storage::Error refusal() {
    Recorder recorder;
    auto end = storage::read_log(disk, kDir, recorder);
    REQUIRE_FALSE(end);
    return end.error();
  }
  // A program's life of a few batches, the first of which needs `level`.
  LogWriter live(FeatureLevel level, int batches = 5) {
    Recorder recorder;
    const auto end = read(recorder);
    const auto options = small_segments(kSegment, FeatureLevel::format_1);
    auto writer = end.tail == storage::LogTail::empty
                      ? LogWriter::create(disk, kDir, kUuid, options)
                      : LogWriter::resume(disk, kDir, end, options);
    REQUIRE(writer);
    source.may_use(std::max(level, writer->level()));
    for (int i = 0; i < batches; ++i) {
      written.push_back(source.next(100));
      REQUIRE(append_and_sync(*writer, written.back(), level));
    }
    return std::move(*writer);
  }
  std::vector<std::string> segments() {
    std::vector<std::string> paths;
    for (const auto& [path, bytes] : disk.contents())
      if (path.ends_with(".seg")) paths.push_back(path);
    return paths;
  }
  SegmentHeader header(const std::string& path) {
    auto header = storage::decode_header(disk.bytes_of(path));
    REQUIRE(header);
    return *header;
  }
  void replace_header(const std::string& path, const SegmentHeader& header) {
    disk.overwrite(path, encode_header(header) + disk.bytes_of(path).substr(4096));
  }
};

// The first frame behind the header, made anew with another record type or other flags.
void rewrite_first_batch(GrowingLog& log, const std::string& path, LogFormat format,
                         std::uint8_t type, std::uint32_t flags) {
  std::string bytes = log.disk.bytes_of(path);
  const auto batch = storage::decode_frame(std::string_view(bytes).substr(4096));
  REQUIRE(batch);
  std::string frame = bytes.substr(4096, batch->len);
  frame[storage::kBatchHeaderBytes + 4] = static_cast<char>(type);
  finish_frame(frame, batch->head, batch->link, format);
  storage::put(frame, 52, flags);
  storage::put(frame, 8, std::uint32_t{0});
  storage::put(frame, 8, storage::crc32c(std::string_view(frame).substr(0, 72)));
  bytes.replace(4096, frame.size(), frame);
  log.disk.overwrite(path, bytes);
}

}  // namespace

TEST_CASE("a log of format 1 goes on in format 2 and keeps all its batches and its hash key") {
  GrowingLog log;
  log.live(FeatureLevel::format_1);
  const auto before = log.disk.contents();
  log.live(FeatureLevel::format_2);
  for (const auto& [path, bytes] : before)
    if (path.ends_with(".seg")) CHECK(log.disk.bytes_of(path) == bytes);
  const auto paths = log.segments();
  REQUIRE(paths.size() == 3);  // the old one, the copy of its last batch, the first of format 2
  CHECK(log.header(paths[1]).level == FeatureLevel::format_1);
  CHECK(log.header(paths[2]).level == FeatureLevel::format_2);
  CHECK(log.header(paths[2]).hash_key == kUuid);
  Recorder recorder;
  const auto end = log.read(recorder);
  CHECK(recorder.batches == log.written);
  CHECK(end.level == FeatureLevel::format_2);
  CHECK(end.hash_key == kUuid);
}

TEST_CASE("a level is raised by a batch that needs it and never falls") {
  GrowingLog log;
  for (const auto wanted : {FeatureLevel::format_1, FeatureLevel::sale, FeatureLevel::format_2,
                            FeatureLevel::shards, FeatureLevel::format_1})
    log.live(wanted);
  Recorder recorder;
  CHECK(log.read(recorder).level == FeatureLevel::shards);
  CHECK(recorder.batches == log.written);
  std::vector<FeatureLevel> levels;
  for (const auto& path : log.segments()) levels.push_back(log.header(path).level);
  CHECK(levels == std::vector{FeatureLevel::format_1, FeatureLevel::format_1, FeatureLevel::sale,
                              FeatureLevel::sale, FeatureLevel::sale, FeatureLevel::shards,
                              FeatureLevel::shards});
}

TEST_CASE("a batch takes the waiting segment for its higher level, and a small one without") {
  const bool spare = [] {
    SUBCASE("without") {
      return false;
    }
    SUBCASE("with a spare") {
      return true;
    }
    return true;
  }();
  GrowingLog log;
  auto options = small_segments(kSegment, FeatureLevel::format_1);
  options.segment_bytes = 4 * kSegment;
  auto writer = LogWriter::create(log.disk, kDir, kUuid, options);
  REQUIRE(writer);
  if (spare) writer->give_spare(std::move(*writer->segment_maker().make()));
  const auto batch = log.source.next(100);
  REQUIRE(append_and_sync(*writer, batch, FeatureLevel::sale));
  CHECK(writer->level() == FeatureLevel::sale);
  CHECK(writer->segment_no() == 2);
  CHECK(log.disk.bytes_of(log.segments().back()).size() == (spare ? 4 : 1) * kSegment);
  REQUIRE(append_and_sync(*writer, log.source.next(100), FeatureLevel::format_1));
  CHECK(writer->segment_no() == 2);
  Recorder recorder;
  CHECK(log.read(recorder).level == FeatureLevel::sale);
  CHECK(recorder.batches.size() == 2);
}

TEST_CASE("without room for a segment of a higher level nothing is changed") {
  GrowingLog log;
  auto writer = log.live(FeatureLevel::format_1);
  std::uint64_t used = 0;
  for (const auto& [path, bytes] : log.disk.contents()) used += bytes.size();
  log.disk.set_capacity(used + kSegment - 1);
  const auto before = log.disk.contents();
  log.source.may_use(FeatureLevel::sale);
  const auto batch = log.source.next(100);
  const auto refused = append_batch(writer, batch, FeatureLevel::sale);
  REQUIRE_FALSE(refused);
  CHECK(refused.error().code == Errc::full);
  CHECK(writer.level() == FeatureLevel::format_1);
  CHECK(log.disk.contents() == before);
  log.disk.set_capacity(~std::uint64_t{0});
  REQUIRE(append_and_sync(writer, batch, FeatureLevel::sale));
  log.written.push_back(batch);
  Recorder recorder;
  CHECK(log.read(recorder).level == FeatureLevel::sale);
  CHECK(recorder.batches == log.written);
}

TEST_CASE("a reader may begin at any segment of a log of both formats") {
  GrowingLog log;
  log.live(FeatureLevel::format_1, 60);
  log.live(FeatureLevel::format_2, 60);
  const auto count = log.segments().size();
  REQUIRE(count > 4);
  storage::LogVisitor nobody;
  for (std::uint64_t seg_no = 2; seg_no <= count; ++seg_no) {
    const auto at = storage::read_closed(log.disk, kDir, nobody, {}, seg_no);
    REQUIRE(at);
    CHECK(at->level == log.header(log.segments()[seg_no - 1]).level);
    Recorder rest;
    REQUIRE(storage::read_log(log.disk, kDir, rest, *at));
    CHECK(std::equal(rest.batches.rbegin(), rest.batches.rend(), log.written.rbegin()));
    const auto oldest = storage::oldest_position(log.disk, kDir, *at);
    REQUIRE(oldest);
    CHECK(oldest->level == FeatureLevel::format_1);
    CHECK(storage::judge_unread(log.disk, kDir, *at));
    auto other = *at;
    other.hash_key[0] ^= 1;
    CHECK(storage::read_log(log.disk, kDir, rest, other).error().code == Errc::corrupt);
  }
}

TEST_CASE("segments of an older format, of another key or with a lower level may not follow") {
  GrowingLog log;
  log.live(FeatureLevel::sale);
  log.live(FeatureLevel::ha);
  const auto paths = log.segments();
  auto header = log.header(paths.back());
  SUBCASE("level") {
    header.level = FeatureLevel::format_2;
  }
  SUBCASE("format") {
    header.level = FeatureLevel::format_1;
  }
  SUBCASE("hash key") {
    header.hash_key[3] ^= 1;
  }
  SUBCASE("uuid") {
    header.uuid[3] ^= 1;
  }
  log.replace_header(paths.back(), header);
  CHECK(log.refusal().code == Errc::corrupt);
}

TEST_CASE("a log may go on from another one's, where that one left it") {
  GrowingLog log;
  log.live(FeatureLevel::sale);
  log.live(FeatureLevel::ha);
  const auto paths = log.segments();
  auto header = log.header(paths.back());
  header.uuid[3] ^= 1;
  header.parent = {.uuid = kUuid, .batch = header.chain.next_batch - 1, .lsn = 7};
  SUBCASE("it did") {
    log.replace_header(paths.back(), header);
    Recorder recorder;
    const auto end = log.read(recorder);
    CHECK(end.uuid == header.uuid);
    CHECK(end.hash_key == kUuid);
    CHECK(recorder.batches == log.written);
    log.live(FeatureLevel::ha);  // as the new log: its own uuid, the same key
    const auto after = log.header(log.segments().back());
    CHECK(after.uuid == header.uuid);
    CHECK(after.hash_key == kUuid);
    CHECK(after.parent == storage::LogParent{});
  }
  SUBCASE("of a third one") {
    header.parent.uuid[0] ^= 1;
  }
  SUBCASE("left it elsewhere") {
    header.parent.batch += 1;
  }
  if (header.parent.uuid == kUuid && header.parent.batch + 1 == header.chain.next_batch) return;
  log.replace_header(paths.back(), header);
  CHECK(log.refusal().code == Errc::corrupt);
}

TEST_CASE("what needs a newer program is told from damage") {
  GrowingLog log;
  log.live(FeatureLevel::format_1, 0);
  log.live(FeatureLevel::format_2, 1);
  const auto path = log.segments().back();
  SUBCASE("a batch of the other format") {
    rewrite_first_batch(log, path, LogFormat::one, 1, 0);
    // Its CRC is not that of format 1, so it is no batch at all: torn, as nothing follows it.
    Recorder recorder;
    CHECK(log.read(recorder).tail == storage::LogTail::torn);
  }
  SUBCASE("flags of a batch") {
    rewrite_first_batch(log, path, LogFormat::two, 1, 1);
    CHECK(log.refusal().code == Errc::version);
  }
  SUBCASE("a type above the level") {
    rewrite_first_batch(log, path, LogFormat::two, 10, 0);
    const auto refusal = log.refusal();
    CHECK(refusal.code == Errc::version);
    CHECK(refusal.message.find("needs feature level 3 (high availability)") != std::string::npos);
  }
  SUBCASE("a type that nobody knows") {
    rewrite_first_batch(log, path, LogFormat::two, 14, 0);
    CHECK(log.refusal().code == Errc::version);
  }
}

TEST_CASE("a whole batch of the other format is damage") {
  GrowingLog log;
  log.live(FeatureLevel::format_2, 3);
  const auto path = log.segments().back();
  auto header = log.header(path);
  header.level = FeatureLevel::format_1;
  log.replace_header(path, header);
  const auto refusal = log.refusal();
  CHECK(refusal.code == Errc::corrupt);
  CHECK(refusal.message.find("another format") != std::string::npos);
}

}  // namespace stampede::test
