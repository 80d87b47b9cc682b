#include "config/process/memory_left.h"

#include <sys/resource.h>

#include <algorithm>
#include <charconv>
#include <fstream>
#include <iterator>
#include <sstream>
#include <string_view>

namespace stampede::config {
namespace {

constexpr std::uint64_t kNoLimit = std::uint64_t{1} << 60;  // and above: what "none" looks like

std::string read_file(const std::string& path) {
  std::ifstream in(path);
  return std::string(std::istreambuf_iterator<char>(in), {});
}

std::optional<std::uint64_t> number(std::string_view text) {
  std::uint64_t value = 0;
  const auto begin = text.find_first_of("0123456789");
  if (begin == std::string_view::npos) return std::nullopt;
  const auto [end, error] = std::from_chars(text.data() + begin, text.data() + text.size(), value);
  return error == std::errc{} ? std::optional(value) : std::nullopt;
}

// Of a line `KEY value`; the key with what ends it.
std::optional<std::uint64_t> member(const std::string& text, std::string_view key) {
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);)
    if (line.starts_with(key)) return number(std::string_view(line).substr(key.size()));
  return std::nullopt;
}

void narrow(MemoryLeft& left, std::uint64_t limit, std::uint64_t used) {
  if (limit >= kNoLimit) return;
  const auto bytes = limit - std::min(limit, used);
  if (bytes < left.bytes) left = {bytes, limit};
}

// What one group and those around it allow. What the files in its cache take is given back first.
struct GroupFiles {
  std::string_view root, limits[2], used, cache;
};

constexpr GroupFiles kVersion1{"/sys/fs/cgroup/memory",
                               {"memory.limit_in_bytes", "memory.limit_in_bytes"},
                               "memory.usage_in_bytes",
                               "total_inactive_file "};
constexpr GroupFiles kVersion2{
    "/sys/fs/cgroup", {"memory.max", "memory.high"}, "memory.current", "inactive_file "};

void narrow_by_groups(MemoryLeft& left, const ReadFile& read, const GroupFiles& files,
                      std::string path) {
  for (;; path.erase(path.rfind('/'))) {
    const std::string at = std::string(files.root) + path + "/";
    if (const auto used = number(read(at + std::string(files.used)))) {
      const auto cache = member(read(at + "memory.stat"), files.cache).value_or(0);
      for (const auto limit : files.limits)
        if (const auto most = number(read(at + std::string(limit))))
          narrow(left, *most, *used - std::min(*used, cache));
    }
    if (path.rfind('/') == std::string::npos) return;
  }
}

void narrow_by_all_groups(MemoryLeft& left, const ReadFile& read) {
  std::istringstream lines(read("/proc/self/cgroup"));
  for (std::string line; std::getline(lines, line);) {
    const auto first = line.find(':');
    const auto second = line.find(':', first + 1);
    if (first == std::string::npos || second == std::string::npos) continue;
    const auto controllers = "," + line.substr(first + 1, second - first - 1) + ",";
    auto path = line.substr(second + 1);
    if (path == "/") path.clear();
    if (controllers == ",,") narrow_by_groups(left, read, kVersion2, path);
    if (controllers.find(",memory,") != std::string::npos)
      narrow_by_groups(left, read, kVersion1, path);
  }
}

void narrow_by_limit(MemoryLeft& left, const std::string& status, decltype(RLIMIT_AS) which,
                     std::string_view used) {
  rlimit limit{};
  if (::getrlimit(which, &limit) != 0 || limit.rlim_cur == RLIM_INFINITY) return;
  narrow(left, limit.rlim_cur, member(status, used).value_or(0) * 1024);
}

}  // namespace

MemoryLeft memory_left(const ReadFile& read) {
  MemoryLeft left;
  const auto machine = read("/proc/meminfo");
  const auto total = member(machine, "MemTotal:").value_or(0) * 1024;
  const auto available = member(machine, "MemAvailable:");
  if (available) narrow(left, total, total - std::min(total, *available * 1024));
  narrow_by_all_groups(left, read);
  return left;
}

MemoryLeft memory_left() {
  auto left = memory_left(read_file);
  const auto status = read_file("/proc/self/status");
  narrow_by_limit(left, status, RLIMIT_AS, "VmSize:");
  narrow_by_limit(left, status, RLIMIT_DATA, "VmData:");
  return left;
}

}  // namespace stampede::config
