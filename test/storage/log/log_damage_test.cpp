// Damaged logs: a torn end is cut, everything else is refused, nothing is ever made up.

#include <doctest/doctest.h>

#include <algorithm>
#include <iterator>

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

constexpr std::uint64_t kSegment = 8 << 10;
using Files = std::map<std::string, std::string>;

// A log of some segments, the last of which holds several batches; and what is in it.
struct SmallLog {
  explicit SmallLog(std::uint64_t batches, std::uint64_t seed = 7) : disk(seed) {
    BatchSource source(seed);
    auto writer = LogWriter::create(disk, kDir, kUuid, small_segments(kSegment));
    REQUIRE(writer);
    for (std::uint64_t i = 1; i < batches; ++i) {
      REQUIRE(append_and_sync(*writer, source.next(160)));
    }
    REQUIRE(append_and_sync(*writer, source.with_payload(700)));
    const auto end = storage::read_log(disk, kDir, truth);
    REQUIRE(end);
    REQUIRE(end->segments >= 2);
    original = disk.contents();
  }

  [[nodiscard]] std::string path(const Recorder::Place& place) const {
    return storage::path_in(kDir, place.file);
  }
  void restore() {
    for (const auto& [path, bytes] : disk.contents()) {
      if (!original.contains(path)) disk.erase(path);
    }
    for (const auto& [path, bytes] : original) disk.overwrite(path, bytes);
  }

  ForgetfulDisk disk;
  Recorder truth;
  Files original;
};

bool is_prefix(const std::vector<TestBatch>& part, const std::vector<TestBatch>& whole) {
  return part.size() <= whole.size() && std::equal(part.begin(), part.end(), whole.begin());
}

// Reads, and checks that reading changed nothing.
storage::Result<LogEnd> read_unchanged(ForgetfulDisk& disk, Recorder& recorder) {
  const auto changes = disk.changes();
  auto end = storage::read_log(disk, kDir, recorder);
  REQUIRE(disk.changes() == changes);
  return end;
}

void check_refused(ForgetfulDisk& disk, const std::string& path, std::uint64_t offset) {
  Recorder recorder;
  const auto end = read_unchanged(disk, recorder);
  REQUIRE_FALSE(end);
  const storage::Error& error = end.error();
  INFO(error.message);
  REQUIRE(error.code == Errc::corrupt);
  REQUIRE(error.message.find(path + " at offset " + std::to_string(offset) + ":") !=
          std::string::npos);
  REQUIRE(error.message.find("batch") != std::string::npos);
}

// Torn in the last batch: everything before it is there, and the log goes on.
void check_last_batch_cut(SmallLog& log) {
  const auto& last = log.truth.places.back();
  Recorder recorder;
  const auto end = read_unchanged(log.disk, recorder);
  if (!end) FAIL(end.error().message);
  REQUIRE(recorder.batches.size() == log.truth.batches.size() - 1);
  REQUIRE(is_prefix(recorder.batches, log.truth.batches));
  if (end->tail == LogTail::torn) {
    REQUIRE(end->torn.file == last.file);
    REQUIRE(end->torn.offset == last.offset);
    REQUIRE(end->torn.bytes <= last.bytes);
  }
}

// Resumes, writes, reads again; and no byte of the old files has changed.
void check_goes_on(SmallLog& log) {
  const Files before = log.disk.contents();
  Recorder recorder;
  const auto end = read_unchanged(log.disk, recorder);
  REQUIRE(end);
  auto writer = LogWriter::resume(log.disk, kDir, *end, small_segments(kSegment));
  REQUIRE(writer);
  BatchSource source(99);
  source.continue_after(writer->chain());
  auto expected = recorder.batches;
  for (int i = 0; i < 3; ++i) {
    expected.push_back(i == 0 ? source.takeover() : source.next(100));
    REQUIRE(append_and_sync(*writer, expected.back()));
  }
  Recorder again;
  const auto resumed = read_unchanged(log.disk, again);
  if (!resumed) FAIL(resumed.error().message);
  REQUIRE(again.batches == expected);
  for (const auto& [path, bytes] : before) REQUIRE(log.disk.bytes_of(path) == bytes);
}

}  // namespace

TEST_CASE("a last batch torn at any byte is cut and the log goes on beside the old bytes") {
  SmallLog log(20);
  const auto last = log.truth.places.back();
  const std::string whole = log.disk.bytes_of(log.path(last));
  for (std::uint64_t keep = 0; keep < last.bytes; ++keep) {
    INFO("bytes kept: " << keep);
    std::string torn = whole;
    std::fill(torn.begin() + static_cast<std::ptrdiff_t>(last.offset + keep), torn.end(), '\0');
    if (torn == whole) continue;  // only padding was cut: nothing is missing
    log.disk.overwrite(log.path(last), torn);
    check_last_batch_cut(log);
    check_goes_on(log);
    log.restore();
  }
}

