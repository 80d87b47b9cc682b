// Node lines whose file is removed while the node runs.

#include "actors/node/stderr_file.h"

#include <doctest/doctest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <string>

#include "actors/node/node_log.h"
#include "test/actors/node/node_lines.h"
#include "test/support/eventually.h"

namespace stampede::actors {
namespace {

TEST_CASE("a file of lines that was removed is made again, once a second at most") {
  std::string before;
  std::string between;
  std::string after;
  unsigned mode = 0;
  {
    NodeLines lines;
    StderrFile file;
    const auto now = StderrFile::Clock::now();
    file.look(now);
    NodeLines::say(STDERR_FILENO, "one\n");
    before = lines.text();
    std::filesystem::remove_all(lines.file.parent_path());
    file.look(now + StderrFile::kLookEvery / 2);
    NodeLines::say(STDERR_FILENO, "two\n");
    between = lines.text();
    file.look(now + StderrFile::kLookEvery);
    NodeLines::say(STDERR_FILENO, "three\n");
    NodeLines::say(STDOUT_FILENO, "four\n");
    after = lines.text();
    struct stat status {};
    if (::stat(lines.file.c_str(), &status) == 0) mode = status.st_mode & 0777U;
  }
  CHECK(before == "one\n");
  CHECK(between.empty());
  CHECK(after == "three\nfour\n");
  CHECK(mode == 0600);
}

TEST_CASE("after a rename lines go on in the file of the old name") {
  std::string rotated;
  std::string anew;
  {
    NodeLines lines;
    StderrFile file;
    const auto now = StderrFile::Clock::now();
    file.look(now);
    NodeLines::say(STDERR_FILENO, "one\n");
    const auto old = lines.file.parent_path() / "node.log.1";
    std::filesystem::rename(lines.file, old);
    std::ofstream(lines.file) << "made by who rotates\n";
    file.look(now + StderrFile::kLookEvery);
    NodeLines::say(STDERR_FILENO, "two\n");
    NodeLines::say(STDOUT_FILENO, "three\n");
    anew = lines.text();
    lines.file = old;
    rotated = lines.text();
  }
  CHECK(rotated == "one\n");
  CHECK(anew == "made by who rotates\ntwo\nthree\n");
}

TEST_CASE("a link that stands in the removed file's place is not followed") {
  std::string stranger;
  {
    NodeLines lines;
    StderrFile file;
    std::filesystem::remove(lines.file);
    std::filesystem::create_symlink(lines.place / "stranger", lines.file);
    file.look(StderrFile::Clock::now());
    NodeLines::say(STDERR_FILENO, "one\n");
    if (std::filesystem::exists(lines.place / "stranger")) stranger = "written";
  }
  CHECK(stranger.empty());
}

TEST_CASE("a full file is rotated, and of the old ones as many stay as are kept") {
  std::string files[StderrFile::kFiles + 1];
  {
    NodeLines lines;
    StderrFile file(8);
    const auto now = StderrFile::Clock::now();
    for (int number = 0; number < 2 * StderrFile::kFiles; ++number) {
      file.look(now);  // no later than the first time: what was written counts
      file.write("line " + std::to_string(number) + "\n");
      file.write("m\n");
    }
    for (int number = 0; number <= StderrFile::kFiles; ++number)
      files[number] = lines.text(number == 0 ? "" : "." + std::to_string(number));
  }
  CHECK(files[0] == "line 9\nm\n");
  CHECK(files[1] == "line 8\nm\n");
  CHECK(files[StderrFile::kFiles - 1] == "line 5\nm\n");
  CHECK(files[StderrFile::kFiles].empty());
}

TEST_CASE("who shares a file that another process has rotated goes on in the new one") {
  std::string old;
  std::string anew;
  {
    NodeLines lines;
    StderrFile file(8);
    const auto now = StderrFile::Clock::now();
    file.look(now);
    file.write("one, two\n");
    const auto first = lines.file.parent_path() / "node.log.1";
    std::filesystem::rename(lines.file, first);
    std::ofstream(lines.file) << "theirs\n";
    file.look(now);  // full, but it is the other's no more
    file.write("three\n");
    NodeLines::say(STDOUT_FILENO, "four\n");
    anew = lines.text();
    old = lines.text(".1");
  }
  CHECK(old == "one, two\n");
  CHECK(anew == "theirs\nthree\nfour\n");
}

TEST_CASE("where no file can be renamed, lines go on in the full one") {
  std::string text;
  {
    NodeLines lines;
    StderrFile file(8);
    const auto now = StderrFile::Clock::now();
    file.look(now);
    file.write("one, two\n");
    std::ofstream(lines.file.string() + ".3") << "old\n";
    std::filesystem::create_directories(lines.file.string() + ".4/full");
    file.look(now);
    file.write("three\n");
    text = lines.text();
  }
  CHECK(text == "one, two\nthree\n");
}

TEST_CASE("a node's next lines make its file again") {
  bool again = false;
  {
    NodeLines lines;
    start_log("node-1");
    log_info("first");
    std::filesystem::remove(lines.file);
    again = test::eventually([&] {
      log_info("again");
      return lines.text().find("node-1 again") != std::string::npos;
    });
  }
  CHECK(again);
}

}  // namespace
}  // namespace stampede::actors
