#include "actors/backend/backend_start.h"

#include <sodium.h>
#include <spdlog/spdlog.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <thread>
#include <variant>

#include "actors/backend/database_opening.h"
#include "actors/backend/recovery/database_check.h"
#include "actors/backend/recovery/recovery.h"
#include "actors/backend/replay_trace_file.h"
#include "config/faults/failpoint.h"
#include "config/process/wall_clock.h"
#include "storage/disk/posix_disk.h"

namespace stampede::actors {

namespace {

using std::chrono::milliseconds;
using storage::Errc;
using storage::Error;

constexpr auto kLockRetry = milliseconds(1000);
// From the start of the replay; a database that is alive has answered long before.
constexpr auto kDatabaseAnswers = milliseconds(500);
constexpr std::string_view kFirstWait = "first start waits for the database";

BackendLimits limits_of(const config::Config& config) {
  BackendLimits limits;
  limits.book = {config.backend.orders_max, config.backend.rejections_max};
  limits.projection.lanes = static_cast<std::uint32_t>(config.db.lanes);
  limits.projection.rows_max = config.db.batch_rows_max;
  limits.projection.items_max = config.db.batch_rows_max;
  limits.backlog_commands_max = config.log.backlog_commands_max;
  return limits;
}

// The process ends when a step of the start fails for good.
class Starter {
 public:
  Starter(NodeRuntime& node, BackendStatus& status)
      : node_(node),
        status_(status),
        disk_(std::make_shared<storage::PosixDisk>()),
        dir_(node.config().log.dir.string()) {}

  BackendStart run() {
    claim_.database = database_options(node_);
    look_before_the_first_file();
    lock_log();
    config::failpoint("log_locked");
    const auto began = std::chrono::steady_clock::now();
    count_bytes();
    DatabaseOpening opening(node_, claim_.database);
    auto trace = ReplayTraceFile::open(dir_);
    if (!trace) fail(trace.error());
    const auto parked = take_parked(*disk_, dir_, trace->trace());
    if (!parked) fail(parked.error());
    ReplayGuard guard(*parked, trace->trace());
    auto log = recover_log(
        *disk_, dir_, limits_of(node_.config()),
        [this](const storage::BatchInfo& batch) { on_batch(batch); },
        [this] { status_.progress.fetch_add(1, std::memory_order_relaxed); }, &guard);
    if (!log) fail(log.error());
    say_parked(*parked, guard.passed_over());
    for (const auto& unusable : log->unusable)
      spdlog::warn("{}; an older snapshot or the log itself is read instead", unusable);
    claim_.last_lsn = log->end.last_lsn;
    claim_.max_executed = log->max_executed;
    std::vector<storage::ItemRow> imported;
    if (log->end.tail == storage::LogTail::empty)
      imported = first_start(*log);
    else
      compare_with_database(*log, opening.wait_until(began + kDatabaseAnswers), imported);
    config::failpoint("replayed");
    open_writer(log->end);
    take_over(*log->core, log->end);
    hand_over_owed(*log->core, log->fold, node_.config().db.batch_rows_max);
    take_items(*log->core, imported);
    say_done(*log, began);
    return {std::move(lock_), disk_, writer_, std::move(log->core), claim_};
  }

 private:
  [[noreturn]] void fail(const Error& error) {
    const auto code = exit_code_of(error.code);
    node_.fail(code == 0 ? kExitIo : code, error.message);
  }

  void on_batch(const storage::BatchInfo& batch) {
    status_.replayed_bytes.store(batch.end, std::memory_order_relaxed);
    status_.progress.fetch_add(1, std::memory_order_relaxed);
    config::failpoint("in_replay");
  }

  void lock_log() {
    const auto until = std::chrono::steady_clock::now() + kLockRetry;
    while (true) {
      auto lock = storage::LogLock::take(*disk_, dir_);
      if (lock) {
        lock_ = std::make_unique<storage::LogLock>(std::move(*lock));
        return;
      }
      if (lock.error().code != Errc::locked || std::chrono::steady_clock::now() >= until)
        fail(lock.error());
      std::this_thread::sleep_for(milliseconds(20));
    }
  }

  void say_parked(const std::vector<storage::ParkedRecord>& parked,
                  const std::vector<PassedOver>& passed_over) {
    auto list = nlohmann::json::array();
    for (const auto& record : parked) {
      const auto lsn = storage::to_text(record.lsn);
      const auto over = std::find_if(passed_over.begin(), passed_over.end(),
                                     [&](const auto& one) { return one.lsn == record.lsn; });
      if (over == passed_over.end()) {
        spdlog::warn("parked lsn {} was not met: the log or a snapshot has it otherwise", lsn);
        continue;
      }
      list.push_back({{"lsn", lsn}, {"item", over->item}, {"why", record.why}});
      spdlog::error("lsn {} is parked ({}): item {} is closed; stampede log retry", lsn, record.why,
                    over->item);
    }
    const std::lock_guard lock(status_.items_mutex);
    status_.parked = std::move(list);
  }

  void count_bytes() {
    const auto files = disk_->list(dir_);
    if (!files) fail(files.error());
    std::uint64_t bytes = 0;
    for (const auto& file : *files)
      if (storage::looks_like_segment(file.name)) bytes += file.bytes;
    status_.replay_total_bytes.store(bytes);
  }

  // Nothing is created, not even the lock, in a log directory without segments before the database
  // was read once: a database that names a log means that this log was wiped.
  void look_before_the_first_file() {
    const auto history = has_history(*disk_, dir_);
    if (!history) fail(history.error());
    if (*history) return;
    auto database = wait_for_database();
    refuse_wiped(database);
  }

