// A closed segment that somebody removes is written again from what is still open, or told.

#include "actors/backend/agents/segment_watch.h"

#include <doctest/doctest.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <vector>

#include "storage/disk/posix_disk.h"
#include "storage/log/log_begin.h"
#include "storage/log/log_segment.h"
#include "storage/snapshot/snapshot_file.h"
#include "test/support/temp_log_dir.h"

using namespace stampede;
using namespace stampede::actors;
namespace fs = std::filesystem;

namespace {

class Heard final : public SegmentWatchOutlet {
 public:
  void written_again(const std::string& segment) override { written.push_back(segment); }
  void missing(const LogLosses& losses) override {
    told.push_back(losses.removed);
    last = losses;
  }
  void not_watched(const storage::Error& error) override { errors.push_back(error.message); }

  std::vector<std::string> written;
  std::vector<std::set<std::uint64_t>> told;
  LogLosses last;
  std::vector<std::string> errors;
};

struct Watched {
  Watched() { fs::create_directory(dir); }

  std::string path(std::uint64_t number) const {
    return dir + '/' + storage::segment_name(number, 10 * number);
  }
  static std::string content(std::uint64_t number) {
    return std::string(3'000'000, static_cast<char>('a' + number % 26));
  }
  void make(std::uint64_t first, std::uint64_t last) const {
    for (auto number = first; number <= last; ++number)
      std::ofstream(path(number), std::ios::binary) << (number > 50 ? "x" : content(number));
  }
  std::string read(std::uint64_t number) const { return read(path(number)); }
  static std::string read(const std::string& path) {
    std::ifstream in(path, std::ios::binary);
    return {std::istreambuf_iterator<char>(in), {}};
  }
  std::string snapshot(std::uint64_t lsn) const {
    storage::LogPosition position;
    position.last_lsn = lsn;
    return dir + '/' + storage::snapshot_name(position);
  }

  test::TempDir temporary;
  std::string dir = temporary.log();
  storage::PosixDisk disk;
  Heard heard;
  SegmentWatch watch{disk, dir, heard};
};

using Numbers = std::set<std::uint64_t>;

}  // namespace

TEST_CASE("a removed segment is written again under its name") {
  Watched t;
  t.make(1, 4);
  t.watch.look();
  for (const std::uint64_t gone : {1, 3}) fs::remove(t.path(gone));
  std::ofstream(t.dir + "/restored.tmp") << "of a crash";
  t.watch.look();
  CHECK(t.heard.written.size() == 2);
  CHECK(t.heard.told.empty());
  CHECK(t.heard.errors.empty());
  for (const std::uint64_t number : {1, 2, 3, 4}) CHECK(t.read(number) == Watched::content(number));
  CHECK_FALSE(fs::exists(t.dir + "/restored.tmp"));
  // It is kept open again.
  t.watch.look();
  fs::remove(t.path(1));
  t.watch.look();
  CHECK(t.read(1) == Watched::content(1));
  CHECK(t.heard.written.size() == 3);
}

TEST_CASE("what retention removes is not missed, and the open segment is its writer's") {
  Watched t;
  t.make(1, 5);
  t.watch.look();
  REQUIRE(storage::remember_begin(t.disk, t.dir, 3));
  fs::remove(t.path(1));
  fs::remove(t.path(2));
  fs::remove(t.path(5));
  t.watch.look();
  CHECK(t.heard.written.empty());
  CHECK(t.heard.told.empty());
  CHECK_FALSE(fs::exists(t.path(1)));
  CHECK_FALSE(fs::exists(t.path(5)));
}

TEST_CASE("a segment that was not kept open is told, once, until it is there again") {
  Watched t;
  const std::uint64_t last = 60 + SegmentWatch::kHeldMax;
  t.make(51, last);
  t.watch.look();
  fs::remove(t.path(51));
  fs::remove(t.path(53));
  t.watch.look();
  t.watch.look();
  CHECK(t.heard.told == std::vector<Numbers>{{51, 53}});
  CHECK(storage::missing_segments(t.disk, t.dir)->size() == 1);  // whoever was not there before
  t.make(51, 51);
  t.watch.look();
  t.make(53, 53);
  t.watch.look();
  CHECK(t.heard.told == std::vector<Numbers>{{51, 53}, {53}, {}});
  CHECK(t.heard.written.empty());
}

TEST_CASE("a closed segment that somebody cuts is told until it is whole again") {
  Watched t;
  t.make(1, 4);
  t.watch.look();
  fs::resize_file(t.path(2), 1000);
  fs::resize_file(t.path(4), 1000);  // its writer sees that
  t.watch.look();
  t.watch.look();
  CHECK(t.heard.told.size() == 1);
  CHECK(t.heard.last.cut == Numbers{2});
  CHECK(t.heard.last.removed.empty());
  t.make(2, 2);
  t.watch.look();
  CHECK(t.heard.told.size() == 2);
  CHECK(t.heard.last.none());
}

TEST_CASE("the newest snapshot is written again when all are removed") {
  Watched t;
  t.make(1, 2);
  std::ofstream(t.snapshot(10)) << "older";
  std::ofstream(t.snapshot(20)) << "newer";
  std::ofstream(t.snapshot(30) + ".tmp") << "not whole";
  t.watch.look();
  for (int time = 1; time < 3; ++time) {
    fs::remove(t.snapshot(10));
    fs::remove(t.snapshot(20));
    t.watch.look();
    CHECK(Watched::read(t.snapshot(20)) == "newer");
    CHECK(t.heard.written.size() == time);
  }
  CHECK_FALSE(fs::exists(t.snapshot(10)));
  CHECK(t.heard.told.empty());
  CHECK(t.heard.errors.empty());
}

TEST_CASE("a snapshot that a newer one replaced is not missed") {
  Watched t;
  std::ofstream(t.snapshot(10)) << "older";
  t.watch.look();
  std::ofstream(t.snapshot(20)) << "newer";
  fs::remove(t.snapshot(10));
  t.watch.look();
  CHECK(t.heard.written.empty());
  CHECK_FALSE(fs::exists(t.snapshot(10)));
  fs::remove(t.snapshot(20));
  t.watch.look();
  CHECK(Watched::read(t.snapshot(20)) == "newer");
}

TEST_CASE("a snapshot that somebody cuts is told until there is another one") {
  Watched t;
  std::ofstream(t.snapshot(10)) << "whole";
  t.watch.look();
  fs::resize_file(t.snapshot(10), 2);
  t.watch.look();
  CHECK(t.heard.last.snapshot_cut);
  CHECK(t.dir + '/' + t.heard.last.snapshot == t.snapshot(10));
  fs::remove(t.snapshot(10));
  t.watch.look();
  CHECK_FALSE(t.heard.last.snapshot_cut);
  CHECK_FALSE(t.heard.last.none());
  SUBCASE("a newer one") {
    std::ofstream(t.snapshot(20)) << "newer";
  }
  SUBCASE("the same, made again") {
    std::ofstream(t.snapshot(10)) << "whole";
  }
  t.watch.look();
  CHECK(t.heard.last.none());
  CHECK(t.heard.written.empty());
  fs::remove(t.snapshot(10));
  fs::remove(t.snapshot(20));
  t.watch.look();
  CHECK(t.heard.written.size() == 1);
}