TEST_CASE("a last batch with holes or garbage sectors is cut and the log goes on") {
  SmallLog log(20);
  const auto last = log.truth.places.back();
  const std::string whole = log.disk.bytes_of(log.path(last));
  for (std::uint64_t from = last.offset; from < last.offset + last.bytes - 8; from += 64) {
    for (const char filler : {'\0', '\xdb'}) {
      INFO("hole at " << from);
      std::string torn = whole;
      const std::uint64_t end = std::min(from + 64, last.offset + last.bytes);
      std::fill(torn.begin() + static_cast<std::ptrdiff_t>(from),
                torn.begin() + static_cast<std::ptrdiff_t>(end), filler);
      log.disk.overwrite(log.path(last), torn);
      check_last_batch_cut(log);
      check_goes_on(log);
      log.restore();
    }
  }
}

TEST_CASE("garbage behind the last batch is a torn end and costs nothing") {
  SmallLog log(20);
  const auto last = log.truth.places.back();
  std::string bytes = log.disk.bytes_of(log.path(last));
  bytes[last.offset + last.bytes + 99] = 'x';
  log.disk.overwrite(log.path(last), bytes);
  Recorder recorder;
  const auto end = read_unchanged(log.disk, recorder);
  REQUIRE(end);
  CHECK(end->tail == LogTail::torn);
  CHECK(end->torn.bytes == 100);
  CHECK(recorder.batches == log.truth.batches);
  check_goes_on(log);
}

