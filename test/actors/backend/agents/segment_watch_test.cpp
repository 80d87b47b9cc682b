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
#include "test/support/temp_log_dir.h"

using namespace stampede;
using namespace stampede::actors;
namespace fs = std::filesystem;

namespace {

class Heard final : public SegmentWatchOutlet {
 public:
  void written_again(const std::string& segment) override { written.push_back(segment); }
  void missing(const std::set<std::uint64_t>& segments) override { told.push_back(segments); }
  void not_watched(const storage::Error& error) override { errors.push_back(error.message); }

  std::vector<std::string> written;
  std::vector<std::set<std::uint64_t>> told;
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
  std::string read(std::uint64_t number) const {
    std::ifstream in(path(number), std::ios::binary);
    return {std::istreambuf_iterator<char>(in), {}};
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
