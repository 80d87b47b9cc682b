#pragma once

// A directory on the real disk for one test of the log's files; it goes with the test.

#include <doctest/doctest.h>
#include <stdlib.h>

#include <filesystem>
#include <string>

namespace stampede::test {

class TempDir {
 public:
  TempDir() {
    std::string name = (std::filesystem::temp_directory_path() / "log_test_XXXXXX").string();
    REQUIRE(::mkdtemp(name.data()) != nullptr);
    path_ = name;
  }
  ~TempDir() { std::filesystem::remove_all(path_); }
  TempDir(const TempDir&) = delete;
  TempDir& operator=(const TempDir&) = delete;
  [[nodiscard]] const std::string& path() const { return path_; }
  [[nodiscard]] std::string log() const { return path_ + "/log"; }

 private:
  std::string path_;
};

}  // namespace stampede::test
