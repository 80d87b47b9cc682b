#include "actors/backend/snapshot_keeper.h"

#include <malloc.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <chrono>
#include <optional>
#include <thread>

#include "actors/backend/recovery/retention.h"
#include "actors/backend/recovery/snapshot_builder.h"
#include "actors/node/steady_actor.h"
#include "config/process/throughput.h"
#include "config/process/wall_clock.h"
#include "storage/mysql/database.h"

namespace stampede::actors {

namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using std::chrono::steady_clock;
using storage::Errc;

constexpr auto kLookEvery = milliseconds(500);   // at the sizes of the log's files
constexpr auto kRetainEvery = seconds(10);       // when no snapshot was made meanwhile
constexpr auto kAfterKept = seconds(60);         // it reads snapshots and a segment
constexpr auto kAfterFailure = seconds(30);      // the disk may be full
constexpr auto kAfterDifference = seconds(600);  // comparing reads a segment and its rows
constexpr std::size_t kDifferencesLogged = 5;

// Opens a session when it is first asked. Rests after each question for as long as it took, so that
// the lanes have the database to themselves at least half of the time.
class DatabaseRows final : public StoredRows {
 public:
  explicit DatabaseRows(const storage::DbOptions& options) : options_(options) {}

  storage::Result<std::optional<storage::LogUuid>> log_uuid() override {
    if (auto ready = connect(); !ready) return ready.error();
    return database_->log_uuid();
  }
  storage::Result<std::vector<storage::ItemRow>> items() override {
    if (auto ready = connect(); !ready) return ready.error();
    return database_->items();
  }
  storage::Result<std::vector<std::string>> differing(const storage::LaneBatch& orders) override {
    if (auto ready = connect(); !ready) return ready.error();
    const auto asked = steady_clock::now();
    auto answer = database_->differing_orders(orders);
    std::this_thread::sleep_for(steady_clock::now() - asked);
    return answer;
  }

 private:
  storage::Status connect() {
    if (database_) return storage::Done{};
    auto opened = storage::Database::open(options_);
    if (!opened) return opened.error();
    database_.emplace(std::move(*opened));
    return storage::Done{};
  }

  const storage::DbOptions& options_;
  std::optional<storage::Database> database_;
};

class SnapshotKeeper : public SteadyActor {
 public:
  SnapshotKeeper(caf::actor_config& config, NodeRuntime& node, BackendStatus& status,
                 SnapshotKeeperStart start)
      : SteadyActor(config),
        node_(node),
        status_(status),
        start_(std::move(start)),
        dir_(node.config().log.dir.string()) {}

  void act() override {
    config::run_when_idle();
    show_newest();
    while (running_) {
      receive([&](const caf::exit_msg&) { running_ = false; },
              caf::others >> [](caf::message_view&) -> caf::result<caf::message> {
                return caf::sec::unexpected_message;
              },
              caf::after(kLookEvery) >> [] {});
      const auto now = steady_clock::now();
      if (running_ && now >= next_make_ && due()) make();
      if (running_ && now >= next_retain_) retain();
    }
  }

 private:
  [[nodiscard]] bool stopping() { return node_.stopping() || has_next_message(); }

  bool due() {
    const auto bytes = bytes_behind_snapshot(*start_.disk, dir_);
    if (!bytes) return failed("looking at the log", bytes.error()), false;
    return *bytes >= node_.config().snapshot.every_bytes;
  }

  void make() {
    const auto lock = lock_snapshots(*start_.disk, dir_);
    if (!lock) return;  // somebody else makes one; look again soon
    const auto began = steady_clock::now();
    const auto made = make_snapshot(
        *start_.disk, dir_, {start_.limits, config::wall_ns(), [this] { return stopping(); }});
    ::malloc_trim(0);  // the second book's memory
    if (!made) return failed("making a snapshot", made.error());
    if (!*made) {
      next_make_ = steady_clock::now() + kAfterFailure;  // segments without a batch
      return;
    }
    const auto took = std::chrono::duration_cast<milliseconds>(steady_clock::now() - began).count();
    spdlog::info("snapshot.made name={} bytes={} from={} dur_ms={}", (*made)->name, (*made)->bytes,
                 (*made)->base.empty() ? "start" : (*made)->base, took);
    show((*made)->header, (*made)->bytes);
    next_retain_ = {};
  }

  void retain() {
    next_retain_ = steady_clock::now() + kRetainEvery;
    if (const auto all = storage::list_snapshots(*start_.disk, dir_); !all || all->empty()) return;
    const auto lock = lock_snapshots(*start_.disk, dir_);
    if (!lock) return;
    RetentionRules rules;
    rules.retain_s = node_.config().log.retain_s;
    rules.now_ns = config::wall_ns();
    rules.stop = [this] { return stopping(); };
    DatabaseRows rows(start_.database);
    const auto report = remove_old_segments(*start_.disk, dir_, rules, rows);
    if (!report) return not_retained(report.error());
    status_.log_oldest_segment.store(report->oldest.seg_no);
    status_.log_oldest_position.store(report->oldest.base);
    if (report->removed > 0)
      spdlog::info("retain.removed segments={} oldest={}", report->removed, report->oldest.seg_no);
    if (!report->kept.empty()) next_retain_ = steady_clock::now() + kAfterKept;
    if (report->differing.empty()) return;
    next_retain_ = steady_clock::now() + kAfterDifference;
    for (std::size_t i = 0; i < std::min(report->differing.size(), kDifferencesLogged); ++i)
      spdlog::error("retain.kept {}", report->differing[i]);
    spdlog::error("retain.kept {} ({} rows); see `stampede verify`", report->kept,
                  report->differing.size());
  }

  void failed(const std::string& doing, const storage::Error& error) {
    next_make_ = steady_clock::now() + kAfterFailure;
    if (stopping()) return;
    spdlog::error("{}: {}; the sale goes on, tried again in {} s", doing, error.message,
                  kAfterFailure.count());
  }

  // A database that is away is the lanes' news.
  void not_retained(const storage::Error& error) {
    if (error.code == Errc::unavailable) return;
    next_retain_ = steady_clock::now() + kAfterFailure;
    spdlog::error("removing old segments: {}; tried again in {} s", error.message,
                  kAfterFailure.count());
  }

  void show_newest() {
    const auto all = storage::list_snapshots(*start_.disk, dir_);
    if (!all) return;
    for (const auto& snapshot : *all) {
      const auto reader = storage::SnapshotReader::open(*start_.disk, dir_, snapshot.name);
      if (reader) return show(reader->header(), snapshot.bytes);
    }
  }

  void show(const storage::SnapshotHeader& header, std::uint64_t bytes) {
    status_.snapshot_lsn.store(header.position.last_lsn);
    status_.snapshot_made_ns.store(header.created_ns);
    status_.snapshot_bytes.store(bytes);
  }

  NodeRuntime& node_;
  BackendStatus& status_;
  SnapshotKeeperStart start_;
  std::string dir_;
  steady_clock::time_point next_make_{};
  steady_clock::time_point next_retain_{};
  bool running_ = true;
};

}  // namespace

caf::actor spawn_snapshot_keeper(NodeRuntime& node, BackendStatus& status,
                                 SnapshotKeeperStart start) {
  return node.spawn_actor<SnapshotKeeper>({"snapshot"}, std::ref(node), std::ref(status),
                                          std::move(start));
}

}  // namespace stampede::actors
