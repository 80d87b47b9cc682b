#include <nlohmann/json.hpp>

#include "actors/backend/recovery/snapshot_builder.h"
#include "config/process/wall_clock.h"
#include "storage/disk/posix_disk.h"
#include "storage/log/log_segment.h"
#include "storage/snapshot/snapshot_file.h"
#include "tools/log/log_files.h"
#include "tools/log/log_tool.h"

namespace stampede::tools {
namespace {

using nlohmann::ordered_json;
using storage::Errc;

int print_made(const ToolOptions& options, const std::optional<actors::SnapshotMade>& made,
               std::ostream& out) {
  if (options.json) {
    ordered_json result = {{"ok", true}, {"made", made.has_value()}};
    if (made) {
      result["name"] = made->name;
      result["lsn"] = storage::to_text(made->header.position.last_lsn);
      result["bytes"] = made->bytes;
      result["hash"] = storage::to_text(made->hash);
      result["from"] = made->base;
    }
    out << result.dump() << '\n';
    return kExitDone;
  }
  if (!made) {
    out << "nothing to do: no closed segment lies behind the newest snapshot (the last segment of "
           "a "
           "log is not closed; restarting the backend closes it)\n";
    return kExitDone;
  }
  out << "made " << made->name << ": up to lsn " << storage::to_text(made->header.position.last_lsn)
      << ", " << grouped(made->bytes) << " bytes, hash " << storage::to_text(made->hash)
      << ", from " << (made->base.empty() ? "the start of the log" : made->base) << '\n';
  return kExitDone;
}

std::vector<std::string> names_of_snapshots(storage::Disk& disk, const std::string& dir) {
  std::vector<std::string> names;
  if (const auto all = storage::list_snapshots(disk, dir))
    for (const auto& one : *all) names.push_back(one.name);
  return names;
}

// A backend that makes a newer one removes the oldest: then the two newest are others.
storage::Result<actors::SnapshotComparison> compare_newest(storage::Disk& disk,
                                                           const std::string& dir) {
  while (true) {
    const auto names = names_of_snapshots(disk, dir);
    auto compared = actors::compare_snapshots(disk, dir);
    if (compared || names == names_of_snapshots(disk, dir)) return compared;
  }
}

}  // namespace

int run_log_snapshot(const ToolOptions& options, const std::string& given, std::ostream& out,
                     std::ostream& err) {
  const auto dir = own_log_dir(options, given);
  if (!dir) return report_error(err, dir.error());
  storage::PosixDisk disk;
  const auto lock = actors::lock_snapshots(disk, *dir);
  if (!lock && lock.error().code == Errc::locked) {
    err << "stampede: a snapshot is being made already: " << lock.error().message << '\n';
    return kExitRefused;
  }
  if (!lock) return report_error(err, lock.error());
  const auto& backend = options.config.backend;
  actors::SnapshotOrder order;
  order.limits = {backend.orders_max, backend.rejections_max};
  order.created_ns = config::wall_ns();
  const auto made = actors::make_snapshot(disk, *dir, order);
  if (!made) return report_error(err, made.error());
  return print_made(options, *made, out);
}

int run_snapshot_verify(const ToolOptions& options, const std::string& given, std::ostream& out,
                        std::ostream& err) {
  const auto dir = existing_log_dir(options, given);
  if (!dir) return report_error(err, dir.error());
  storage::PosixDisk disk;
  const auto compared = compare_newest(disk, *dir);
  if (!compared) return report_error(err, compared.error());
  const bool same = compared->carried == compared->replayed;
  const std::string older = compared->older.empty() ? "the start of the log" : compared->older;
  if (options.json) {
    out << ordered_json{{"ok", same},
                        {"newer", compared->newer},
                        {"older", compared->older},
                        {"batches", compared->batches},
                        {"hash", storage::to_text(compared->carried)},
                        {"replayed_hash", storage::to_text(compared->replayed)}}
               .dump()
        << '\n';
  } else {
    out << "snapshot  " << compared->newer << "  " << storage::to_text(compared->carried) << '\n'
        << "replayed  from " << older << " over " << grouped(compared->batches) << " batches  "
        << storage::to_text(compared->replayed) << '\n'
        << (same ? "OK\n" : "VIOLATION the snapshot is not what the log says\n");
  }
  return same ? kExitDone : kExitViolation;
}

}  // namespace stampede::tools
