#include "storage/log/parked_records.h"

#include <algorithm>
#include <optional>
#include <string_view>

#include "storage/log/log_segment.h"

namespace stampede::storage {
namespace {

constexpr std::string_view kPrefix = "parked-";
constexpr std::size_t kWhyBytesMax = 200;

std::string path_of(const std::string& dir, Lsn lsn) {
  return path_in(dir, std::string(kPrefix) + to_text(lsn));
}

std::optional<Lsn> lsn_of(std::string_view name) {
  if (!name.starts_with(kPrefix)) return std::nullopt;
  name.remove_prefix(kPrefix.size());
  const auto lsn = parse_lsn(name);
  return lsn && to_text(*lsn) == name ? lsn : std::nullopt;  // not one that is half made
}

}  // namespace

Result<std::vector<ParkedRecord>> list_parked(Disk& disk, const std::string& dir) {
  const auto files = disk.list(dir);
  if (!files) return files.error();
  std::vector<ParkedRecord> parked;
  for (const auto& file : *files) {
    const auto lsn = lsn_of(file.name);
    if (!lsn) continue;
    auto& record = parked.emplace_back(ParkedRecord{*lsn, {}});
    if (auto read = disk.read(path_of(dir, *lsn), 0, kWhyBytesMax, record.why); !read)
      return read.error();
    record.why.resize(std::min(record.why.find('\n'), record.why.size()));
  }
  std::sort(parked.begin(), parked.end(),
            [](const auto& one, const auto& other) { return one.lsn < other.lsn; });
  return parked;
}

bool looks_like_parked(std::string_view name) {
  return name.starts_with(kPrefix);
}

bool is_parked(const std::vector<ParkedRecord>& parked, Lsn lsn) {
  return std::any_of(parked.begin(), parked.end(),
                     [&](const auto& record) { return record.lsn == lsn; });
}

std::string to_text(const std::vector<ParkedRecord>& parked) {
  std::string text;
  for (const auto& record : parked) text += (text.empty() ? "" : ", ") + to_text(record.lsn);
  return text;
}

Status park_record(Disk& disk, const std::string& dir, const ParkedRecord& record) {
  const auto parked = list_parked(disk, dir);
  if (!parked) return parked.error();
  if (is_parked(*parked, record.lsn)) return Done{};
  const std::string path = path_of(dir, record.lsn);
  const std::string tmp = path + ".tmp";
  if (auto removed = disk.remove(tmp); !removed) return removed;  // a crash left it
  const std::string text = record.why.substr(0, kWhyBytesMax - 1) + "\n";
  auto file = disk.create_zeroed(tmp, text.size());
  if (!file) return file.error();
  if (auto written = (*file)->write_at(0, text); !written) return written;
  if (auto synced = (*file)->sync(); !synced) return synced;
  if (auto renamed = disk.rename(tmp, path); !renamed) return renamed;
  return disk.sync_dir(dir);
}

Status unpark_record(Disk& disk, const std::string& dir, Lsn lsn) {
  const auto parked = list_parked(disk, dir);
  if (!parked) return parked.error();
  if (!is_parked(*parked, lsn))
    return Error{Errc::not_found, "lsn " + to_text(lsn) + " is not parked"};
  if (auto removed = disk.remove(path_of(dir, lsn)); !removed) return removed;
  return disk.sync_dir(dir);
}

}  // namespace stampede::storage
