#include "actors/backend/recovery/snapshot_builder.h"

#include <algorithm>
#include <utility>

#include "config/faults/failpoint.h"
#include "config/process/invariant.h"
#include "storage/snapshot/snapshot_entries.h"

namespace stampede::actors {

namespace {

using storage::Disk;
using storage::Errc;
using storage::Error;
using storage::SnapshotReader;
using storage::Status;

constexpr std::string_view kSnapshotTmp = ".tmp";

Error at_file(const std::string& dir, const std::string& name, const Error& error) {
  return {error.code, "snapshot " + storage::path_in(dir, name) + ": " + error.message};
}

// Feeds every block of an opened snapshot to a new fold.
storage::Result<std::unique_ptr<LogFold>> load_blocks(SnapshotReader& reader,
                                                      const OrderBookLimits& limits,
                                                      const std::string& dir,
                                                      const std::string& name,
                                                      const std::function<void()>& on_block) {
  auto fold = std::make_unique<LogFold>(reader.header().position.hash_key, limits);
  storage::SnapshotBlock block;
  while (true) {
    const auto more = reader.next(block);
    if (!more) return more.error();
    if (!*more) break;
    on_block();
    if (auto loaded = fold->load(block); !loaded) return at_file(dir, name, loaded.error());
  }
  if (auto loaded = fold->loaded(); !loaded) return at_file(dir, name, loaded.error());
  return fold;
}

// How many rejections its maker was to remember.
storage::Result<std::uint64_t> rejections_max_of(Disk& disk, const std::string& dir,
                                                 const std::string& name) {
  auto reader = SnapshotReader::open(disk, dir, name);
  if (!reader) return reader.error();
  storage::SnapshotBlock block;
  const auto more = reader->next(block);
  if (!more) return more.error();
  storage::EntryReader in(block.entries, block.level);
  storage::SnapshotSummary summary;
  if (!*more || block.section != storage::SnapshotSection::summary || !decode(in, summary) ||
      summary.rejections_max == 0)
    return at_file(dir, name, {Errc::corrupt, "its summary makes no sense"});
  return summary.rejections_max;
}

// What a crash left half made.
Status remove_leftovers(Disk& disk, const std::string& dir) {
  const auto files = disk.list(dir);
  if (!files) return files.error();
  for (const auto& file : *files) {
    if (!storage::looks_like_snapshot(file.name) || !file.name.ends_with(kSnapshotTmp)) continue;
    if (auto removed = disk.remove(storage::path_in(dir, file.name)); !removed) return removed;
  }
  return storage::Done{};
}

// All snapshots but those named.
Status remove_others(Disk& disk, const std::string& dir, const std::string& newest,
                     const std::string& second) {
  const auto all = storage::list_snapshots(disk, dir);
  if (!all) return all.error();
  for (const auto& snapshot : *all) {
    if (snapshot.name == newest || snapshot.name == second) continue;
    if (config::failpoint("in_snapshot")) return Error{Errc::io, "failpoint in_snapshot"};
    if (auto removed = disk.remove(storage::path_in(dir, snapshot.name)); !removed) return removed;
  }
  return disk.sync_dir(dir);
}

// A snapshot would hold for ever that a record was passed over, or die at it.
Status unless_parked(Disk& disk, const std::string& dir) {
  const auto parked = storage::list_parked(disk, dir);
  if (!parked) return parked.error();
  if (parked->empty()) return storage::Done{};
  return Error{Errc::invalid,
               "no snapshot is made while records are parked: lsn " + storage::to_text(*parked)};
}

Status unless_stopped(const std::function<bool()>& stop) {
  if (stop()) return Error{Errc::unavailable, "stopped while a snapshot was being made"};
  return storage::Done{};
}

}  // namespace

Status FoldingReader::on_log(const storage::LogIdentity& log) {
  if (auto kept = storage::is_kept("the log", log.level); !kept) return kept;
  if (!log_.fold) log_.fold = std::make_unique<LogFold>(log.hash_key, limits_);
  return storage::Done{};
}

storage::Result<LoadedLog> load_snapshot(Disk& disk, const std::string& dir,
                                         const std::string& name, const OrderBookLimits& limits,
                                         const std::function<void()>& on_block) {
  auto reader = SnapshotReader::open(disk, dir, name);
  if (!reader) return reader.error();
  auto fold = load_blocks(*reader, limits, dir, name, on_block);
  if (!fold) return fold.error();
  LoadedLog log;
  log.fold = std::move(*fold);
  log.position = reader->header().position;
  log.snapshot = name;
  return log;
}

storage::Result<LoadedLog> load_newest(Disk& disk, const std::string& dir,
                                       const OrderBookLimits& limits,
                                       const std::function<void()>& on_block) {
  const auto all = storage::list_snapshots(disk, dir);
  if (!all) return all.error();
  std::vector<std::string> unusable;
  for (const auto& snapshot : *all) {
    auto loaded = load_snapshot(disk, dir, snapshot.name, limits, on_block);
    if (loaded) {
      loaded->snapshot_bytes = snapshot.bytes;
      loaded->unusable = std::move(unusable);
      return loaded;
    }
    if (loaded.error().code != Errc::corrupt) return loaded.error();
    unusable.push_back(loaded.error().message);
  }
  LoadedLog start;
  start.unusable = std::move(unusable);
  return start;
}

storage::Result<std::unique_ptr<storage::HeldLock>> lock_snapshots(Disk& disk,
                                                                   const std::string& dir) {
  return disk.lock(storage::path_in(dir, kSnapshotLock));
}

storage::Result<std::uint64_t> bytes_behind_snapshot(Disk& disk, const std::string& dir) {
  const auto files = disk.list(dir);
  if (!files) return files.error();
  const auto snapshots = storage::list_snapshots(disk, dir);
  if (!snapshots) return snapshots.error();
  const std::uint64_t from = snapshots->empty() ? 1 : snapshots->front().seg_no;
  std::uint64_t bytes = 0;
  std::uint64_t last = 0;
  std::uint64_t bytes_of_last = 0;  // not closed
  for (const auto& file : *files) {
    const auto name = storage::parse_segment_name(file.name);
    if (!name || name->seg_no < from) continue;
    bytes += file.bytes;
    if (name->seg_no > last) last = name->seg_no, bytes_of_last = file.bytes;
  }
  return bytes - bytes_of_last;
}

storage::Result<std::optional<SnapshotMade>> make_snapshot(Disk& disk, const std::string& dir,
                                                           const SnapshotOrder& order) {
  if (auto removed = remove_leftovers(disk, dir); !removed) return removed.error();
  if (auto free = unless_parked(disk, dir); !free) return free.error();
  auto log = load_newest(disk, dir, order.limits);
  if (!log) return log.error();
  const std::string base = log->snapshot;
  FoldingReader reader(*log, order.limits,
                       [&](const storage::BatchInfo&) { return unless_stopped(order.stop); });
  const auto reached = storage::read_closed(disk, dir, reader, log->position);
  if (!reached) return reached.error();
  if (!log->fold || reached->chain == log->position.chain)  // no batch in them
    return std::optional<SnapshotMade>{};
  const std::string name = storage::snapshot_name(*reached);
  // A damaged one in its place was passed over above, and is of no use to anybody.
  if (auto removed = disk.remove(storage::path_in(dir, name)); !removed) return removed.error();
  SnapshotMade made{name, {*reached, order.created_ns}, {}, 0, base};
  storage::SnapshotWriter writer(disk, dir, made.header);
  log->fold->save(writer);
  const auto hash = writer.install();
  if (!hash) return hash.error();
  made.hash = *hash;
  made.bytes = writer.bytes();
  if (auto removed = remove_others(disk, dir, name, base); !removed) return removed.error();
  return std::optional(std::move(made));
}

storage::Result<SnapshotComparison> compare_snapshots(Disk& disk, const std::string& dir) {
  const auto all = storage::list_snapshots(disk, dir);
  if (!all) return all.error();
  if (all->empty()) return Error{Errc::not_found, dir + " holds no snapshot"};
  const auto& newer = all->front();
  const auto facts = storage::check_snapshot(disk, dir, newer.name);
  if (!facts) return facts.error();
  const auto rejections = rejections_max_of(disk, dir, newer.name);
  if (!rejections) return rejections.error();
  OrderBookLimits limits;
  limits.rejections_max = *rejections;

  LoadedLog log;
  if (all->size() > 1) {
    auto older = load_snapshot(disk, dir, (*all)[1].name, limits);
    if (!older) return older.error();
    log = std::move(*older);
  } else if (const auto numbers = storage::segment_numbers(disk, dir);
             !numbers || numbers->empty() || numbers->front() != 1) {
    return Error{Errc::not_found, "there is only one snapshot, " + newer.name +
                                      ", and the log does not reach back to its start: nothing "
                                      "to compare it with"};
  }
  SnapshotComparison out{newer.name, log.snapshot, facts->hash, {}, 0};
  FoldingReader reader(log, limits, [&](const storage::BatchInfo&) {
    ++out.batches;
    return Status(storage::Done{});
  });
  const auto reached =
      storage::read_closed(disk, dir, reader, log.position, facts->header.position.seg_no);
  if (!reached) return reached.error();
  if (!log.fold || *reached != facts->header.position)
    return at_file(dir, newer.name, {Errc::corrupt, "the log never was at its position"});
  storage::SnapshotHasher hasher(*reached);
  log.fold->save(hasher);
  out.replayed = hasher.finish();
  return out;
}

}  // namespace stampede::actors
