#include "actors/backend/backend_start.h"

#include <sodium.h>
#include <spdlog/spdlog.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <thread>
#include <variant>

#include "actors/backend/agents/start_agent.h"
#include "actors/backend/database_opening.h"
#include "actors/backend/monotonic.h"
#include "actors/backend/replay_trace_file.h"
#include "actors/backend/shown_disk.h"
#include "actors/protocol/node_messages.h"
#include "config/process/wall_clock.h"
#include "storage/disk/posix_disk.h"

namespace stampede::actors {

namespace {

using std::chrono::milliseconds;
using storage::Errc;
using storage::Error;

// From the start of the replay; a database that is alive has answered long before.
constexpr auto kDatabaseAnswers = milliseconds(500);

static_assert(kSessionLifeMsMax == config::kSessionSecondsMax * 1000,
              "a bar is known for as long as any session lasts");

BackendLimits limits_of(const config::Config& config) {
  BackendLimits limits;
  limits.book = {config.backend.orders_max, config.backend.rejections_max,
                 config.tickets.ahead_s * 1000, config.auth.revoked_max};
  limits.projection.lanes = static_cast<std::uint32_t>(config.db.lanes);
  limits.projection.rows_max = config.db.batch_rows_max;
  limits.projection.items_max = config.db.batch_rows_max;
  limits.backlog_commands_max = config.log.backlog_commands_max;
  return limits;
}

// Runs the start's agent; the process ends when a step fails for good.
class Starter : private StartOutlet {
 public:
  Starter(NodeRuntime& node, BackendStatus& status)
      : node_(node),
        status_(status),
        disk_(std::make_shared<ShownDisk>(std::make_shared<storage::PosixDisk>(), status)),
        dir_(node.config().log.dir.string()),
        agent_(disk_, settings(node, status), *this) {}

  BackendStart run() {
    for (;;) {
      const auto step = agent_.step(monotonic_us());
      if (step.kind == StartAgent::Step::Kind::ready) break;
      if (step.kind == StartAgent::Step::Kind::failed) fail(step.error);
      if (step.error.code != Errc::locked && stopping())
        node_.fail(0, "stopped before the database could be reached");
      status_.progress.fetch_add(1);
      if (step.error.code == Errc::unavailable) show_wait(for_what_);
      std::this_thread::sleep_for(std::chrono::microseconds(step.wait));
    }
    show_wait({});
    say_done();
    disk_->quiet();
    return {agent_.take_lock(), disk_, agent_.writer(), agent_.take_core(), agent_.claim()};
  }

 private:
  static StartSettings settings(NodeRuntime& node, BackendStatus& status) {
    const auto& config = node.config();
    return {.dir = config.log.dir.string(),
            .database = told_options(node, status),
            .limits = limits_of(config),
            .segment_bytes = config.log.segment_bytes,
            .rows_max = config.db.batch_rows_max,
            .pid = static_cast<std::uint32_t>(::getpid())};
  }

  // All sessions of this process are opened with these.
  static storage::DbOptions told_options(NodeRuntime& node, BackendStatus& status) {
    auto options = database_options(node);
    options.on_durability = [&status](const std::vector<std::string>& unsafe) {
      if (!status.database.settings(unsafe)) return;
      for (const auto& setting : unsafe)
        spdlog::warn("committed rows may be lost when the database's machine crashes: {}", setting);
      if (unsafe.empty()) spdlog::info("the database's settings keep committed rows again");
    };
    return options;
  }

  [[noreturn]] void fail(const Error& error) {
    const auto code = exit_code_of(error.code);
    node_.fail(code == 0 ? kExitIo : code, error.message);
  }

  [[nodiscard]] bool stopping() const { return node_.stopping() || status_.stop_wanted.load(); }

  // --- StartOutlet ---
  std::int64_t wall_ns() override { return config::wall_ns(); }

  storage::LogUuid fresh_uuid() override {
    storage::LogUuid fresh;
    randombytes_buf(fresh.data(), fresh.size());
    return fresh;
  }

  storage::Result<ReplayGuard*> locked() override {
    began_us_ = monotonic_us();
    show_wait({});
    count_bytes();
    opening_.emplace(node_, impatient(agent_.claim().database));
    auto trace = ReplayTraceFile::open(dir_);
    if (!trace) return trace.error();
    trace_.emplace(std::move(*trace));
    auto parked = take_parked(*disk_, dir_, trace_->trace());
    if (!parked) return parked.error();
    parked_ = std::move(*parked);
    return &guard_.emplace(parked_, trace_->trace());
  }

