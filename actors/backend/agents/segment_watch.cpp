#include "actors/backend/agents/segment_watch.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "storage/log/log_begin.h"
#include "storage/log/log_segment.h"

namespace stampede::actors {
namespace {

constexpr std::uint64_t kCopiedAtOnce = std::uint64_t{1} << 20;

}  // namespace

void SegmentWatch::look() {
  const auto files = disk_.list(dir_);
  if (!files) return outlet_.not_watched(files.error());
  hold_newest(*files);
  if (const auto judged = judge(*files); !judged) outlet_.not_watched(judged.error());
}

// The open segment, too: it is held before it is closed. Its own writer sees what becomes of it.
void SegmentWatch::hold_newest(const std::vector<storage::FileEntry>& files) {
  std::map<std::uint64_t, const storage::FileEntry*> there;
  for (const auto& file : files)
    if (const auto name = storage::parse_segment_name(file.name)) there[name->seg_no] = &file;
  if (there.empty()) return;
  lowest_seen_ = std::min(lowest_seen_, there.begin()->first);
  const auto newest = there.rbegin()->first;
  const auto from = newest - std::min<std::uint64_t>(newest, kHeldMax - 1);
  held_.erase(held_.begin(), held_.lower_bound(from));
  for (auto it = there.lower_bound(from); it != there.end(); ++it) {
    const auto& [number, entry] = *it;
    if (const auto held = held_.find(number);
        held != held_.end() && held->second.name == entry->name)
      continue;
    auto file = disk_.hold(storage::path_in(dir_, entry->name));
    if (file && *file) held_[number] = {entry->name, entry->bytes, std::move(*file)};
  }
}

storage::Status SegmentWatch::judge(const std::vector<storage::FileEntry>& files) {
  storage::Result<std::vector<std::uint64_t>> missing = storage::missing_among(files, lowest_seen_);
  // Names are not listed in one moment: retention says where the log begins before it removes.
  if (!missing->empty()) missing = storage::missing_segments(disk_, dir_, lowest_seen_);
  if (!missing) return missing.error();
  std::set<std::uint64_t> gone(missing->begin(), missing->end());
  storage::Status status = storage::Done{};
  for (const auto number : *missing) {
    const auto held = held_.find(number);
    if (held == held_.end()) continue;
    if (auto written = write_again(held->second); !written) {
      status = written;
      continue;
    }
    outlet_.written_again(held->second.name);
    held_.erase(held);  // the next look holds the new file
    gone.erase(number);
  }
  tell(std::move(gone));
  return status;
}

storage::Status SegmentWatch::write_again(const Held& held) {
  const auto temporary = storage::path_in(dir_, storage::kRestoredTmpName);
  if (auto removed = disk_.remove(temporary); !removed) return removed;
  auto made = disk_.create_zeroed(temporary, held.bytes);
  if (!made) return made.error();
  if (auto copied = copy(held, **made); !copied) {
    (void)disk_.remove(temporary);
    return copied;
  }
  if (auto named = disk_.rename(temporary, storage::path_in(dir_, held.name)); !named) return named;
  return disk_.sync_dir(dir_);
}

storage::Status SegmentWatch::copy(const Held& held, storage::AppendFile& file) {
  std::string bytes;
  for (std::uint64_t at = 0; at < held.bytes; at += bytes.size()) {
    const auto most = std::min(kCopiedAtOnce, held.bytes - at);
    if (auto read = held.file->read(at, most, bytes); !read) return read;
    if (bytes.empty())
      return storage::Error{storage::Errc::io, held.name + " was cut before it was removed"};
    if (auto written = file.write_at(at, bytes); !written) return written;
  }
  return file.sync();
}

void SegmentWatch::tell(std::set<std::uint64_t> missing) {
  if (missing == told_) return;
  told_ = std::move(missing);
  outlet_.missing(told_);
}

}  // namespace stampede::actors
