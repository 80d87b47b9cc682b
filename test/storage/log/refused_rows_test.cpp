// Rows that a rewritten database refused, remembered beside the log.

#include "storage/log/refused_rows.h"

#include <doctest/doctest.h>

#include "test/support/forgetful_disk.h"

namespace stampede::storage {

TEST_CASE("refused rows are remembered until none is refused") {
  test::ForgetfulDisk disk(1);
  const std::string dir = "/log";
  REQUIRE(disk.make_dir(dir));
  REQUIRE(refused_rows(disk, dir));
  CHECK(refused_rows(disk, dir)->empty());
  REQUIRE(remember_refused_rows(disk, dir, {make_lsn(1, 9), make_lsn(2, 1)}));
  CHECK(*refused_rows(disk, dir) == std::set<Lsn>{make_lsn(1, 9), make_lsn(2, 1)});
  REQUIRE(remember_refused_rows(disk, dir, {make_lsn(2, 1)}));
  CHECK(*refused_rows(disk, dir) == std::set<Lsn>{make_lsn(2, 1)});
  const auto files = disk.list(dir);
  REQUIRE(files);
  for (const auto& file : *files) CHECK(looks_like_refused_rows(file.name));
  REQUIRE(remember_refused_rows(disk, dir, {}));
  CHECK(refused_rows(disk, dir)->empty());
  CHECK(disk.list(dir)->empty());
}

TEST_CASE("refused rows that cannot be read are told, and written anew") {
  test::ForgetfulDisk disk(1);
  const std::string dir = "/log";
  REQUIRE(disk.make_dir(dir));
  auto file = disk.create_zeroed("/log/refused-rows", 4);
  REQUIRE(file);
  REQUIRE((*file)->write_at(0, "1.x\n"));
  REQUIRE_FALSE(refused_rows(disk, dir));
  CHECK(refused_rows(disk, dir).error().code == Errc::corrupt);
  CHECK(refused_rows(disk, dir).error().message.find("/log/refused-rows") != std::string::npos);
  REQUIRE(remember_refused_rows(disk, dir, {make_lsn(1, 9)}));
  CHECK(refused_rows(disk, dir)->size() == 1);
}

}  // namespace stampede::storage
