// Whom the kernel has killed for want of memory, from the files of made-up machines.

#include "config/process/memory_group.h"

#include <doctest/doctest.h>

#include <map>

using namespace stampede::config;

namespace {

MemoryKills kills_of(std::map<std::string, std::string> files) {
  files.emplace("/proc/vmstat", "nr_free_pages 7\noom_kill 53\n");
  return memory_kills([&](const std::string& path) { return files[path]; });
}

}  // namespace

TEST_CASE("a group of version 2 counts its own, and the narrowest limit around it is named") {
  const auto kills = kills_of({{"/proc/self/cgroup", "0::/a/b\n"},
                               {"/sys/fs/cgroup/a/b/memory.events",
                                "low 0\nhigh 0\nmax 9\noom 4\noom_kill 3\noom_group_kill 0\n"},
                               {"/sys/fs/cgroup/a/b/memory.max", "max\n"},
                               {"/sys/fs/cgroup/a/memory.events", "oom 9\noom_kill 8\n"},
                               {"/sys/fs/cgroup/a/memory.max", "536870912\n"}});
  CHECK(kills.count == 3);
  CHECK(kills.limit == 536'870'912);
}

TEST_CASE("a group of version 1, seen from inside a container") {
  const auto kills = kills_of({{"/proc/self/cgroup", "5:cpu,memory:/docker/x\n0::/\n"},
                               {"/sys/fs/cgroup/memory/memory.oom_control",
                                "oom_kill_disable 0\nunder_oom 0\noom_kill 2\n"},
                               {"/sys/fs/cgroup/memory/memory.limit_in_bytes", "335544320"}});
  CHECK(kills.count == 2);
  CHECK(kills.limit == 335'544'320);
}

TEST_CASE("in no group the machine's count is told, and no limit") {
  const auto kills = kills_of({{"/proc/self/cgroup", "0::/\n"}});
  CHECK(kills.count == 53);
  CHECK(kills.limit == 0);
}