  void refuse_wiped(storage::Database& database) {
    if (const auto fits = refuse_wiped_log(database, dir_); !fits) fail(fits.error());
  }

  // Asked again now that the log is locked: another backend may have been first.
  std::vector<storage::ItemRow> first_start(RecoveredLog& log) {
    auto database = wait_for_database();
    refuse_wiped(database);
    auto items = database.items();
    if (!items) fail(items.error());
    storage::LogUuid fresh;
    randombytes_buf(fresh.data(), fresh.size());
    claim_.log_uuid = fresh;
    log.core = std::make_unique<BackendCore>(fresh, limits_of(node_.config()));
    return std::move(*items);
  }

  storage::Database wait_for_database() {
    for (std::string last_error; !stopping();) {
      auto database = storage::Database::open(claim_.database);
      if (database) return std::move(*database);
      if (database.error().code != Errc::unavailable) fail(database.error());
      warn_once(kFirstWait, database.error(), last_error);
      pause();
    }
    node_.fail(0, "stopped before the database could be reached");
  }

  [[nodiscard]] bool stopping() const { return node_.stopping() || status_.stop_wanted.load(); }

  static void warn_once(std::string_view what, const Error& error, std::string& last) {
    if (error.message != last) spdlog::warn("{}: {}", what, error.message);
    last = error.message;
  }

  void pause() {
    status_.progress.fetch_add(1);
    std::this_thread::sleep_for(milliseconds(200));
  }

  // A log that has served starts without the database; when it answers it must fit. Before that the
  // database is waited for, as in a first start: its items may not have been taken over yet.
  void compare_with_database(const RecoveredLog& log, storage::Result<storage::Database> database,
                             std::vector<storage::ItemRow>& imported) {
    claim_.log_uuid = log.end.uuid;
    for (std::string last_error; !stopping();) {
      auto missing = fit_database(database, claim_, *log.core);
      if (missing) {
        imported = std::move(*missing);
        return;
      }
      if (exit_code_of(missing.error().code) != 0) fail(missing.error());
      warn_once(log.served ? "starting without the database" : kFirstWait, missing.error(),
                last_error);
      if (log.served) return;
      pause();
      database = storage::Database::open(claim_.database);
    }
    node_.fail(0, "stopped before the database could be reached");
  }

  void open_writer(const storage::LogEnd& end) {
    storage::LogOptions options;
    options.segment_bytes = node_.config().log.segment_bytes;
    options.created_ns = config::wall_ns();
    auto writer = end.tail == storage::LogTail::empty
                      ? storage::LogWriter::create(*disk_, dir_, claim_.log_uuid, options)
                      : storage::LogWriter::resume(*disk_, dir_, end, options);
    if (!writer) fail(writer.error());
    writer_ = std::make_shared<storage::LogWriter>(std::move(*writer));
  }

  void take_over(BackendCore& core, const storage::LogEnd& end) {
    const auto epoch = take_over_epoch(*writer_, core, end, config::wall_ns(), pid_);
    if (!epoch) fail(epoch.error());
    claim_.epoch = *epoch;
    config::failpoint("epoch_minted");
  }

  void take_items(BackendCore& core, const std::vector<storage::ItemRow>& items) {
    if (items.empty()) return;
    // A million items take longer than a node may stand still.
    const auto moved = [this] { status_.progress.fetch_add(1, std::memory_order_relaxed); };
    const auto taken =
        import_items(*writer_, core, items, {claim_.epoch, 0, 0, config::wall_ns(), pid_}, moved);
    if (!taken) fail(taken.error());
    spdlog::info("took over {} items from the database", items.size());
  }

  void say_done(const RecoveredLog& log, std::chrono::steady_clock::time_point began) {
    const auto counts = log.fold.counts();
    const auto ms =
        std::chrono::duration_cast<milliseconds>(std::chrono::steady_clock::now() - began);
    const auto superseded = [](const auto& of) { return of.settled - of.done; };
    spdlog::info(
        "replay.done epoch={} records={} applied={} skipped_done={} skipped_superseded={} failed={}"
        " torn_bytes={} dur_ms={} snapshot={}",
        claim_.epoch, log.end.records, counts.owed, counts.done - log.before.done,
        superseded(counts) - std::min(superseded(counts), superseded(log.before)), counts.failed,
        log.end.torn.bytes, ms.count(), log.snapshot.empty() ? "none" : log.snapshot);
  }

  NodeRuntime& node_;
  BackendStatus& status_;
  std::shared_ptr<storage::Disk> disk_;
  std::string dir_;
  std::unique_ptr<storage::LogLock> lock_;
  std::shared_ptr<storage::LogWriter> writer_;
  const std::uint32_t pid_ = static_cast<std::uint32_t>(::getpid());
  ClaimStart claim_;
};

}  // namespace

storage::DbOptions database_options(NodeRuntime& node) {
  const auto& db = node.config().db;
  storage::DbOptions options;
  options.url = db.url;
  options.lanes = db.lanes;
  if (db.url.empty())
    node.fail(kExitConfig,
              "db.url is not set: give mysql://user@host:port/db or"
              " mysql://user@localhost/db?socket=PATH");
  auto password = config::read_password(node.config());
  if (const auto* error = std::get_if<config::ConfigError>(&password))
    node.fail(kExitConfig, config::describe(*error));
  options.password = std::get<std::string>(std::move(password));
  return options;
}

BackendStart start_backend(NodeRuntime& node, BackendStatus& status) {
  if (sodium_init() < 0) node.fail(kExitInvariant, "libsodium cannot be initialised");
  return Starter(node, status).run();
}

}  // namespace stampede::actors
