#pragma once

// A node's stderr and stdout in a file, as a supervisor sends them. For tests.

#include <doctest/doctest.h>
#include <fcntl.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <string_view>

namespace stampede::actors {

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
  [[nodiscard]] std::string text(const std::string& behind = {}) const {
    std::ifstream in(file.string() + behind);
    return {std::istreambuf_iterator<char>(in), {}};
  }

  std::filesystem::path place;
  std::filesystem::path file;

 private:
  int err_;
  int out_;
};

}  // namespace stampede::actors
