#include "actors/backend/agents/snapshot_agent.h"

#include "storage/snapshot/snapshot_file.h"

namespace stampede::actors {

storage::Result<std::optional<storage::LogUuid>> DatabaseRows::log_uuid() {
  if (auto ready = connect(); !ready) return ready.error();
  return database_->log_uuid();
}

storage::Result<std::vector<storage::ItemRow>> DatabaseRows::items() {
  if (auto ready = connect(); !ready) return ready.error();
  return database_->items();
}

storage::Result<std::vector<storage::PromoRow>> DatabaseRows::promos() {
  if (auto ready = connect(); !ready) return ready.error();
  return database_->promos();
}

storage::Result<std::vector<std::string>> DatabaseRows::differing(
    const storage::LaneBatch& orders) {
  if (auto ready = connect(); !ready) return ready.error();
  return database_->differing_orders(orders);
}

storage::Status DatabaseRows::connect() {
  if (database_) return storage::Done{};
  auto opened = storage::Database::open(options_);
  if (!opened) return opened.error();
  database_.emplace(std::move(*opened));
  return storage::Done{};
}

bool SnapshotAgent::has_work(Micros now) {
  return now >= next_retain_ || (now >= next_make_ && due(now));
}

void SnapshotAgent::look(Micros now) {
  if (now >= next_make_ && due(now)) make(now);
  if (!outlet_.stopping() && now >= next_retain_) retain(now);
}

bool SnapshotAgent::due(Micros now) {
  const auto bytes = bytes_behind_snapshot(disk_, settings_.dir);
  if (bytes) return *bytes >= settings_.every_bytes;
  failed("looking at the log", bytes.error(), now);
  return false;
}

void SnapshotAgent::make(Micros now) {
  const auto lock = lock_snapshots(disk_, settings_.dir);
  if (!lock) return;  // somebody else makes one; look again soon
  const auto made =
      make_snapshot(disk_, settings_.dir,
                    {settings_.limits, outlet_.wall_ns(), [this] { return outlet_.stopping(); }});
  if (!made) return failed("making a snapshot", made.error(), now);
  if (!*made) {
    next_make_ = now + settings_.after_failure;  // segments without a batch
    return;
  }
  outlet_.made(**made);
  next_retain_ = 0;
}

void SnapshotAgent::retain(Micros now) {
  next_retain_ = now + settings_.retain_every;
  if (const auto all = storage::list_snapshots(disk_, settings_.dir); !all || all->empty()) return;
  const auto lock = lock_snapshots(disk_, settings_.dir);
  if (!lock) return;
  RetentionRules rules;
  rules.retain_s = settings_.retain_s;
  rules.now_ns = outlet_.wall_ns();
  rules.stop = [this] { return outlet_.stopping(); };
  const auto rows = outlet_.rows();
  const auto report = remove_old_segments(disk_, settings_.dir, rules, *rows);
  if (!report) {
    if (report.error().code == storage::Errc::unavailable) return;
    next_retain_ = now + settings_.after_failure;
    return outlet_.not_retained(report.error(), settings_.after_failure);
  }
  outlet_.retained(*report);
  if (!report->kept.empty()) next_retain_ = now + settings_.after_kept;
  if (!report->differing.empty()) next_retain_ = now + settings_.after_difference;
}

void SnapshotAgent::failed(std::string_view doing, const storage::Error& error, Micros now) {
  next_make_ = now + settings_.after_failure;
  if (!outlet_.stopping()) outlet_.not_made(doing, error, settings_.after_failure);
}

}  // namespace stampede::actors
