#include "config/process/whole_file.h"

#include <doctest/doctest.h>
#include <sys/stat.h>

#include <filesystem>
#include <fstream>
#include <iterator>

#include "test/support/temp_log_dir.h"

using namespace stampede::config;
namespace fs = std::filesystem;

namespace {

std::string read(const fs::path& file) {
  std::ifstream in(file, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

}  // namespace

TEST_CASE("a file is replaced as a whole, with the mode that was asked for") {
  const stampede::test::TempDir dir;
  const fs::path file = dir.path() + "/file";
  for (const auto outlives : {Outlives::process, Outlives::machine}) {
    CHECK(write_whole(file, "first", outlives).empty());
    CHECK(write_whole(file, std::string(100'000, 'x'), outlives, 0640).empty());
    CHECK(read(file) == std::string(100'000, 'x'));
    CHECK(write_whole(file, "", outlives).empty());
    CHECK(read(file).empty());
    CHECK(fs::status(file).permissions() == (fs::perms::owner_read | fs::perms::owner_write));
  }
  CHECK(std::distance(fs::directory_iterator(dir.path()), fs::directory_iterator()) == 1);
}

TEST_CASE("what cannot be replaced stays, and nothing is left behind") {
  const stampede::test::TempDir dir;
  const fs::path file = dir.path() + "/file";
  fs::create_directory(file);
  CHECK(write_whole(file, "text", Outlives::process).find("cannot write") == 0);
  CHECK(fs::is_directory(file));
  CHECK(std::distance(fs::directory_iterator(dir.path()), fs::directory_iterator()) == 1);
  CHECK(write_whole(dir.path() + "/none/file", "text", Outlives::machine).find("none/file") !=
        std::string::npos);
}
