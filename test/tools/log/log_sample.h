#pragma once

// A directory of the test's own, and a log in it like a backend's: orders, items, rejections,
// lanes' outcomes as ranges, two epochs, seals.

#include <cstdint>
#include <filesystem>
#include <string>

#include "tools/ask/tool_options.h"

namespace stampede::test {

// Made under the system's temporary directory, removed with everything in it.
class TemporaryDir {
 public:
  TemporaryDir();
  ~TemporaryDir();
  TemporaryDir(const TemporaryDir&) = delete;
  TemporaryDir& operator=(const TemporaryDir&) = delete;
  [[nodiscard]] std::string path(const std::string& name) const { return (dir_ / name).string(); }

 private:
  std::filesystem::path dir_;
};

struct SampleLog {
  std::uint64_t orders = 0;
  std::uint64_t items = 0;  // known to the log
  std::uint64_t rejections = 0;
};

// Writes about `decisions` decisions. Everything is in the log when it returns; what is owed at its
// end depends on the seed.
SampleLog write_sample_log(const std::string& dir, std::uint64_t seed, std::uint64_t decisions);

tools::ToolOptions options_for(const std::string& log_dir, bool json);

}  // namespace stampede::test
