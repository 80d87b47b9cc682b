#include "storage/log/log_begin.h"

#include <algorithm>
#include <set>

#include "storage/log/log_segment.h"

namespace stampede::storage {
namespace {

constexpr std::string_view kPrefix = "begins-";

std::optional<std::uint64_t> number_of(std::string_view name) {
  if (!looks_like_begin(name)) return std::nullopt;
  return parse_hex16(name.substr(kPrefix.size()));
}

std::string name_of(std::uint64_t seg_no) {
  return std::string(kPrefix) + segment_name(seg_no, 0).substr(0, 16);
}

}  // namespace

bool looks_like_begin(std::string_view name) {
  return name.starts_with(kPrefix);
}

Result<std::optional<std::uint64_t>> known_begin(Disk& disk, const std::string& dir) {
  const auto files = disk.list(dir);
  if (!files) return files.error();
  std::optional<std::uint64_t> known;
  for (const auto& file : *files)
    if (const auto number = number_of(file.name)) known = std::max(known.value_or(0), *number);
  return known;
}

Result<std::vector<std::uint64_t>> missing_segments(Disk& disk, const std::string& dir,
                                                    std::uint64_t lowest_seen) {
  const auto files = disk.list(dir);
  if (!files) return files.error();
  return missing_among(*files, lowest_seen);
}

std::vector<std::uint64_t> missing_among(const std::vector<FileEntry>& files,
                                         std::uint64_t lowest_seen) {
  constexpr std::size_t kNamedMax = 1000;
  std::optional<std::uint64_t> begin;
  std::set<std::uint64_t> there;
  for (const auto& file : files) {
    if (const auto number = number_of(file.name)) begin = std::max(begin.value_or(0), *number);
    if (const auto name = parse_segment_name(file.name)) there.insert(name->seg_no);
  }
  std::vector<std::uint64_t> missing;
  if (there.empty()) return missing;
  const auto from = begin.value_or(std::min(*there.begin(), lowest_seen));
  for (auto number = from; number < *there.rbegin() && missing.size() < kNamedMax; ++number)
    if (!there.contains(number)) missing.push_back(number);
  return missing;
}

Status remember_begin(Disk& disk, const std::string& dir, std::uint64_t seg_no) {
  const auto files = disk.list(dir);
  if (!files) return files.error();
  const auto wanted = name_of(seg_no);
  const bool there = std::any_of(files->begin(), files->end(),
                                 [&](const auto& file) { return file.name == wanted; });
  if (!there) {
    if (auto made = disk.create_zeroed(path_in(dir, wanted), 0); !made) return made.error();
  }
  if (auto synced = disk.sync_dir(dir); !synced) return synced;
  // Lower ones say nothing any more; a crash may leave them.
  for (const auto& file : *files) {
    const auto number = number_of(file.name);
    if (!number || *number >= seg_no) continue;
    if (auto removed = disk.remove(path_in(dir, file.name)); !removed) return removed;
  }
  return Done{};
}

}  // namespace stampede::storage
