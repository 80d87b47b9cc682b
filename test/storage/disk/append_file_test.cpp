// PosixDisk's files: whatever is written at whatever offset stands in the file, past the page cache
// or through it.

#include <doctest/doctest.h>
#include <fcntl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstdint>
#include <cstdio>
#include <fstream>
#include <iterator>
#include <memory>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "storage/disk/posix_disk.h"
#include "storage/log/log_segment.h"
#include "test/storage/disk/file_calls.h"
#include "test/storage/log/log_fixture.h"
#include "test/support/random_run.h"
#include "test/support/temp_log_dir.h"

namespace stampede::test {
namespace {

using storage::PosixDisk;

constexpr std::uint64_t kBlock = 4096;

// False where the tests' directory lies on a file system that knows no direct writes.
bool direct_is_possible(const TempDir& temp) {
  const int fd = ::open((temp.path() + "/probe").c_str(), O_CREAT | O_RDWR | O_CLOEXEC, 0600);
  const bool possible = fd >= 0 && ::fcntl(fd, F_SETFL, O_DIRECT) == 0;
  if (fd >= 0) ::close(fd);
  return possible;
}

std::string contents(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  return std::string(std::istreambuf_iterator<char>(in), {});
}

// A file and what it should hold.
class Pair {
 public:
  Pair(PosixDisk& disk, std::string path, std::uint64_t bytes)
      : path_(std::move(path)), expected_(bytes, '\0') {
    auto made = disk.create_zeroed(path_, bytes);
    if (!made) FAIL(made.error().message);
    file_ = std::move(*made);
  }
  void write(std::uint64_t offset, const std::string& bytes) {
    if (auto written = file_->write_at(offset, bytes); !written) FAIL(written.error().message);
    if (expected_.size() < offset + bytes.size()) expected_.resize(offset + bytes.size(), '\0');
    expected_.replace(offset, bytes.size(), bytes);
  }
  void check() {
    REQUIRE(file_->datasync());
    CHECK((contents(path_) == expected_));
  }

