#pragma once

// The kernel's control groups of memory that this process lies in, of version 1 and 2: what they
// allow, and whom the kernel has killed in them.

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

namespace stampede::config {

// The text of a file; empty when it cannot be read.
using ReadFile = std::function<std::string(const std::string& path)>;
std::string read_file(const std::string& path);

// The first number in a text.
std::optional<std::uint64_t> number_in(std::string_view text);
// Of a line `KEY value`; the key with what ends it.
std::optional<std::uint64_t> member_of(const std::string& text, std::string_view key);

inline constexpr std::uint64_t kNoMemoryLimit = std::uint64_t{1} << 60;  // and above: there is none

// The names of a group's files.
struct MemoryGroupFiles {
  std::string_view root, limits[2], used, cache, kills;
};

// The process' own group first, then those around it. `at` ends with a slash.
using OnMemoryGroup = std::function<void(const MemoryGroupFiles& files, const std::string& at)>;
void for_each_memory_group(const ReadFile& read, const OnMemoryGroup& on_group);

// What the kernel has killed for want of memory in this process' group, or on the whole machine
// where the process lies in none; the narrowest limit, 0: none is known.
struct MemoryKills {
  std::uint64_t count = 0;
  std::uint64_t limit = 0;
};
// Some 100 microseconds. Any thread.
MemoryKills memory_kills(const ReadFile& read = read_file);

}  // namespace stampede::config
