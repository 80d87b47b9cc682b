#include "storage/log/log_place.h"

#include <algorithm>
#include <cinttypes>
#include <cstdio>
#include <optional>
#include <vector>

#include "storage/log/log_segment.h"

namespace stampede::storage {
namespace {

constexpr std::string_view kPrefix = "place-";
constexpr std::size_t kDigits = 16;

std::string name_of(const DirectoryPlace& place) {
  char text[64];
  const int length = std::snprintf(text, sizeof text, "place-%016" PRIx64 "-%016" PRIx64,
                                   static_cast<std::uint64_t>(place.made_ns), place.number);
  return {text, static_cast<std::size_t>(length)};
}

// A name of other digits is no place that anybody has.
DirectoryPlace place_of(std::string_view name) {
  const auto text = name.substr(kPrefix.size());
  if (text.size() != 2 * kDigits + 1 || text[kDigits] != '-') return {};
  const auto made = parse_hex16(text.substr(0, kDigits));
  const auto number = parse_hex16(text.substr(kDigits + 1));
  if (!made || !number) return {};
  return {static_cast<std::int64_t>(*made), *number};
}

Result<std::vector<std::string>> remembered_names(Disk& disk, const std::string& dir) {
  const auto files = disk.list(dir);
  if (!files) return files.error();
  std::vector<std::string> names;
  for (const auto& file : *files)
    if (looks_like_place(file.name)) names.push_back(file.name);
  return names;
}

}  // namespace

bool looks_like_place(std::string_view name) {
  return name.starts_with(kPrefix);
}

Result<KnownPlace> known_place(Disk& disk, const std::string& dir) {
  const auto names = remembered_names(disk, dir);
  if (!names) return names.error();
  const auto place = disk.place(dir);
  if (names->empty() || !place.is_known()) return KnownPlace::none;
  const bool here = std::all_of(names->begin(), names->end(),
                                [&](const auto& name) { return place_of(name) == place; });
  return here ? KnownPlace::here : KnownPlace::another;
}

Status remember_place(Disk& disk, const std::string& dir) {
  const auto place = disk.place(dir);
  if (!place.is_known()) return Done{};
  const auto names = remembered_names(disk, dir);
  if (!names) return names.error();
  const auto wanted = name_of(place);
  if (*names == std::vector{wanted}) return Done{};
  if (std::find(names->begin(), names->end(), wanted) == names->end()) {
    if (auto made = disk.create_zeroed(path_in(dir, wanted), 0); !made) return made.error();
  }
  if (auto synced = disk.sync_dir(dir); !synced) return synced;
  for (const auto& name : *names) {
    if (name == wanted) continue;
    if (auto removed = disk.remove(path_in(dir, name)); !removed) return removed;
  }
  return Done{};
}

}  // namespace stampede::storage
