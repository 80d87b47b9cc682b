// What is written comes back: sizes, rotation, spare segments, resuming.

#include <doctest/doctest.h>

#include <algorithm>

#include "config/process/invariant.h"
#include "storage/log/log_writer.h"
#include "test/storage/log/log_fixture.h"
#include "test/support/forgetful_disk.h"
#include "test/support/random_run.h"

namespace stampede::test {
namespace {

using storage::Errc;
using storage::LogEnd;
using storage::LogTail;
using storage::LogWriter;

constexpr std::uint64_t kSegment = 16 << 10;

LogWriter new_log(storage::Disk& disk, const storage::LogOptions& options) {
  auto writer = LogWriter::create(disk, kDir, kUuid, options);
  REQUIRE(writer);
  return std::move(*writer);
}

LogEnd read_all(storage::Disk& disk, Recorder& recorder) {
  auto end = storage::read_log(disk, kDir, recorder);
  if (!end) FAIL(end.error().message);
  return std::move(*end);
}

// A writer appends while the reader is half-way through the segment: the reader finds the place of
// the next-to-last batch empty, but the last batch behind it.
class DiskBesideWriter final : public ForgetfulDisk {
 public:
  using ForgetfulDisk::ForgetfulDisk;
  storage::Status read(const std::string& path, std::uint64_t offset, std::uint64_t bytes_max,
                       std::string& out) override {
    auto status = ForgetfulDisk::read(path, offset, bytes_max, out);
    if (out.size() <= hole_at || looks-- == 0) return status;
    std::fill_n(out.begin() + static_cast<std::ptrdiff_t>(hole_at), hole_bytes, '\0');
    return status;
  }
  std::uint64_t hole_at = 0;
  std::uint64_t hole_bytes = 0;
  std::uint64_t looks = 0;  // that see the hole
};

}  // namespace

TEST_CASE("a missing or empty directory is an empty log and stays untouched") {
  ForgetfulDisk disk(1);
  Recorder recorder;
  const LogEnd end = read_all(disk, recorder);
  CHECK(end.tail == LogTail::empty);
  CHECK(end.segments == 0);
  CHECK(disk.changes() == 0);
}

TEST_CASE("a log without batches is read, resumed, and resumed again") {
  ForgetfulDisk disk(1);
  new_log(disk, small_segments(kSegment));
  for (std::uint64_t segments = 1; segments < 5; ++segments) {
    Recorder recorder;
    const LogEnd end = read_all(disk, recorder);
    CHECK(end.tail == LogTail::clean);
    CHECK(end.segments == segments);
    CHECK(end.batches == 0);
    CHECK(end.uuid == kUuid);
    REQUIRE(LogWriter::resume(disk, kDir, end, small_segments(kSegment)));
  }
}

TEST_CASE("a new log is refused where one is") {
  ForgetfulDisk disk(1);
  new_log(disk, small_segments(kSegment));
  const auto again = LogWriter::create(disk, kDir, kUuid, small_segments(kSegment));
  CHECK(again.error().code == Errc::invalid);
}

TEST_CASE("batches of every size come back through many segments and starts") {
  const std::uint64_t seed = seed_of_run();
  INFO("STAMPEDE_TEST_SEED=" << seed);
  for (std::uint64_t round = 0; round < rounds_of_run(20); ++round) {
    ForgetfulDisk disk(seed + round);
    BatchSource source(seed + round);
    std::vector<TestBatch> written;
    auto writer = new_log(disk, small_segments(kSegment));
    for (int i = 0; i < 120; ++i) {
      if (writer.wants_spare() && source.below(2) == 0) {
        auto spare = writer.segment_maker().make();
        REQUIRE(spare);
        writer.give_spare(std::move(*spare));
      }
      written.push_back(source.next(source.below(10) == 0 ? 3000 : 100));
      REQUIRE(append_and_sync(writer, written.back()));
      CHECK(writer.durable_pos() == writer.written_pos());
      if (source.below(20) != 0) continue;
      Recorder recorder;
      const LogEnd end = read_all(disk, recorder);
      auto resumed = LogWriter::resume(disk, kDir, end, small_segments(kSegment));
      REQUIRE(resumed);
      writer = std::move(*resumed);
    }
    Recorder recorder;
    const LogEnd end = read_all(disk, recorder);
    CHECK(end.tail == LogTail::clean);
    CHECK(recorder.batches == written);
    CHECK(end.chain == writer.chain());
    CHECK(end.bytes == writer.written_pos());
    CHECK(end.seg_no == writer.segment_no());
    CHECK(end.segments > 2);  // 5 in one seed of some thousands, else more
  }
}

TEST_CASE("the largest record and the largest batch fit, in a segment made for them") {
  ForgetfulDisk disk(1);
  BatchSource source(1);
  auto writer = new_log(disk, small_segments(kSegment));
  std::vector<TestBatch> written = {source.with_payload(storage::kRecordPayloadBytesMax)};
  REQUIRE(append_and_sync(writer, written.back()));

  TestBatch full = source.with_payload(storage::kRecordPayloadBytesMax);
  for (int i = 0; i < 14; ++i) {
    full.records.push_back(source.with_payload(storage::kRecordPayloadBytesMax).records.front());
  }
  // Fifteen largest records leave room for one that is 72 bytes smaller.
  full.records.push_back(
      source.with_payload(storage::kRecordPayloadBytesMax - storage::kBatchHeaderBytes)
          .records.front());
  written.push_back(full);
  REQUIRE(append_and_sync(writer, full));
  written.push_back(source.seal());
  REQUIRE(append_and_sync(writer, written.back()));
  Recorder recorder;
  const LogEnd end = read_all(disk, recorder);
  CHECK(recorder.batches == written);
  CHECK(recorder.places[1].bytes == storage::kBatchBytesMax);
  CHECK(end.records == 1 + 16 + 1);
}

TEST_CASE("lsns come back as written, gaps and outcome batches included") {
  ForgetfulDisk disk(1);
  BatchSource source(1);
  auto writer = new_log(disk, small_segments(kSegment));
  TestBatch first = source.with_payload(5);
  TestBatch outcome = source.seal();
  TestBatch later = source.with_payload(5);
  later.first_lsn += 10;
  for (const auto& batch : {first, outcome, later}) REQUIRE(append_and_sync(writer, batch));
  Recorder recorder;
  const LogEnd end = read_all(disk, recorder);
  CHECK(recorder.lsns ==
        std::vector<storage::Lsn>{storage::make_lsn(1, 1), storage::make_lsn(1, 12)});
  CHECK(end.last_lsn == storage::make_lsn(1, 12));
  CHECK(end.chain.next_lsn == storage::make_lsn(1, 13));
}

TEST_CASE("an unused spare segment is taken up by the next start") {
  ForgetfulDisk disk(1);
  {
    auto writer = new_log(disk, small_segments(kSegment));
    auto spare = writer.segment_maker().make();
    REQUIRE(spare);
    writer.give_spare(std::move(*spare));
  }
  Recorder recorder;
  const LogEnd end = read_all(disk, recorder);
  REQUIRE(end.spare);
  auto writer = LogWriter::resume(disk, kDir, end, small_segments(kSegment));
  REQUIRE(writer);
  CHECK_FALSE(writer->wants_spare());

  // The rotation uses it up and writes no new file full of zeros.
  BatchSource source(1);
  REQUIRE(append_and_sync(*writer, source.with_payload(10'000)));
  disk.set_capacity(0);
  REQUIRE(append_and_sync(*writer, source.with_payload(10'000)));
  CHECK(writer->wants_spare());
  Recorder again;
  CHECK_FALSE(read_all(disk, again).spare);
}

TEST_CASE("a spare of another size is replaced, not used") {
  ForgetfulDisk disk(1);
  auto writer = new_log(disk, small_segments(kSegment));
  REQUIRE(writer.segment_maker().make());
  Recorder recorder;
  auto larger = LogWriter::resume(disk, kDir, read_all(disk, recorder), small_segments(1 << 20));
  REQUIRE(larger);
  CHECK(larger->wants_spare());
  auto spare = larger->segment_maker().make();
  REQUIRE(spare);
  CHECK(spare->bytes == 1 << 20);
}

TEST_CASE("resuming any number of times leaves one more segment and the same batches") {
  ForgetfulDisk disk(1);
  BatchSource source(1);
  auto writer = new_log(disk, small_segments(kSegment));
  std::vector<TestBatch> written;
  for (int i = 0; i < 3; ++i) {
    written.push_back(source.next(50));
    REQUIRE(append_and_sync(writer, written.back()));
  }
  std::uint64_t segments = 1;
  for (int i = 0; i < 10; ++i) {
    Recorder recorder;
    const LogEnd end = read_all(disk, recorder);
    CHECK(recorder.batches == written);
    CHECK(end.segments == segments++);
    REQUIRE(LogWriter::resume(disk, kDir, end, small_segments(kSegment)));
  }
  Recorder recorder;
  auto last = LogWriter::resume(disk, kDir, read_all(disk, recorder), small_segments(kSegment));
  REQUIRE(last);
  written.push_back(source.takeover());
  REQUIRE(append_and_sync(*last, written.back()));
  Recorder again;
  read_all(disk, again);
  CHECK(again.batches == written);
}

TEST_CASE("batches that appear while the log is read are not taken for damage") {
  DiskBesideWriter disk(1);
  BatchSource source(1);
  auto writer = new_log(disk, small_segments(kSegment));
  for (int i = 0; i < 5; ++i) REQUIRE(append_and_sync(writer, source.with_payload(100)));
  Recorder truth;
  read_all(disk, truth);
  disk.hole_at = truth.places[3].offset;
  disk.hole_bytes = truth.places[3].bytes;
  disk.looks = 1;
  Recorder recorder;
  CHECK(read_all(disk, recorder).tail == LogTail::clean);
  CHECK(recorder.batches == truth.batches);

  disk.looks = 2;  // still empty at the second look: this is damage
  Recorder again;
  CHECK(storage::read_log(disk, kDir, again).error().code == Errc::corrupt);
}

TEST_CASE("a visitor's error ends the reading and is handed on") {
  struct Refusing final : storage::LogVisitor {
    storage::Status on_record(const storage::BatchInfo&, const storage::RecordView&) override {
      return storage::Error{Errc::invalid, "not wanted"};
    }
  };
  ForgetfulDisk disk(1);
  BatchSource source(1);
  auto writer = new_log(disk, small_segments(kSegment));
  REQUIRE(append_and_sync(writer, source.seal()));
  Refusing refusing;
  CHECK(storage::read_log(disk, kDir, refusing).error().message == "not wanted");
}

}  // namespace stampede::test
