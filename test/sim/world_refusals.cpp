// Damage and misfits before a start: the start must refuse, name them, and change nothing.

#include <algorithm>
#include <set>
#include <utility>

#include "actors/backend/agents/claim_agent.h"
#include "config/process/exit_codes.h"
#include "storage/log/log_reader.h"
#include "test/sim/world.h"

namespace stampede::sim {

namespace {

constexpr int kMissedWithin = 40;  // attempts

struct Place {
  std::string file;
  std::uint64_t offset;
  std::uint64_t bytes;
};

class Places : public storage::LogVisitor {
 public:
  storage::Status on_batch(const storage::BatchInfo& batch) override {
    all.push_back({std::string(batch.file), batch.offset, batch.end - batch.position});
    return storage::Done{};
  }
  std::vector<Place> all;
};

// No fault of the disk or the database while something else is tried.
class Calm {
 public:
  Calm(SimDisk& disk, SimServer& server)
      : disk_(disk),
        server_(server),
        disk_faults_(std::exchange(disk.faults, {})),
        server_faults_(std::exchange(server.faults, {})) {}
  ~Calm() {
    disk_.faults = disk_faults_;
    server_.faults = server_faults_;
  }
  Calm(const Calm&) = delete;
  Calm& operator=(const Calm&) = delete;

