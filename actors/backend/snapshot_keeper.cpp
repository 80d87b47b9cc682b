#include "actors/backend/snapshot_keeper.h"

#include <malloc.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <chrono>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <thread>
#include <utility>

#include "actors/backend/agents/segment_watch.h"
#include "actors/backend/agents/snapshot_agent.h"
#include "actors/backend/monotonic.h"
#include "actors/node/steady_actor.h"
#include "config/process/throughput.h"
#include "config/process/utc_text.h"
#include "config/process/wall_clock.h"
#include "storage/snapshot/snapshot_file.h"

namespace stampede::actors {

namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

constexpr auto kLookEvery = milliseconds(1000);  // at the sizes of the log's files
constexpr std::size_t kDifferencesLogged = 5;

// Rests after each question for as long as it took, so that the lanes have the database to
// themselves at least half of the time.
class RestingRows final : public DatabaseRows {
 public:
  using DatabaseRows::DatabaseRows;
  storage::Result<std::vector<std::string>> differing(const storage::LaneBatch& orders) override {
    const auto asked = steady_clock::now();
    auto answer = DatabaseRows::differing(orders);
    std::this_thread::sleep_for(steady_clock::now() - asked);
    return answer;
  }
};

// A mail box around SnapshotAgent and SegmentWatch.
class SnapshotKeeper : public SteadyActor, private SnapshotOutlet, private SegmentWatchOutlet {
 public:
  SnapshotKeeper(caf::actor_config& config, NodeRuntime& node, BackendStatus& status,
                 SnapshotKeeperStart start)
      : SteadyActor(config),
        node_(node),
        status_(status),
        start_(std::move(start)),
        dir_(node.config().log.dir.string()),
        agent_(*start_.disk,
               {.dir = dir_,
                .limits = start_.limits,
                .every_bytes = node.config().snapshot.every_bytes,
                .retain_s = node.config().log.retain_s},
               *this),
        watch_(*start_.disk, dir_, *this) {}

  void act() override {
    show_newest();
    watch_.look();
    while (running_) {
      receive([&](const caf::exit_msg&) { running_ = false; },
              caf::others >> [](caf::message_view&) -> caf::result<caf::message> {
                return caf::sec::unexpected_message;
              },
              caf::after(kLookEvery) >> [] {});
      began_ = steady_clock::now();
      if (!running_) break;
      watch_.look();
      if (std::exchange(makes_anew_, false))
        static_cast<void>(config::do_when_idle([this] { agent_.make(monotonic_us()); }));
      if (!agent_.has_work(monotonic_us())) continue;
      // Tried again at the next look.
      static_cast<void>(config::do_when_idle([this] { agent_.look(monotonic_us()); }));
      watch_.look();  // a new snapshot is held at once
    }
  }

 private:
  // --- SnapshotOutlet ---
  bool stopping() override { return node_.stopping() || has_next_message(); }
  std::int64_t wall_ns() override { return config::wall_ns(); }
  std::unique_ptr<StoredRows> rows() override {
    return std::make_unique<RestingRows>(start_.database);
  }

  void made(const SnapshotMade& snapshot) override {
    ::malloc_trim(0);  // the second book's memory
    const auto took =
        std::chrono::duration_cast<milliseconds>(steady_clock::now() - began_).count();
    spdlog::info("snapshot.made name={} bytes={} from={} dur_ms={}", snapshot.name, snapshot.bytes,
                 snapshot.base.empty() ? "start" : snapshot.base, took);
    show(snapshot.header, snapshot.bytes);
  }

  void retained(const RetentionReport& report) override {
    status_.log_oldest_segment.store(report.oldest.seg_no);
    status_.log_oldest_position.store(report.oldest.base);
    if (report.removed > 0)
      spdlog::info("retain.removed segments={} oldest={}", report.removed, report.oldest.seg_no);
    if (report.differing.empty()) return;
    for (std::size_t i = 0; i < std::min(report.differing.size(), kDifferencesLogged); ++i)
      spdlog::error("retain.kept {}", report.differing[i]);
    spdlog::error("retain.kept {} ({} rows); see `stampede verify`", report.kept,
                  report.differing.size());
  }

