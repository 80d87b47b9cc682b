// Logs of earlier versions must be readable for ever: data/log_v1 was written by the first one,
// data/log_v2 begins like it, goes on in format 2 and ends with every type of record there is.
// STAMPEDE_WRITE_GOLDEN=DIR writes the same logs into DIR/log_v1 and DIR/log_v2.

#include <doctest/doctest.h>

#include <cstdlib>
#include <filesystem>
#include <map>
#include <string>

#include "storage/disk/posix_disk.h"
#include "storage/log/crc32c.h"
#include "storage/log/log_writer.h"
#include "test/storage/log/log_fixture.h"

namespace stampede::test {
namespace {

using storage::FeatureLevel;
using storage::LogWriter;
using storage::RecordType;

storage::LogOptions golden_options(FeatureLevel level) {
  auto options = small_segments(8 << 10);
  options.created_ns = 1'700'000'000'000'000'000;
  options.node_uuid[15] = 7;
  options.level = level;
  return options;
}

// What the batches of each epoch need.
using Levels = std::vector<FeatureLevel>;
const Levels kLevelsOfV1{FeatureLevel::format_1, FeatureLevel::format_1};
const Levels kLevelsOfV2{FeatureLevel::format_1, FeatureLevel::format_2, FeatureLevel::shards};

// Plain arithmetic, so that no library's random numbers can change it.
std::vector<TestBatch> golden_batches(std::uint64_t epoch, FeatureLevel level) {
  std::vector<RecordType> types{RecordType::emit, RecordType::reject, RecordType::exec,
                                RecordType::optm, RecordType::fail,   RecordType::emit};
  if (level > FeatureLevel::format_2)
    types.insert(types.end(), {RecordType::ha, RecordType::hash, RecordType::config,
                               RecordType::claim, RecordType::revoke});
  std::vector<TestBatch> batches;
  storage::Lsn lsn = storage::make_lsn(epoch, 1);
  batches.push_back({epoch, lsn, 1'700'000'000'000'000'000, {{RecordType::epoch, "epoch"}}});
  for (std::size_t i = 0; i < 12; ++i) {
    TestBatch batch{epoch, lsn, 1'700'000'000'000'000'000 + static_cast<std::int64_t>(i), {}};
    for (std::size_t k = 0; k <= i % 4; ++k) {
      batch.records.push_back(
          {types[(i + k) % types.size()], std::string(17 * i + 5 * k, static_cast<char>('a' + i))});
    }
    lsn += decisions_of(batch);
    batches.push_back(std::move(batch));
  }
  batches.push_back({epoch, lsn, 1'700'000'000'000'000'099, {{RecordType::seal, ""}}});
  return batches;
}

std::vector<TestBatch> golden_batches(const Levels& levels) {
  std::vector<TestBatch> all;
  for (std::uint64_t epoch = 1; epoch <= levels.size(); ++epoch)
    for (const auto& batch : golden_batches(epoch, levels[epoch - 1])) all.push_back(batch);
  return all;
}

void write_golden(const std::string& dir, const Levels& levels) {
  storage::PosixDisk disk;
  for (std::uint64_t epoch = 1; epoch <= levels.size(); ++epoch) {
    Recorder recorder;
    const auto end = storage::read_log(disk, dir, recorder);
    REQUIRE(end);
    const auto options = golden_options(levels[epoch - 1]);
    auto writer = epoch == 1 ? LogWriter::create(disk, dir, kUuid, options)
                             : LogWriter::resume(disk, dir, *end, options);
    REQUIRE(writer);
    for (const auto& batch : golden_batches(epoch, levels[epoch - 1]))
      REQUIRE(append_and_sync(*writer, batch, levels[epoch - 1]));
  }
}

// All segments, names and bytes, in one number.
std::uint32_t fingerprint(storage::Disk& disk, const std::string& dir) {
  auto files = disk.list(dir);
  REQUIRE(files);
  std::map<std::string, std::string> segments;
  for (const auto& file : *files) {
    if (!storage::looks_like_segment(file.name)) continue;
    REQUIRE(disk.read(storage::path_in(dir, file.name), 0, file.bytes, segments[file.name]));
  }
  std::uint32_t crc = 0;
  for (const auto& [name, bytes] : segments)
    crc = storage::crc32c(bytes, storage::crc32c(name, crc));
  return crc;
}

}  // namespace

TEST_CASE("the golden logs are read as they were written") {
  const auto [name, levels, segments] = [] {
    struct Golden {
      std::string name;
      Levels levels;
      std::uint64_t segments;
    };
    Golden golden{"/log_v1", kLevelsOfV1, 4};
    SUBCASE("format 1") {}
    SUBCASE("format 1, then 2, then all that it has room for") {
      golden = {"/log_v2", kLevelsOfV2, 8};
    }
    return golden;
  }();
  storage::PosixDisk disk;
  Recorder recorder;
  const auto end = storage::read_log(disk, STAMPEDE_TEST_DATA + name, recorder);
  if (!end) FAIL(end.error().message);
  CHECK(end->tail == storage::LogTail::clean);
  CHECK(end->uuid == kUuid);
  CHECK(end->hash_key == kUuid);
  CHECK(end->level == levels.back());
  CHECK(end->chain.epoch == levels.size());
  CHECK(end->segments == segments);
  CHECK(recorder.batches == golden_batches(levels));
}

TEST_CASE("today's writer still writes the golden logs byte by byte") {
  storage::PosixDisk disk;
  std::string dir = (std::filesystem::temp_directory_path() / "golden_XXXXXX").string();
  REQUIRE(::mkdtemp(dir.data()) != nullptr);
  const std::string data = STAMPEDE_TEST_DATA;
  write_golden(dir + "/log_v1", kLevelsOfV1);
  write_golden(dir + "/log_v2", kLevelsOfV2);
  CHECK(fingerprint(disk, dir + "/log_v1") == fingerprint(disk, data + "/log_v1"));
  CHECK(fingerprint(disk, dir + "/log_v2") == fingerprint(disk, data + "/log_v2"));
  std::filesystem::remove_all(dir);
}

TEST_CASE("the golden logs can be written where STAMPEDE_WRITE_GOLDEN says") {
  const char* dir = std::getenv("STAMPEDE_WRITE_GOLDEN");
  if (dir == nullptr) return;
  write_golden(std::string(dir) + "/log_v1", kLevelsOfV1);
  write_golden(std::string(dir) + "/log_v2", kLevelsOfV2);
}

}  // namespace stampede::test