 private:
  SimDisk& disk_;
  SimServer& server_;
  DiskFaults disk_faults_;
  ServerFaults server_faults_;
};

Lsn witness_of(const ServerTables& tables) {
  Lsn highest = 0;
  for (const auto& [key, cells] : tables.lane.rows)
    highest = std::max(highest, static_cast<Lsn>(cells[2].number));
  return highest;
}

// Of one lane, from 0; nullopt: it has never written to this database.
std::optional<Lsn> witness_of(const ServerTables& tables, std::uint32_t lane) {
  const auto row = tables.lane.rows.find(static_cast<std::int64_t>(lane + storage::kFirstLane));
  if (row == tables.lane.rows.end()) return std::nullopt;
  const auto& cells = row->second;
  if (cells[2].number == 0 && cells[3].number == 0) return std::nullopt;
  return static_cast<Lsn>(cells[2].number);
}

// A row that is missing behind all others may be on its way: that is waited for without end.
bool passed_over(const SqlTable& table, std::uint64_t key) {
  return !table.rows.empty() && table.rows.rbegin()->first > static_cast<std::int64_t>(key);
}

bool lacks_order(const ServerTables& tables, Lsn order, const storage::LastStored& last_stored) {
  const auto has = [&](Lsn one) {
    return tables.orders.rows.contains(static_cast<std::int64_t>(one));
  };
  if (order == 0 || has(order)) return false;
  const auto& newest = last_stored.newest_orders;
  const auto& rows = tables.orders.rows;
  const bool archived = !rows.empty() && rows.begin()->first > static_cast<std::int64_t>(order) &&
                        order > last_stored.oldest_order;
  return !archived &&
         (passed_over(tables.orders, order) || std::any_of(newest.begin(), newest.end(), has));
}

bool lacks_item(const ServerTables& tables, const storage::ItemLsn& stored, std::size_t guard) {
  if (stored.lsn == 0) return false;
  const auto row = tables.item.rows.find(static_cast<std::int64_t>(stored.item));
  if (row == tables.item.rows.end()) return passed_over(tables.item, stored.item);
  return static_cast<Lsn>(row->second[guard].number) < stored.lsn;
}

bool lacks_update(const ServerTables& tables, const storage::ItemLsn& stored,
                  const storage::LastStored& last_stored) {
  if (stored.lsn == 0) return false;
  const auto row = tables.orders.rows.find(static_cast<std::int64_t>(stored.item));
  if (row == tables.orders.rows.end()) return lacks_order(tables, stored.item, last_stored);
  return static_cast<Lsn>(row->second[OrderColumn::lsn].number) < stored.lsn;
}

// Of a table that is empty nobody can tell.
bool lacks_promo(const ServerTables& tables, const storage::ItemLsn& stored) {
  const auto& rows = tables.promo.rows;
  if (stored.lsn == 0 || rows.empty()) return false;
  const auto row = rows.find(static_cast<std::int64_t>(stored.item));
  return row == rows.end() ||
         static_cast<Lsn>(row->second[PromoColumn::put_lsn].number) < stored.lsn;
}

bool lacks_stock(const ServerTables& tables, Lsn lsn, const storage::LastStored& last_stored) {
  const auto& rows = tables.stock_change.rows;
  if (lsn == 0 || rows.empty() || rows.contains(static_cast<std::int64_t>(lsn))) return false;
  return rows.begin()->first < static_cast<std::int64_t>(lsn) || lsn <= last_stored.oldest_stock;
}

bool lacks_what_was_stored_last(const ServerTables& tables,
                                const storage::LastStored& last_stored) {
  const auto& by_lane = last_stored.by_lane;
  return std::any_of(by_lane.begin(), by_lane.end(), [&](const auto& of_lane) {
    const auto& last = of_lane.second;
    return lacks_order(tables, last.order, last_stored) ||
           lacks_item(tables, last.put, ItemColumn::put_lsn) ||
           lacks_item(tables, last.amount, ItemColumn::lsn) ||
           lacks_update(tables, last.update, last_stored) || lacks_promo(tables, last.promo) ||
           lacks_stock(tables, last.stock, last_stored);
  });
}

}  // namespace

void World::refusals() {
  if (fault_.chance(plan.rot)) rot();
  if (fault_.chance(plan.rot)) damaged_snapshot();
  if (server.away || server.unsettled()) return;
  if (fault_.chance(plan.old_log)) fault_.chance(0.3) ? wiped_log() : old_log();
  if (fault_.chance(plan.old_database)) fault_.chance(0.3) ? foreign_owner() : old_database();
}

void World::must_refuse(const char* what, storage::Errc code) {
  const Calm calm(disk, server);
  const auto before = disk.content_hash();
  const auto rows = watch.content_hash();
  backend_ = std::make_shared<BackendProcess>(*this, 3000 + next_instance_++);
  const auto error = backend_->start();
  backend_.reset();
  disk.release_locks();
  trace.note("refused", {static_cast<std::uint64_t>(what[0])});
  if (!error || error->code != code) throw Violation{"S8", std::string(what) + " was not refused"};
  require(disk.content_hash() == before, "S8", "a refused log was changed");
  require(watch.content_hash() == rows, "S8", "a refused database was changed");
  ++result_.refusals;
}

// The last batch is excepted: without a successor nothing vouches for it, and it reads as torn.
void World::rot() {
  Places places;
  {
    const Calm calm(disk, server);
    const auto newest = actors::load_newest(disk, kLogDir, {});
    if (!newest || !storage::read_log(disk, kLogDir, places, newest->position))
      return;  // judged by the start
  }
  if (places.all.size() < 2) return;
  const auto& place = places.all[fault_.below(places.all.size() - 1)];
  const bool header = fault_.chance(0.2);  // of the segment
  const auto offset = header ? fault_.below(storage::kSegmentHeaderBytes)
                             : place.offset + fault_.below(place.bytes);
  const auto bit = static_cast<unsigned>(fault_.below(8));
  const auto path = storage::path_in(kLogDir, place.file);
  disk.flip(path, offset, bit);
  must_refuse("a flipped bit");
  disk.flip(path, offset, bit);
}

// The newest of two, or the only one while the log reaches back to its start: it is passed over.
// It stays damaged.
void World::damaged_snapshot() {
  const Calm calm(disk, server);
  const auto files = disk.list(kLogDir);
  if (!files) return;
  std::vector<std::string> names;
  for (const auto& file : *files)
    if (storage::looks_like_snapshot(file.name) && !file.name.ends_with(".tmp"))
      names.push_back(file.name);
  std::sort(names.begin(), names.end());
  if (names.empty() || (names.size() < 2 && !log_reaches_back())) return;
  if (names.size() >= 2) {  // the older one must be whole: one damage at a time
    if (!actors::load_snapshot(disk, kLogDir, names[names.size() - 2], {})) return;
  }
  const auto path = storage::path_in(kLogDir, names.back());
  std::string bytes;
  if (!disk.read(path, 0, 1 << 20, bytes) || bytes.empty()) return;
  disk.flip(path, fault_.below(bytes.size()), static_cast<unsigned>(fault_.below(8)));
  snapshot_damaged_ = true;
  trace.note("snapshot damaged", {names.size()});
}

void World::old_log() {
  if (log_backup_ && witness_of(server.tables()) > log_backup_lsn_) {
    disk.exchange(*log_backup_);
    must_refuse("an older copy of the log");
    disk.exchange(*log_backup_);
    return;
  }
  if (log_backup_ || log.durable_lsn() == 0) return;
  log_backup_ = disk.backup();
  log_backup_lsn_ = log.decisions().back().lsn;  // it may hold all that was ever written
}

void World::wiped_log() {
  if (server.tables().meta.rows.empty()) return;
  SimDisk::State nothing;
  disk.exchange(nothing);
  must_refuse("a wiped log");
  disk.exchange(nothing);
}

// With `tables` in the database, which is then as before.
void World::must_refuse_database(const ServerTables& tables, const char* what, storage::Errc code) {
  const auto present = server.tables();
  server.replace_rows(tables);
  watch.recount();
  must_refuse(what, code);
  server.replace_rows(present);
  watch.recount();
}

void World::old_database() {
  if (!server_backup_) {
    server_backup_ = server.tables();
    return;
  }
  if (server_backup_->meta.rows.empty() || server_backup_->lane.rows.empty()) return;
  const auto known = known_log();
  if (!known) return;  // judged by the start
  if (is_behind_log(*known, *server_backup_))
    must_refuse_database(*server_backup_, "an older copy of the database");
  else if (lacks_what_was_stored_last(*server_backup_, known->fold.last_stored()))
    must_miss(*known, *server_backup_);
  else
    return;
  server_backup_.reset();  // the next one is of another moment
}

// Rows may be on their way into a database that lacks some: the claim misses those that do not
// come.
void World::must_miss(const actors::RecoveredLog& known, const ServerTables& tables) {
  const Calm calm(disk, server);
  const auto present = server.tables();
  server.replace_rows(tables);
  actors::ClaimStart start;
  start.database = server.options();
  start.log_uuid = known.end.uuid;
  start.last_lsn = known.end.last_lsn;
  start.max_executed = known.max_executed;
  start.executed_by_lane = known.executed_by_lane;
  start.last_stored = known.fold.last_stored();
  start.owner.place = disk.place(kLogDir).made_ns;
  start.log_epoch = std::max(known.end.chain.epoch, storage::lsn_epoch(known.end.last_lsn));
  start.log_owners = known.owners;
  start.epoch = start.log_epoch + 1;
  start.served = true;
  actors::ClaimAgent claim(start);
  auto attempt = claim.attempt(0);
  for (int again = 0; attempt.kind == actors::Attempt::Kind::again && again < kMissedWithin;
       ++again)
    attempt = claim.attempt(0);
  require(attempt.kind == actors::Attempt::Kind::final && attempt.exit_code == kExitCorrupt, "S8",
          "rows that a database lacks were not missed");
  server.replace_rows(present);
  watch.recount();
  ++result_.refusals;
}

// What a start would find in the log now; its errors are the start's to judge.
storage::Result<actors::RecoveredLog> World::known_log() {
  const Calm calm(disk, server);
  return actors::recover_log(disk, kLogDir, {}, [](const storage::BatchInfo&) {});
}

// Of any lane, as far as the log tells.
bool World::is_behind_log(const actors::RecoveredLog& known, const ServerTables& tables) {
  if (witness_of(tables) < known.max_executed) return true;
  return std::any_of(known.executed_by_lane.begin(), known.executed_by_lane.end(),
                     [&](const auto& executed) {
                       const auto witness = witness_of(tables, executed.first);
                       return witness && *witness < executed.second;
                     });
}

// A copy of the log has started on this database since: in an epoch that this one minted, too, or
// in one above it.
void World::foreign_owner() {
  auto claimed = server.tables();
  if (claimed.lane.rows.empty() || claimed.meta.rows.empty()) return;
  const auto epoch = foreign_epoch();
  if (!epoch) return;
  for (auto& [lane, cells] : claimed.lane.rows) {
    cells[1].number = static_cast<std::int64_t>(*epoch);
    cells[4].number = 7;
  }
  must_refuse_database(claimed, "a copy of the log", storage::Errc::fenced);
}

std::optional<std::uint64_t> World::foreign_epoch() {
  const auto known = known_log();
  if (!known) return std::nullopt;  // judged by the start
  if (!known->owners.empty() && fault_.chance(0.5)) return known->owners.rbegin()->first;
  return std::max(known->end.chain.epoch, storage::lsn_epoch(known->end.last_lsn)) + 1;
}

}  // namespace stampede::sim
