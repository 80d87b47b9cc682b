// Where a log lies, remembered beside it.

#include "storage/log/log_place.h"

#include <doctest/doctest.h>

#include "storage/disk/posix_disk.h"
#include "test/support/forgetful_disk.h"
#include "test/support/temp_log_dir.h"

namespace stampede::storage {
namespace {

class PlacedDisk final : public test::ForgetfulDisk {
 public:
  PlacedDisk() : test::ForgetfulDisk(1) {}
  DirectoryPlace place(const std::string&) override { return now; }

  DirectoryPlace now{1'700'000'000'000'000'001, 42};
};

constexpr const char* kDir = "/log";

std::size_t names(test::ForgetfulDisk& disk) {
  const auto files = disk.list(kDir);
  REQUIRE(files);
  return files->size();
}

KnownPlace known(Disk& disk) {
  const auto known = known_place(disk, kDir);
  REQUIRE(known);
  return *known;
}

}  // namespace

TEST_CASE("a log knows the directory in which it was written from its copies") {
  PlacedDisk disk;
  REQUIRE(disk.make_dir(kDir));
  CHECK(known(disk) == KnownPlace::none);
  REQUIRE(remember_place(disk, kDir));
  disk.lose_power(0);
  CHECK(known(disk) == KnownPlace::here);
  const auto original = disk.now;
  disk.now.made_ns -= 1;  // older or younger, it is another one
  CHECK(known(disk) == KnownPlace::another);
  disk.now = {original.made_ns, original.number + 1};  // made in one moment
  CHECK(known(disk) == KnownPlace::another);
  disk.now = {0, original.number};  // to a file system that does not say
  CHECK(known(disk) == KnownPlace::another);
  REQUIRE(remember_place(disk, kDir));
  CHECK(known(disk) == KnownPlace::here);
  CHECK(names(disk) == 1);
  disk.now = {};
  CHECK(known(disk) == KnownPlace::none);
  REQUIRE(remember_place(disk, kDir));
  CHECK(names(disk) == 1);
}

TEST_CASE("a name of two places is a copy's, a name that nobody wrote is of no place") {
  PlacedDisk disk;
  REQUIRE(disk.make_dir(kDir));
  REQUIRE(remember_place(disk, kDir));
  for (const char* name : {"/log/place-0000000000000001-0000000000000002", "/log/place-"}) {
    REQUIRE(disk.create_zeroed(name, 0));
    CHECK(known(disk) == KnownPlace::another);
    REQUIRE(remember_place(disk, kDir));
    CHECK(known(disk) == KnownPlace::here);
    CHECK(names(disk) == 1);
  }
}

TEST_CASE("a real directory keeps its place when it is moved") {
  PosixDisk disk;
  const test::TempDir dir;
  const auto here = dir.path() + "/here";
  const auto moved = dir.path() + "/moved";
  const auto other = dir.path() + "/other";
  REQUIRE(disk.make_dir(here));
  REQUIRE(disk.make_dir(other));
  CHECK_FALSE(disk.place(here) == disk.place(other));
  const auto place = disk.place(here);
  CHECK(place.is_known());
  REQUIRE(disk.rename(here, moved));
  CHECK(disk.place(moved) == place);
  CHECK_FALSE(disk.place(here).is_known());
}

}  // namespace stampede::storage
