#include "actors/backend/agents/segment_watch.h"

#include <algorithm>
#include <string_view>
#include <utility>
#include <vector>

#include "storage/log/log_begin.h"
#include "storage/log/log_segment.h"
#include "storage/snapshot/snapshot_file.h"

namespace stampede::actors {
namespace {

constexpr std::uint64_t kCopiedAtOnce = std::uint64_t{1} << 20;

bool is_snapshot(std::string_view name) {
  static const std::size_t size = storage::snapshot_name({}).size();
  return storage::looks_like_snapshot(name) && name.size() == size;
}

}  // namespace

void SegmentWatch::look() {
  const auto files = disk_.list(dir_);
  if (!files) return outlet_.not_watched(files.error());
  hold_newest(*files);
  LogLosses losses;
  if (const auto judged = judge(*files, losses); !judged) outlet_.not_watched(judged.error());
  judge_sizes(*files, losses);
  if (const auto judged = judge_snapshot(*files, losses); !judged)
    outlet_.not_watched(judged.error());
  tell(std::move(losses));
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
    Held fresh;
    hold(*entry, fresh);
    if (fresh.file) held_[number] = std::move(fresh);
  }
}

void SegmentWatch::hold(const storage::FileEntry& file, Held& held) {
  auto opened = disk_.hold(storage::path_in(dir_, file.name));
  held = {file.name, file.bytes, opened ? std::move(*opened) : nullptr};
}

storage::Status SegmentWatch::judge(const std::vector<storage::FileEntry>& files,
                                    LogLosses& losses) {
  storage::Result<std::vector<std::uint64_t>> missing = storage::missing_among(files, lowest_seen_);
  // Names are not listed in one moment: retention says where the log begins before it removes.
  if (!missing->empty()) missing = storage::missing_segments(disk_, dir_, lowest_seen_);
  if (!missing) {
    losses.removed = told_.removed;
    return missing.error();
  }
  losses.removed.insert(missing->begin(), missing->end());
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
    losses.removed.erase(number);
  }
  return status;
}

// A segment has its whole size from the beginning, and its writer looks after the newest.
void SegmentWatch::judge_sizes(const std::vector<storage::FileEntry>& files,
                               LogLosses& losses) const {
  for (const auto& file : files) {
    const auto name = storage::parse_segment_name(file.name);
    const auto held = name ? held_.find(name->seg_no) : held_.end();
    if (held == held_.end() || held->first == held_.rbegin()->first) continue;
    if (held->second.name == file.name && file.bytes < held->second.bytes)
      losses.cut.insert(held->first);
  }
}

// Older ones are removed when one is made; never the newest.
storage::Status SegmentWatch::judge_snapshot(const std::vector<storage::FileEntry>& files,
                                             LogLosses& losses) {
  const storage::FileEntry* newest = nullptr;
  for (const auto& file : files)
    if (is_snapshot(file.name) && (newest == nullptr || file.name > newest->name)) newest = &file;
  if (newest != nullptr && newest->name >= snapshot_.name) {
    const bool cut = newest->name == snapshot_.name && newest->bytes < snapshot_.bytes;
    const bool another = newest->name != snapshot_.name || !told_.snapshot.empty();
    if (!cut && another) hold(*newest, snapshot_);
    if (!cut) return storage::Done{};
    losses.snapshot = newest->name;
    losses.snapshot_cut = true;
    snapshot_.file.reset();  // of no use any more
    return storage::Done{};
  }
  losses.snapshot = snapshot_.name;
  if (!snapshot_.file) return storage::Done{};
  if (auto written = write_again(snapshot_); !written) return written;
  losses.snapshot.clear();
  outlet_.written_again(snapshot_.name);
  hold({snapshot_.name, snapshot_.bytes}, snapshot_);
  return storage::Done{};
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

void SegmentWatch::tell(LogLosses losses) {
  if (losses == told_) return;
  told_ = std::move(losses);
  outlet_.missing(told_);
}

}  // namespace stampede::actors