TEST_CASE("every flipped bit of every header and batch is refused by name, or cut in the last") {
  SmallLog log(20);
  const auto last = log.truth.places.back();
  std::uint64_t refused = 0;
  std::uint64_t cut = 0;
  const auto try_all_bits = [&](const std::string& path, std::uint64_t from, std::uint64_t bytes,
                                bool in_last) {
    std::string damaged = log.disk.bytes_of(path);
    for (std::uint64_t bit = from * 8; bit < (from + bytes) * 8; ++bit) {
      INFO("bit " << bit << " of " << path);
      const char good = damaged[bit / 8];
      damaged[bit / 8] = static_cast<char>(good ^ (1 << (bit % 8)));
      log.disk.overwrite(path, damaged);
      if (in_last) {
        check_last_batch_cut(log);
        ++cut;
      } else {
        check_refused(log.disk, path, from);
        ++refused;
      }
      damaged[bit / 8] = good;
    }
    log.disk.overwrite(path, damaged);
  };
  for (const auto& [path, bytes] : log.original) {
    try_all_bits(path, 0, storage::kSegmentHeaderBytes, false);
  }
  for (const auto& place : log.truth.places) {
    try_all_bits(log.path(place), place.offset, place.bytes,
                 place.offset == last.offset && place.file == last.file);
  }
  CHECK(refused > 50'000);
  CHECK(cut == last.bytes * 8);
}

TEST_CASE("random damage in several places never yields other data than was written") {
  const std::uint64_t seed = seed_of_run();
  INFO("STAMPEDE_TEST_SEED=" << seed);
  SmallLog log(20);
  BatchSource random(seed);
  std::uint64_t refused = 0;
  const std::uint64_t rounds = rounds_of_run(20'000);
  for (std::uint64_t round = 0; round < rounds; ++round) {
    INFO("round " << round);
    for (std::uint64_t faults = 1 + random.below(4); faults > 0; --faults) {
      auto file = log.original.begin();
      std::advance(file, static_cast<std::ptrdiff_t>(random.below(log.original.size())));
      std::string bytes = log.disk.bytes_of(file->first);
      const auto sector = [&] {
        return bytes.begin() + static_cast<std::ptrdiff_t>(random.below(bytes.size() / 512) * 512);
      };
      const auto one = sector();
      switch (random.below(4)) {
        case 0:
          std::fill(one, one + 512, '\0');
          break;
        case 1:
          std::swap_ranges(one, one + 512, sector());
          break;
        case 2:
          std::copy(one, one + 512, sector());
          break;
        default:
          bytes[random.below(bytes.size())] ^= static_cast<char>(1 + random.below(255));
      }
      log.disk.overwrite(file->first, bytes);
    }
    Recorder recorder;
    const auto end = read_unchanged(log.disk, recorder);
    refused += end ? 0 : 1;
    REQUIRE(is_prefix(recorder.batches, log.truth.batches));
    if (!end) REQUIRE(end.error().code == Errc::corrupt);
    log.restore();
  }
  CHECK(refused > rounds / 2);
}

TEST_CASE("a sealed batch that is damaged is refused, not cut") {
  SmallLog log(20);
  // Batch 20 vouches for batch 19, as a SEAL does: zero batch 19 as a lost sector would.
  const auto sealed = log.truth.places[18];
  REQUIRE(sealed.file == log.truth.places[19].file);
  std::string bytes = log.disk.bytes_of(log.path(sealed));
  std::fill_n(bytes.begin() + static_cast<std::ptrdiff_t>(sealed.offset), sealed.bytes, '\0');
  log.disk.overwrite(log.path(sealed), bytes);
  check_refused(log.disk, log.path(sealed), sealed.offset);
}

TEST_CASE("missing, doubled, foreign, renamed and shortened segments are refused") {
  SmallLog log(60);
  std::vector<std::string> paths;
  for (const auto& [path, bytes] : log.original) paths.push_back(path);
  REQUIRE(paths.size() >= 3);
  const auto refused = [&](const std::string& named) {
    Recorder recorder;
    const auto end = read_unchanged(log.disk, recorder);
    REQUIRE_FALSE(end);
    CHECK(end.error().code == Errc::corrupt);
    INFO(end.error().message);
    CHECK(end.error().message.find(named) != std::string::npos);
    log.restore();
  };

  SUBCASE("the first is missing") {
    log.disk.erase(paths[0]);
    refused("segment 1 is missing");
  }
  SUBCASE("one in the middle is missing") {
    log.disk.erase(paths[1]);
    refused("segment 2 is missing");
  }
  SUBCASE("one is there twice") {
    log.disk.overwrite(storage::path_in(kDir, storage::segment_name(2, 9'999)),
                       log.disk.bytes_of(paths[1]));
    refused("name and its header disagree");
  }
  SUBCASE("one has the name of its successor's successor") {
    log.disk.overwrite(storage::path_in(kDir, storage::segment_name(paths.size() + 1, 61)),
                       log.disk.bytes_of(paths[1]));
    refused("name and its header disagree");
  }
  SUBCASE("a stranger's name ends in .seg") {
    log.disk.overwrite(kDir + "/copy of 1.seg", log.disk.bytes_of(paths[0]));
    refused("not the name of a segment");
  }
  SUBCASE("one comes from another log") {
    auto header = storage::decode_header(log.disk.bytes_of(paths[1]));
    REQUIRE(header);
    header->uuid[0] ^= 1;
    log.disk.overwrite(paths[1],
                       storage::encode_header(*header) + log.disk.bytes_of(paths[1]).substr(4096));
    refused("belongs to another log");
  }
  SUBCASE("one follows another past") {
    auto header = storage::decode_header(log.disk.bytes_of(paths[1]));
    REQUIRE(header);
    header->chain.last_crc ^= 1;
    log.disk.overwrite(paths[1],
                       storage::encode_header(*header) + log.disk.bytes_of(paths[1]).substr(4096));
    refused("does not follow");
  }
  SUBCASE("a closed one is shortened") {
    log.disk.overwrite(paths[1], log.disk.bytes_of(paths[1]).substr(0, 5000));
    refused("shorter than its successor says");
  }
  SUBCASE("the last one is shorter than a header") {
    log.disk.overwrite(paths.back(), log.disk.bytes_of(paths.back()).substr(0, 100));
    refused("cut short");
  }
}

TEST_CASE("a batch that is whole but does not follow the one before is refused, not cut") {
  SmallLog log(20);
  const auto last = log.truth.places.back();
  std::string bytes = log.disk.bytes_of(log.path(last));
  std::string frame(storage::kBatchHeaderBytes, '\0');
  storage::append_record(frame, storage::RecordType::emit, "from another time");
  storage::BatchHead head{.epoch = 1, .first_lsn = storage::make_lsn(2, 1), .count = 1};
  storage::BatchLink link{.batch_no = 20, .prev_crc = 4711, .durable_pos = 4096};
  storage::finish_frame(frame, head, link);
  std::copy(frame.begin(), frame.end(), bytes.begin() + static_cast<std::ptrdiff_t>(last.offset));
  log.disk.overwrite(log.path(last), bytes);
  check_refused(log.disk, log.path(last), last.offset);
}

TEST_CASE("a file that is no segment is left alone") {
  SmallLog log(20);
  log.disk.overwrite(kDir + "/segment.tmp", "half a segment");
  log.disk.overwrite(kDir + "/notes.txt", "an operator's");
  Recorder recorder;
  REQUIRE(read_unchanged(log.disk, recorder));
  CHECK(recorder.batches == log.truth.batches);
  const auto end = storage::read_log(log.disk, kDir, recorder);
  REQUIRE(end);
  REQUIRE(LogWriter::resume(log.disk, kDir, *end, small_segments(kSegment)));
  CHECK(log.disk.bytes_of(kDir + "/notes.txt") == "an operator's");
}

}  // namespace stampede::test