 private:
  std::string path_;
  std::string expected_;
  std::unique_ptr<storage::AppendFile> file_;
};

std::string some_bytes(std::mt19937_64& random, std::size_t count) {
  std::string bytes(count, '\0');
  for (auto& byte : bytes) byte = static_cast<char>(random());
  return bytes;
}

std::size_t some_size(std::mt19937_64& random) {
  switch (random() % 4) {
    case 0:
      return random() % 300;
    case 1:
      return kBlock * (random() % 4);
    case 2:
      return random() % (3 * kBlock);
    default:
      return random() % (200 << 10);
  }
}

}  // namespace

TEST_CASE("a pipe, a socket's or a directory's name is no file, and nobody waits for it") {
  const TempDir temp;
  PosixDisk disk;
  const auto path = temp.path() + "/0000000000000001.seg";
  for (const bool pipe : {true, false}) {
    REQUIRE((pipe ? ::mkfifo(path.c_str(), 0600) : ::mkdir(path.c_str(), 0700)) == 0);
    std::string bytes;
    for (const auto& error : {disk.read(path, 0, 10, bytes).error(), disk.hold(path).error()})
      CHECK(error.message.find("something else lies in the place of this file") !=
            std::string::npos);
    CHECK_FALSE(disk.open_zeroed(path));
    REQUIRE(::remove(path.c_str()) == 0);
  }
}

TEST_CASE("appends of all sizes are written directly and stand in the file, zeros behind them") {
  const auto seed = seed_of_run();
  INFO("STAMPEDE_TEST_SEED=", seed);
  std::mt19937_64 random(seed);
  TempDir temp;
  const bool possible = direct_is_possible(temp);
  PosixDisk disk;
  CountedCalls calls;
  for (std::uint64_t round = 0; round < rounds_of_run(10); ++round) {
    constexpr std::uint64_t kBytes = 2 << 20;
    Pair pair(disk, temp.path() + "/" + std::to_string(round), kBytes);
    pair.check();
    pair.write(0, some_bytes(random, kBlock));
    for (std::uint64_t at = kBlock;;) {
      const auto size = some_size(random);
      if (at + size > kBytes) break;
      pair.write(at, some_bytes(random, size));
      if (random() % 4 == 0) pair.check();
      at += size;
    }
    pair.check();
  }
  CHECK((calls->other_writes == 0) == possible);
  CHECK(calls->direct_reads == 0);
}

TEST_CASE("writes in any order, over one another and beyond the end stand in the file") {
  const auto seed = seed_of_run();
  INFO("STAMPEDE_TEST_SEED=", seed);
  std::mt19937_64 random(seed);
  TempDir temp;
  PosixDisk disk;
  for (std::uint64_t round = 0; round < rounds_of_run(40); ++round) {
    const std::uint64_t bytes = random() % 5 == 0 ? random() % 70'000 : kBlock * (random() % 60);
    Pair pair(disk, temp.path() + "/" + std::to_string(round), bytes);
    const bool beyond = random() % 3 == 0;
    for (int i = 0; i < 30; ++i) {
      const auto at = random() % (bytes + 1);
      auto piece = some_bytes(random, some_size(random));
      if (!beyond) piece.resize(std::min<std::uint64_t>(piece.size(), bytes - at));
      pair.write(at, piece);
      if (random() % 8 == 0) pair.check();
    }
    pair.check();
  }
}

TEST_CASE("a file that somebody moved, replaced or cut is not where it was") {
  TempDir temp;
  PosixDisk disk;
  const auto path = temp.path() + "/file";
  auto made = disk.create_zeroed(path, 4 * kBlock);
  REQUIRE(made);
  auto& file = **made;
  REQUIRE(file.write_at(kBlock, "kept"));
  CHECK(file.still_at(path));
  REQUIRE(::truncate(path.c_str(), 0) == 0);
  REQUIRE(file.write_at(2 * kBlock, "behind the cut"));
  const auto cut = file.still_at(path);
  REQUIRE(!cut);
  CHECK(cut.error().code == storage::Errc::io);
  CHECK(cut.error().message.find("cut") != std::string::npos);
  REQUIRE(::truncate(path.c_str(), 4 * kBlock) == 0);
  CHECK(file.still_at(path));
  REQUIRE(::rename(path.c_str(), (path + ".away").c_str()) == 0);
  CHECK(!file.still_at(path));
  REQUIRE(disk.create_zeroed(path, 4 * kBlock));
  CHECK(!file.still_at(path));
  CHECK(file.still_at(path + ".away"));
}

TEST_CASE("a file system without direct writes gets the same bytes through the page cache") {
  std::mt19937_64 random(7);
  TempDir temp;
  PosixDisk disk;
  CountedCalls calls;
  calls->refuse_direct = true;
  Pair pair(disk, temp.path() + "/a", 64 * kBlock);
  for (std::uint64_t at = 100; at < 60 * kBlock; at += 5000) {
    pair.write(at, some_bytes(random, 5000));
    pair.check();
  }
  CHECK(calls->direct_writes == 0);
  CHECK(calls->other_writes > 40);
}

TEST_CASE("direct writes that are refused are written through the page cache from then on") {
  for (const std::uint64_t refused_from : {0, 1, 2, 5}) {
    std::mt19937_64 random(refused_from);
    TempDir temp;
    if (!direct_is_possible(temp)) return;
    PosixDisk disk;
    CountedCalls calls;
    calls->refuse_writes_after = refused_from;
    calls->refused_with = EINVAL;
    Pair pair(disk, temp.path() + "/a", 64 * kBlock);
    for (std::uint64_t at = 100; at < 60 * kBlock; at += 5000) {
      pair.write(at, some_bytes(random, 5000));
      pair.check();
    }
    CHECK(calls->direct_writes == refused_from);
    CHECK(calls->other_writes > 40);
  }
}

TEST_CASE("a direct write that fails is an error and leaves what was there") {
  TempDir temp;
  if (!direct_is_possible(temp)) return;
  PosixDisk disk;
  const std::string path = temp.path() + "/a";
  auto file = disk.create_zeroed(path, 16 * kBlock);
  REQUIRE(file);
  REQUIRE((*file)->write_at(0, std::string(100, 'a')));
  {
    CountedCalls calls;
    calls->refuse_writes_after = 0;
    calls->refused_with = EIO;
    const auto failed = (*file)->write_at(100, std::string(2 * kBlock, 'b'));
    REQUIRE_FALSE(failed);
    CHECK(failed.error().code == storage::Errc::io);
    CHECK(failed.error().message.find(path) != std::string::npos);
    CHECK(calls->other_writes == 0);
  }
  std::string expected(16 * kBlock, '\0');
  expected.replace(0, 100, std::string(100, 'a'));
  CHECK((contents(path) == expected));
  REQUIRE((*file)->write_at(200, "c"));
  expected[200] = 'c';
  CHECK((contents(path) == expected));
}

TEST_CASE("a limit on a file's size is no room, and is named") {
  TempDir temp;
  PosixDisk disk;
  rlimit before{};
  REQUIRE(::getrlimit(RLIMIT_FSIZE, &before) == 0);
  const auto handler = ::signal(SIGXFSZ, SIG_IGN);  // as in a node
  const rlimit small{kBlock, before.rlim_max};
  REQUIRE(::setrlimit(RLIMIT_FSIZE, &small) == 0);
  const auto large = disk.create_zeroed(temp.path() + "/large", 16 * kBlock);
  const bool fits = static_cast<bool>(disk.create_zeroed(temp.path() + "/small", kBlock));
  ::setrlimit(RLIMIT_FSIZE, &before);
  ::signal(SIGXFSZ, handler);
  CHECK(fits);
  REQUIRE_FALSE(large);
  CHECK(large.error().code == storage::Errc::full);
  CHECK(large.error().message.find("ulimit -f") != std::string::npos);
}

TEST_CASE("a spare that was left over is written directly, whatever its first block holds") {
  TempDir temp;
  if (!direct_is_possible(temp)) return;
  PosixDisk disk;
  const std::string dir = temp.log();
  REQUIRE(disk.make_dir(dir));
  auto spare = storage::SegmentMaker(disk, dir, 64 * kBlock).make();
  REQUIRE(spare);
  REQUIRE(spare->file->write_at(0, std::string(kBlock, 'h')));  // a rotation that was cut off
  spare->file.reset();

  auto opened = disk.open_zeroed(dir + "/" + spare->name);
  REQUIRE(opened);
  CountedCalls calls;
  REQUIRE((*opened)->write_at(10, "xyz"));
  CHECK(calls->direct_reads == 1);
  REQUIRE((*opened)->write_at(kBlock, "abc"));
  REQUIRE((*opened)->write_at(kBlock + 3, std::string(2 * kBlock, 'd')));
  CHECK(calls->direct_reads == 1);
  CHECK(calls->direct_writes == 3);
  CHECK(calls->other_writes == 0);
  std::string expected(64 * kBlock, '\0');
  expected.replace(0, kBlock, std::string(10, 'h') + "xyz" + std::string(kBlock - 13, 'h'));
  expected.replace(kBlock, 3 + 2 * kBlock, "abc" + std::string(2 * kBlock, 'd'));
  CHECK((contents(dir + "/" + spare->name) == expected));
}

TEST_CASE("a log that goes on in a left-over spare is written directly") {
  TempDir temp;
  if (!direct_is_possible(temp)) return;
  PosixDisk disk;
  BatchSource source(1);
  std::vector<TestBatch> written;
  auto options = small_segments(256 << 10);
  CountedCalls calls;
  {
    auto writer = storage::LogWriter::create(disk, temp.log(), kUuid, options);
    REQUIRE(writer);
    REQUIRE(writer->segment_maker().make());  // nobody takes it: the process ends here
    written.push_back(source.next(4000));
    REQUIRE(append_and_sync(*writer, written.back()));
  }
  Recorder before;
  const auto end = storage::read_log(disk, temp.log(), before);
  REQUIRE(end);
  auto writer = storage::LogWriter::resume(disk, temp.log(), *end, options);
  REQUIRE(writer);
  CHECK_FALSE(writer->wants_spare());
  while (writer->segment_no() < 4) {
    written.push_back(source.next(4000));
    REQUIRE(append_and_sync(*writer, written.back()));
  }
  Recorder after;
  REQUIRE(storage::read_log(disk, temp.log(), after));
  CHECK(after.batches == written);
  CHECK(calls->other_writes == 0);
  CHECK(calls->direct_reads == 0);
}

}  // namespace stampede::test
