#include "config/process/memory_group.h"

#include <algorithm>
#include <charconv>
#include <fstream>
#include <iterator>
#include <sstream>

namespace stampede::config {
namespace {

constexpr MemoryGroupFiles kVersion1{"/sys/fs/cgroup/memory",
                                     {"memory.limit_in_bytes", "memory.limit_in_bytes"},
                                     "memory.usage_in_bytes",
                                     "total_inactive_file ",
                                     "memory.oom_control"};
constexpr MemoryGroupFiles kVersion2{"/sys/fs/cgroup",
                                     {"memory.max", "memory.high"},
                                     "memory.current",
                                     "inactive_file ",
                                     "memory.events"};

// Inside a container the group's own path may not be there, while what stands at the root is it.
void upwards(const MemoryGroupFiles& files, std::string path, const OnMemoryGroup& on_group) {
  for (;; path.erase(path.rfind('/'))) {
    on_group(files, std::string(files.root) + path + "/");
    if (path.rfind('/') == std::string::npos) return;
  }
}

}  // namespace

std::string read_file(const std::string& path) {
  std::ifstream in(path);
  return std::string(std::istreambuf_iterator<char>(in), {});
}

std::optional<std::uint64_t> number_in(std::string_view text) {
  std::uint64_t value = 0;
  const auto begin = text.find_first_of("0123456789");
  if (begin == std::string_view::npos) return std::nullopt;
  const auto [end, error] = std::from_chars(text.data() + begin, text.data() + text.size(), value);
  return error == std::errc{} ? std::optional(value) : std::nullopt;
}

std::optional<std::uint64_t> member_of(const std::string& text, std::string_view key) {
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);)
    if (line.starts_with(key)) return number_in(std::string_view(line).substr(key.size()));
  return std::nullopt;
}

void for_each_memory_group(const ReadFile& read, const OnMemoryGroup& on_group) {
  std::istringstream lines(read("/proc/self/cgroup"));
  for (std::string line; std::getline(lines, line);) {
    const auto first = line.find(':');
    const auto second = line.find(':', first + 1);
    if (first == std::string::npos || second == std::string::npos) continue;
    const auto controllers = "," + line.substr(first + 1, second - first - 1) + ",";
    auto path = line.substr(second + 1);
    if (path == "/") path.clear();
    if (controllers == ",,") upwards(kVersion2, path, on_group);
    if (controllers.find(",memory,") != std::string::npos) upwards(kVersion1, path, on_group);
  }
}

MemoryKills memory_kills(const ReadFile& read) {
  std::optional<std::uint64_t> count;
  std::uint64_t limit = kNoMemoryLimit;
  for_each_memory_group(read, [&](const MemoryGroupFiles& files, const std::string& at) {
    if (!count) count = member_of(read(at + std::string(files.kills)), "oom_kill ");
    limit = std::min(limit, number_in(read(at + std::string(files.limits[0]))).value_or(limit));
  });
  if (!count) count = member_of(read("/proc/vmstat"), "oom_kill ");
  return {count.value_or(0), limit == kNoMemoryLimit ? 0 : limit};
}

}  // namespace stampede::config
