// A start's calls to the disk are shown while they last, and are progress when they return.

#include "actors/backend/shown_disk.h"

#include <doctest/doctest.h>

#include "test/support/forgetful_disk.h"

using namespace stampede;
using namespace stampede::actors;

namespace {

// Remembers whether the call was shown.
class SlowDisk : public test::ForgetfulDisk {
 public:
  explicit SlowDisk(const BackendStatus& status) : ForgetfulDisk(1), status_(status) {}
  storage::Status read(const std::string& path, std::uint64_t offset, std::uint64_t bytes_max,
                       std::string& out) override {
    shown = status_.disk_waiting.load();
    return ForgetfulDisk::read(path, offset, bytes_max, out);
  }
  bool shown = false;

 private:
  const BackendStatus& status_;
};

}  // namespace

TEST_CASE("every call of a start is shown while it lasts, until the start is over") {
  BackendStatus status;
  const auto slow = std::make_shared<SlowDisk>(status);
  slow->overwrite("/log/file", "text");
  ShownDisk disk(slow, status);
  std::string text;
  CHECK(disk.read("/log/file", 0, 10, text));
  CHECK(slow->shown);
  CHECK_FALSE(status.disk_waiting.load());
  CHECK(status.progress.load() == 1);
  auto file = disk.create_zeroed("/log/new", 4096);
  REQUIRE(file);
  CHECK((*file)->sync());
  CHECK(status.progress.load() == 3);
  disk.quiet();
  CHECK((*file)->sync());
  CHECK(disk.read("/log/file", 0, 10, text));
  CHECK_FALSE(slow->shown);
  CHECK(status.progress.load() == 3);
}
