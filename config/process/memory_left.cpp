#include "config/process/memory_left.h"

#include <sys/resource.h>

#include <algorithm>
#include <string_view>

namespace stampede::config {
namespace {

void narrow(MemoryLeft& left, std::uint64_t limit, std::uint64_t used) {
  if (limit >= kNoMemoryLimit) return;
  const auto bytes = limit - std::min(limit, used);
  if (bytes < left.bytes) left = {bytes, limit};
}

// What each group allows. What the files in its cache take is given back first.
void narrow_by_groups(MemoryLeft& left, const ReadFile& read) {
  for_each_memory_group(read, [&](const MemoryGroupFiles& files, const std::string& at) {
    const auto used = number_in(read(at + std::string(files.used)));
    if (!used) return;
    const auto cache = member_of(read(at + "memory.stat"), files.cache).value_or(0);
    for (const auto limit : files.limits)
      if (const auto most = number_in(read(at + std::string(limit))))
        narrow(left, *most, *used - std::min(*used, cache));
  });
}

void narrow_by_limit(MemoryLeft& left, const std::string& status, decltype(RLIMIT_AS) which,
                     std::string_view used) {
  rlimit limit{};
  if (::getrlimit(which, &limit) != 0 || limit.rlim_cur == RLIM_INFINITY) return;
  narrow(left, limit.rlim_cur, member_of(status, used).value_or(0) * 1024);
}

}  // namespace

MemoryLeft memory_left(const ReadFile& read) {
  MemoryLeft left;
  const auto machine = read("/proc/meminfo");
  const auto total = member_of(machine, "MemTotal:").value_or(0) * 1024;
  const auto available = member_of(machine, "MemAvailable:");
  if (available) narrow(left, total, total - std::min(total, *available * 1024));
  narrow_by_groups(left, read);
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
