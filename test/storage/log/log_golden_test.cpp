// Logs of earlier versions must be readable for ever: data/log_v1 was written by the first one.
// STAMPEDE_WRITE_GOLDEN=DIR writes the same log into the empty directory DIR.

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

using storage::LogWriter;
using storage::RecordType;

storage::LogOptions golden_options() {
  auto options = small_segments(8 << 10);
  options.created_ns = 1'700'000'000'000'000'000;
  options.node_uuid[15] = 7;
  return options;
}

// Plain arithmetic, so that no library's random numbers can change it.
std::vector<TestBatch> golden_batches(std::uint64_t epoch) {
  constexpr RecordType kTypes[] = {RecordType::emit, RecordType::reject, RecordType::exec,
                                   RecordType::optm, RecordType::fail,   RecordType::emit};
  std::vector<TestBatch> batches;
  storage::Lsn lsn = storage::make_lsn(epoch, 1);
  batches.push_back({epoch, lsn, 1'700'000'000'000'000'000, {{RecordType::epoch, "epoch"}}});
  for (std::size_t i = 0; i < 12; ++i) {
    TestBatch batch{epoch, lsn, 1'700'000'000'000'000'000 + static_cast<std::int64_t>(i), {}};
    for (std::size_t k = 0; k <= i % 4; ++k) {
      batch.records.push_back(
          {kTypes[(i + k) % 6], std::string(17 * i + 5 * k, static_cast<char>('a' + i))});
    }
    lsn += decisions_of(batch);
    batches.push_back(std::move(batch));
  }
  batches.push_back({epoch, lsn, 1'700'000'000'000'000'099, {{RecordType::seal, ""}}});
  return batches;
}

std::vector<TestBatch> write_golden(const std::string& dir) {
  storage::PosixDisk disk;
  std::vector<TestBatch> all;
  for (std::uint64_t epoch = 1; epoch <= 2; ++epoch) {
    Recorder recorder;
    const auto end = storage::read_log(disk, dir, recorder);
    REQUIRE(end);
    auto writer = epoch == 1 ? LogWriter::create(disk, dir, kUuid, golden_options())
                             : LogWriter::resume(disk, dir, *end, golden_options());
    REQUIRE(writer);
    for (const auto& batch : golden_batches(epoch)) {
      REQUIRE(append_and_sync(*writer, batch));
      all.push_back(batch);
    }
  }
  return all;
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

TEST_CASE("the golden log of format 1 is read as it was written") {
  storage::PosixDisk disk;
  const std::string dir = std::string(STAMPEDE_TEST_DATA) + "/log_v1";
  Recorder recorder;
  const auto end = storage::read_log(disk, dir, recorder);
  if (!end) FAIL(end.error().message);
  CHECK(end->tail == storage::LogTail::clean);
  CHECK(end->uuid == kUuid);
  CHECK(end->chain.epoch == 2);
  CHECK(end->segments >= 3);
  auto expected = golden_batches(1);
  for (const auto& batch : golden_batches(2)) expected.push_back(batch);
  CHECK(recorder.batches == expected);
}

TEST_CASE("today's writer still writes format 1 byte by byte") {
  storage::PosixDisk disk;
  std::string dir = (std::filesystem::temp_directory_path() / "golden_XXXXXX").string();
  REQUIRE(::mkdtemp(dir.data()) != nullptr);
  write_golden(dir);
  CHECK(fingerprint(disk, dir) == fingerprint(disk, std::string(STAMPEDE_TEST_DATA) + "/log_v1"));
  std::filesystem::remove_all(dir);
}

TEST_CASE("the golden log can be written where STAMPEDE_WRITE_GOLDEN says") {
  const char* dir = std::getenv("STAMPEDE_WRITE_GOLDEN");
  if (dir != nullptr) write_golden(dir);
}

}  // namespace stampede::test
