// Node lines whose file is removed while the node runs.

#include "actors/node/stderr_file.h"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <string_view>

#include "actors/node/node_log.h"
#include "test/support/eventually.h"

namespace stampede::actors {
namespace {

// stderr and stdout go to `file` as a supervisor sends them; back again at the end.
class NodeLines {
 public:
  NodeLines() : err_(::dup(STDERR_FILENO)), out_(::dup(STDOUT_FILENO)) {
    std::string pattern = std::filesystem::temp_directory_path() / "stderr-XXXXXX";
    REQUIRE(::mkdtemp(pattern.data()) != nullptr);
    place = pattern;
    file = place / "log" / "node.log";
    std::filesystem::create_directory(file.parent_path());
    const int fd = ::open(file.c_str(), O_WRONLY | O_CREAT | O_APPEND, 0600);
    ::dup2(fd, STDERR_FILENO);
    ::dup2(fd, STDOUT_FILENO);
    ::close(fd);
  }
  ~NodeLines() {
    ::dup2(err_, STDERR_FILENO);
    ::dup2(out_, STDOUT_FILENO);
    ::close(err_);
    ::close(out_);
    std::filesystem::remove_all(place);
  }
  NodeLines(const NodeLines&) = delete;
  NodeLines& operator=(const NodeLines&) = delete;

  static void say(int fd, std::string_view text) {
    static_cast<void>(!::write(fd, text.data(), text.size()));
  }
  [[nodiscard]] std::string text() const {
    std::ifstream in(file);
    return {std::istreambuf_iterator<char>(in), {}};
  }

  std::filesystem::path place;
  std::filesystem::path file;

 private:
  int err_;
  int out_;
};

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