  void on_batch(const storage::BatchInfo& batch) override {
    status_.replayed_bytes.store(batch.end, std::memory_order_relaxed);
    progress();
  }
  void progress() override { status_.progress.fetch_add(1, std::memory_order_relaxed); }

  storage::Result<storage::Database> database_answer() override {
    const std::chrono::steady_clock::time_point began{std::chrono::microseconds(began_us_)};
    return opening_->wait_until(began + kDatabaseAnswers);
  }

  void waits(std::string_view for_what, const Error& why) override {
    // All was read, or nothing is there to be read.
    status_.replayed_bytes.store(status_.replay_total_bytes.load());
    if (why.code == Errc::full) status_.log_room.store(0);
    if (exit_code_of(why.code) == 0) status_.database.failed("database", why, monotonic_us());
    for_what_ = for_what;
    if (why.message != waited_for_) spdlog::warn("{}: {}", for_what, why.message);
    waited_for_ = why.message;
  }

  void recovered(const RecoveredLog& log, const ClaimStart& claim) override {
    if (status_.log_room.exchange(kRoomUnknown) == 0) spdlog::warn("the log's disk has room again");
    status_.log_name.store(log_name(claim.log_uuid));
    say_parked();
    auto notes = log.notes;
    for (const auto& unusable : log.unusable)
      notes.push_back(unusable + "; an older snapshot or the log itself is read instead");
    for (const auto& note : notes) spdlog::warn("{}", note);
    show_wait({});
    const std::lock_guard lock(status_.items_mutex);
    status_.notes = std::move(notes);
  }

  void importing(const std::vector<storage::ItemRow>&, std::uint64_t) override {}
  void imported(std::size_t items) override {
    spdlog::info("took over {} items from the database", items);
  }

  void show_wait(const std::string& for_what) {
    const std::lock_guard lock(status_.items_mutex);
    status_.start_waits = for_what;
  }

  void say_parked() {
    auto list = nlohmann::json::array();
    const auto& passed_over = guard_->passed_over();
    for (const auto& record : parked_) {
      const auto lsn = storage::to_text(record.lsn);
      const auto over = std::find_if(passed_over.begin(), passed_over.end(),
                                     [&](const auto& one) { return one.lsn == record.lsn; });
      if (over == passed_over.end()) {
        spdlog::warn("parked lsn {} was not met: the log or a snapshot has it otherwise", lsn);
        continue;
      }
      if (over->item == storage::kNoNumber) {
        list.push_back({{"lsn", lsn}, {"item", nullptr}, {"why", record.why}});
        spdlog::error(
            "lsn {} is parked ({}): what it ended of sessions goes on; stampede log retry", lsn,
            record.why);
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

  // What a snapshot spared, and what was made ahead, was in the total, too.
  void say_done() {
    status_.replayed_bytes.store(status_.replay_total_bytes.load());
    status_.replay_us.add(monotonic_us() - began_us_);
    status_.log_bytes.store(agent_.writer()->durable_pos());
    status_.log_segments.store(agent_.writer()->segment_no());
    const auto& log = agent_.log();
    const auto counts = log.fold.counts();
    const auto superseded = [](const auto& of) { return of.settled - of.done; };
    spdlog::info(
        "replay.done epoch={} records={} applied={} skipped_done={} skipped_superseded={} failed={}"
        " torn_bytes={} dur_ms={} snapshot={}",
        agent_.claim().epoch, log.end.records, counts.owed, counts.done - log.before.done,
        superseded(counts) - std::min(superseded(counts), superseded(log.before)), counts.failed,
        log.end.torn.bytes, (monotonic_us() - began_us_) / kMillis,
        log.snapshot.empty() ? "none" : log.snapshot);
  }

  NodeRuntime& node_;
  BackendStatus& status_;
  std::shared_ptr<ShownDisk> disk_;
  std::string dir_;
  std::optional<DatabaseOpening> opening_;
  std::optional<ReplayTraceFile> trace_;
  std::vector<storage::ParkedRecord> parked_;
  std::optional<ReplayGuard> guard_;
  std::string waited_for_;  // why it was not there
  std::string for_what_;    // the start waits, if it waits
  Micros began_us_ = 0;
  StartAgent agent_;
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
