#include "actors/backend/agents/start_agent.h"

#include <algorithm>
#include <chrono>
#include <utility>

#include "config/faults/failpoint.h"
#include "storage/log/log_begin.h"
#include "storage/log/log_place.h"
#include "storage/log/refused_rows.h"

namespace stampede::actors {

using storage::Errc;
using storage::Error;

namespace {

constexpr std::string_view kFirstWait = "first start waits for the database";
constexpr std::string_view kClaimWait = "first start waits until the database is its own";
constexpr std::string_view kRoomWait = "the start waits for room on the log's disk";
constexpr std::string_view kWithout = "starting without the database";
constexpr std::string_view kCopyWait =
    "the log was written in another directory, this one is a copy or was moved to another file "
    "system: the start waits for the database, which knows who owns it";

}  // namespace

storage::DbOptions impatient(storage::DbOptions database) {
  constexpr std::chrono::seconds kAStatement{1};
  database.read_timeout = database.write_timeout = database.lock_wait_timeout = kAStatement;
  return database;
}

StartAgent::StartAgent(std::shared_ptr<storage::Disk> disk, StartSettings settings,
                       StartOutlet& outlet)
    : disk_(std::move(disk)), settings_(std::move(settings)), outlet_(outlet) {
  claim_.database = settings_.database;
}

StartAgent::Step StartAgent::step(Micros now) {
  for (;;) {
    const auto before = phase_;
    auto step = [&] {
      switch (phase_) {
        case Phase::look:
          return look();
        case Phase::lock:
          return lock(now);
        case Phase::read:
          return read();
        case Phase::first_start:
          return first_start();
        case Phase::compare:
          return compare();
        case Phase::take_over:
          return take_over();
        case Phase::claim:
          break;
      }
      return take_database();
    }();
    if (step.kind != Step::Kind::ready || before == phase_) return step;
  }
}

StartAgent::Step StartAgent::go_on(Phase next) {
  phase_ = next;
  return {};
}

StartAgent::Step StartAgent::failed(const Error& error) {
  return {Step::Kind::failed, 0, error};
}

StartAgent::Step StartAgent::wait_for_database(std::string_view what, const Error& error) {
  if (error.code != Errc::unavailable) return failed(error);
  outlet_.waits(what, error);
  return {Step::Kind::again, kDatabaseRetry, error};
}

// Nothing is created, not even the lock, in a log directory without segments before the database
// was read once: a database that names a log means that this log was wiped.
StartAgent::Step StartAgent::look() {
  const auto history = has_history(*disk_, settings_.dir);
  if (!history) return failed(history.error());
  if (!*history) {
    if (const auto fits = ask_first(); !fits) return wait_for_database(kFirstWait, fits.error());
  }
  return go_on(Phase::lock);
}

StartAgent::Step StartAgent::lock(Micros now) {
  if (lock_until_ == 0) lock_until_ = now + kLockRetryFor;
  auto lock = storage::LogLock::take(*disk_, settings_.dir);
  if (!lock) {
    if (lock.error().code != Errc::locked || now >= lock_until_) return failed(lock.error());
    return {Step::Kind::again, kLockRetryEvery, lock.error()};
  }
  lock_ = std::make_unique<storage::LogLock>(std::move(*lock));
  config::failpoint("log_locked");
  return go_on(Phase::read);
}

StartAgent::Step StartAgent::read() {
  const auto guard = outlet_.locked();
  if (!guard) return failed(guard.error());
  auto log = recover_log(
      *disk_, settings_.dir, settings_.limits,
      [this](const storage::BatchInfo& batch) {
        outlet_.on_batch(batch);
        config::failpoint("in_replay");
      },
      [this] { outlet_.progress(); }, *guard);
  if (!log) return failed(log.error());
  log_ = std::move(*log);
  claim_.last_lsn = log_.end.last_lsn;
  claim_.max_executed = log_.max_executed;
  claim_.executed_by_lane = log_.executed_by_lane;
  claim_.last_stored = log_.fold.last_stored();
  if (const auto known = pass_over_refused_rows(); !known) return failed(known.error());
  claim_.log_epoch = std::max(log_.end.chain.epoch, storage::lsn_epoch(log_.end.last_lsn));
  claim_.log_owners = std::move(log_.owners);
  claim_.owner.place = disk_->place(settings_.dir).made_ns;
  const auto place = storage::known_place(*disk_, settings_.dir);
  if (!place) return failed(place.error());
  copied_ = *place == storage::KnownPlace::another ||
            (*place == storage::KnownPlace::none && is_older_copy());
  claim_.served = log_.served;
  if (log_.end.tail == storage::LogTail::empty) return go_on(Phase::first_start);
  claim_.log_uuid = log_.end.uuid;
  return go_on(Phase::compare);
}

// The operator was told of each when all was written anew; nothing would bring them before he does.
storage::Status StartAgent::pass_over_refused_rows() {
  const auto refused = storage::refused_rows(*disk_, settings_.dir);
  if (!refused) return refused.error();
  if (refused->empty()) return storage::Done{};
  claim_.last_stored.forget(*refused);
  log_.notes.push_back("`log replay --all` could not write " + std::to_string(refused->size()) +
                       " rows, the first of lsn " + storage::to_text(*refused->begin()) +
                       ": `stampede verify` names them. Mend what refuses them, run "
                       "`scripts/stop_all.sh --keep-db` and `stampede log replay --all` again");
  return storage::Done{};
}

// Asked again now that the log is locked: another backend may have been first.
StartAgent::Step StartAgent::first_start() {
  if (const auto fits = ask_first(); !fits) return wait_for_database(kFirstWait, fits.error());
  answered_ = true;
  claim_.log_uuid = outlet_.fresh_uuid();
  log_.core = std::make_unique<BackendCore>(claim_.log_uuid, settings_.limits);
  return go_on(Phase::take_over);
}

// Whether a first start may take the database over, and its items. Everything that may be wrong
// with them is found before anything is created.
storage::Status StartAgent::ask_first() {
  auto database = storage::Database::open(settings_.database);
  if (!database) return database.error();
  if (const auto fits = refuse_wiped_log(*database, settings_.dir); !fits) return fits;
  if (const auto none = refuse_foreign_orders(*database); !none) return none;
  auto items = database->items([this] { outlet_.progress(); });
  if (!items) return items.error();
  imported_ = std::move(*items);
  return check_items(settings_.limits, imported_, [this] { outlet_.progress(); });
}

// What is asked of the database in this thread.
ClaimStart StartAgent::asking() {
  auto claim = claim_;
  claim.progress = [this] { outlet_.progress(); };
  return claim;
}

// A log that has served starts without the database; when it answers it must fit. Before that the
// database is waited for, as in a first start: its items may not have been taken over yet. So does
// a copy, whose original may be selling.
StartAgent::Step StartAgent::compare() {
  auto database = std::exchange(asked_, true)
                      ? storage::Database::open(impatient(settings_.database))
                      : outlet_.database_answer();
  auto missing = fit_database(database, asking(), *log_.core);
  if (missing) {
    answered_ = true;
    imported_ = std::move(*missing);
    return go_on(Phase::take_over);
  }
  const auto& error = missing.error();
  if (exit_code_of(error.code) != 0) return failed(error);
  outlet_.waits(copied_ ? kCopyWait : log_.served ? kWithout : kFirstWait, error);
  if (log_.served && !copied_) return go_on(Phase::take_over);
  return {Step::Kind::again, kDatabaseRetry, error};
}

// A log of a program that did not remember its place: the directory is younger than what was
// written in it.
bool StartAgent::is_older_copy() const {
  return log_.written_ns != 0 && claim_.owner.place > log_.written_ns;
}

StartAgent::Step StartAgent::take_over() {
  config::failpoint("replayed");
  if (const auto opened = open_writer(); !opened) {
    if (opened.error().code != Errc::full) return failed(opened.error());
    outlet_.waits(kRoomWait, opened.error());
    return {Step::Kind::again, kRoomRetry, opened.error()};
  }
  if (const auto known = remember_directory(); !known) return failed(known.error());
  outlet_.recovered(log_, claim_);
  const auto wall_ns = outlet_.wall_ns();
  const auto epoch = take_over_epoch(*writer_, *log_.core, log_.end, wall_ns, settings_.pid);
  if (!epoch) return failed(epoch.error());
  claim_.epoch = *epoch;
  claim_.owner.start = start_number(wall_ns, settings_.pid);
  config::failpoint("epoch_minted");
  hand_over_owed(*log_.core, log_.fold, settings_.rows_max, [this] { outlet_.progress(); });
  if (const auto taken = import(); !taken) return failed(taken.error());
  return go_on(Phase::claim);
}

// Of two that start at once on one database only one may sell: a first start goes on when `meta`
// names its log, for a database that can be read may still be one that cannot be written (a backup
// that locks it, a client that holds the rows). Once the log has served, the claim's agent asks
// again while orders are served.
StartAgent::Step StartAgent::take_database() {
  if (!answered_) return {};
  auto claim = asking();
  claim.database = impatient(std::move(claim.database));
  const auto claimed = claim_database(claim, outlet_.wall_ns() / 1000);
  if (claimed) return {};
  if (exit_code_of(claimed.error().code) != 0) return failed(claimed.error());
  if (log_.served) {
    outlet_.waits(kWithout, claimed.error());
    return {};
  }
  outlet_.waits(kClaimWait, claimed.error());
  return {Step::Kind::again, kDatabaseRetry, claimed.error()};
}

storage::Status StartAgent::open_writer() {
  storage::LogOptions options;
  options.segment_bytes = settings_.segment_bytes;
  options.created_ns = outlet_.wall_ns();
  options.level = storage::kFeatureLevelFirst;
  const auto& end = log_.end;
  auto writer = end.tail == storage::LogTail::empty
                    ? storage::LogWriter::create(*disk_, settings_.dir, claim_.log_uuid, options)
                    : storage::LogWriter::resume(*disk_, settings_.dir, end, options);
  if (!writer) return writer.error();
  writer_ = std::make_shared<storage::LogWriter>(std::move(*writer));
  return storage::Done{};
}

// Where the log begins and lies, if it is new, or was written by a program that did not know this.
// Without room for it the next start does it.
storage::Status StartAgent::remember_directory() {
  auto known = storage::remember_place(*disk_, settings_.dir);
  if (known && !log_.begin_known)
    known = storage::remember_begin(*disk_, settings_.dir, log_.first_segment);
  if (!known && known.error().code == Errc::full) return storage::Done{};
  return known;
}

storage::Status StartAgent::import() {
  if (imported_.empty()) return storage::Done{};
  outlet_.importing(imported_, claim_.epoch);
  // A million items take longer than a node may stand still.
  auto taken = import_items(*writer_, *log_.core, imported_,
                            {claim_.epoch, 0, 0, outlet_.wall_ns(), settings_.pid},
                            [this] { outlet_.progress(); });
  if (taken) outlet_.imported(imported_.size());
  return taken;
}

}  // namespace stampede::actors