  void not_made(std::string_view doing, const storage::Error& error, Micros pause) override {
    ::malloc_trim(0);
    spdlog::error("{}: {}; the sale goes on, tried again in {} s", doing, error.message,
                  pause / kSeconds);
  }

  void not_retained(const storage::Error& error, Micros pause) override {
    spdlog::error("removing old segments: {}; tried again in {} s", error.message,
                  pause / kSeconds);
  }

  // --- SegmentWatchOutlet ---
  void written_again(const std::string& name) override {
    spdlog::error(
        "log.restored {}/{}: somebody had removed it; it was written again from what was "
        "still open, nothing is lost",
        dir_, name);
    note_log(name + " was removed from the log by somebody at " +
             config::utc_text(config::wall_ms()) + ", and was written again: nothing is lost");
  }

  void missing(const LogLosses& losses) override {
    makes_anew_ = !losses.snapshot.empty();
    show_newest(losses.snapshot);
    const auto why = words_of(losses);
    if (!why.empty()) spdlog::error("{}", why);
    show_missing(why);
  }

  [[nodiscard]] std::string words_of(const LogLosses& losses) const {
    const std::string advice =
        " The sale goes on, the next start will refuse this log: put them back from a backup "
        "before it";
    std::string why;
    if (!losses.removed.empty())
      why = "segments of the log are missing in " + dir_ + ": " + numbers(losses.removed) +
            "; it was not log.retain_s that removed them." + advice;
    if (!losses.cut.empty())
      why += (why.empty() ? "" : ". ") + std::string("segments of the log were cut in ") + dir_ +
             ": " + numbers(losses.cut) + "; somebody has shortened them." + advice;
    if (!losses.snapshot.empty())
      why += (why.empty() ? "" : ". ") + std::string("the newest snapshot was ") +
             (losses.snapshot_cut ? "cut in " : "removed from ") + dir_ + ": " + losses.snapshot +
             "; another one is made from the log. If that fails, the next start needs the log "
             "from its beginning: put the snapshot back from a backup before it";
    return why;
  }

  static std::string numbers(const std::set<std::uint64_t>& segments) {
    std::string text;
    for (const auto number : segments) text += (text.empty() ? "" : ", ") + std::to_string(number);
    return text;
  }

  void not_watched(const storage::Error& error) override {
    if (!std::exchange(unwatched_, true))
      spdlog::error("looking after the log's segments: {}; tried again", error.message);
  }

  void note_log(std::string note) {
    constexpr std::size_t kNotesMax = 20;
    const std::lock_guard lock(status_.items_mutex);
    if (status_.notes.size() < kNotesMax) status_.notes.push_back(std::move(note));
  }

  void show_missing(std::string why) {
    const std::lock_guard lock(status_.items_mutex);
    status_.log_missing = std::move(why);
  }

  void show_newest(std::string_view but = {}) {
    const auto all = storage::list_snapshots(*start_.disk, dir_);
    if (!all) return;
    for (const auto& snapshot : *all) {
      if (snapshot.name == but) continue;
      const auto reader = storage::SnapshotReader::open(*start_.disk, dir_, snapshot.name);
      if (reader) return show(reader->header(), snapshot.bytes);
    }
    show({}, 0);
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
  steady_clock::time_point began_{};
  SnapshotAgent agent_;
  SegmentWatch watch_;
  bool unwatched_ = false;   // was told
  bool makes_anew_ = false;  // the snapshot that was lost
  bool running_ = true;
};

}  // namespace

caf::actor spawn_snapshot_keeper(NodeRuntime& node, BackendStatus& status,
                                 SnapshotKeeperStart start) {
  return node.spawn_actor<SnapshotKeeper>({"snapshot"}, std::ref(node), std::ref(status),
                                          std::move(start));
}

}  // namespace stampede::actors
