#include "storage/log/refused_rows.h"

#include <algorithm>

#include "storage/log/log_segment.h"

namespace stampede::storage {
namespace {

constexpr std::string_view kName = "refused-rows";
constexpr std::string_view kTmpName = "refused-rows.tmp";

Result<std::set<Lsn>> parse(std::string_view text, const std::string& path) {
  std::set<Lsn> lsns;
  while (!text.empty()) {
    const auto line = text.substr(0, text.find('\n'));
    text.remove_prefix(std::min(line.size() + 1, text.size()));
    const auto lsn = parse_lsn(line);
    if (!lsn)
      return Error{Errc::corrupt, path +
                                      " is damaged: a line is no lsn. `stampede log replay "
                                      "--all` writes it anew"};
    lsns.insert(*lsn);
  }
  return lsns;
}

Status write_whole(Disk& disk, const std::string& path, const std::string& text) {
  auto file = disk.create_zeroed(path, text.size());
  if (!file) return file.error();
  if (auto written = (*file)->write_at(0, text); !written) return written;
  return (*file)->sync();
}

}  // namespace

bool looks_like_refused_rows(std::string_view name) {
  return name == kName || name == kTmpName;
}

Result<std::set<Lsn>> refused_rows(Disk& disk, const std::string& dir) {
  const auto files = disk.list(dir);
  if (!files) return files.error();
  const auto file =
      std::find_if(files->begin(), files->end(), [](const auto& one) { return one.name == kName; });
  if (file == files->end()) return std::set<Lsn>{};
  const auto path = path_in(dir, kName);
  std::string text;
  if (auto read = disk.read(path, 0, file->bytes, text); !read) return read.error();
  return parse(text, path);
}

Status remember_refused_rows(Disk& disk, const std::string& dir, const std::set<Lsn>& lsns) {
  const auto path = path_in(dir, kName);
  const auto tmp = path_in(dir, kTmpName);
  for (const auto& name : {tmp, path}) {  // the first is what a crash left
    if (auto removed = disk.remove(name); !removed) return removed;
  }
  if (lsns.empty()) return disk.sync_dir(dir);
  std::string text;
  for (const auto lsn : lsns) (text += to_text(lsn)) += '\n';
  if (auto written = write_whole(disk, tmp, text); !written) return written;
  if (auto renamed = disk.rename(tmp, path); !renamed) return renamed;
  return disk.sync_dir(dir);
}

}  // namespace stampede::storage
