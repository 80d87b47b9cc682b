// What a process may still take, from the files of made-up machines.

#include "config/process/memory_left.h"

#include <doctest/doctest.h>

#include <map>

using namespace stampede::config;

namespace {

constexpr std::uint64_t kMiB = 1 << 20;

MemoryLeft left_of(std::map<std::string, std::string> files) {
  files.emplace("/proc/meminfo", "MemTotal: 4194304 kB\nMemFree: 1 kB\nMemAvailable: 2097152 kB\n");
  return memory_left([&](const std::string& path) { return files[path]; });
}

}  // namespace

TEST_CASE("without a container the machine's memory counts") {
  CHECK(left_of({}).bytes == 2048 * kMiB);
  CHECK(left_of({{"/proc/self/cgroup", "0::/\n"}}).bytes == 2048 * kMiB);
  CHECK(left_of({{"/proc/self/cgroup", "0::/a\n"},
                 {"/sys/fs/cgroup/a/memory.max", "max\n"},
                 {"/sys/fs/cgroup/a/memory.current", "1000\n"}})
            .of == 4096 * kMiB);
}

TEST_CASE("the narrowest group that the process lies in counts, its file cache given back") {
  std::map<std::string, std::string> files{
      {"/proc/self/cgroup", "0::/a/b\n"},
      {"/sys/fs/cgroup/a/b/memory.max", "max"},
      {"/sys/fs/cgroup/a/b/memory.high", "536870912"},
      {"/sys/fs/cgroup/a/b/memory.current", "104857600"},
      {"/sys/fs/cgroup/a/b/memory.stat", "anon 5\ninactive_file 52428800\n"},
      {"/sys/fs/cgroup/a/memory.max", "314572800"},
      {"/sys/fs/cgroup/a/memory.current", "209715200"}};
  CHECK(left_of(files).bytes == 100 * kMiB);
  CHECK(left_of(files).of == 300 * kMiB);
  files.erase("/sys/fs/cgroup/a/memory.max");
  CHECK(left_of(files).bytes == 462 * kMiB);
}

TEST_CASE("control groups of version 1, seen from inside and outside a container") {
  std::map<std::string, std::string> files{
      {"/proc/self/cgroup", "5:cpu,memory:/docker/x\n1:cpu:/\n0::/\n"},
      {"/sys/fs/cgroup/memory/memory.limit_in_bytes", "335544320"},
      {"/sys/fs/cgroup/memory/memory.usage_in_bytes", "335544320"},
      {"/sys/fs/cgroup/memory/memory.stat", "total_inactive_file 1048576\n"}};
  CHECK(left_of(files).bytes == kMiB);
  files["/sys/fs/cgroup/memory/memory.limit_in_bytes"] = "9223372036854771712";
  CHECK(left_of(files).bytes == 2048 * kMiB);
}
