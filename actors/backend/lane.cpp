#include "actors/backend/lane.h"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <chrono>

#include "actors/backend/core/lane_batch.h"
#include "actors/node/steady_actor.h"
#include "config/faults/failpoint.h"
#include "config/process/wall_clock.h"
#include "storage/mysql/command_sql.h"

namespace stampede::actors {

namespace {

using std::chrono::milliseconds;
using storage::Errc;

constexpr auto kBackoffFirst = milliseconds(5);
constexpr auto kBackoffMax = milliseconds(500);
// A transaction of few rows costs the database, and the disk that the log shares with it, as much
// as one of many. So a lane makes at most forty such a second; rows meanwhile gather.
constexpr std::uint64_t kFewRows = 1000;
constexpr auto kFewRowsEvery = milliseconds(25);

class Lane : public SteadyActor {
 public:
  Lane(caf::actor_config& config, NodeRuntime& node, BackendStatus& status, LaneStart start,
       caf::actor core)
      : SteadyActor(config),
        node_(node),
        status_(status),
        start_(std::move(start)),
        core_(std::move(core)),
        writer_(start_.database, static_cast<int>(start_.lane) + storage::kFirstLane, start_.epoch),
        few_rows_(std::min<std::uint64_t>(kFewRows, node.config().db.batch_rows_max / 2)) {}

  void act() override {
    while (running_)
      receive([&](LaneWorkMail& mail) { apply(*mail.work); },
              [&](const caf::exit_msg&) { running_ = false; },
              caf::others >> [](caf::message_view&) -> caf::result<caf::message> {
                return caf::sec::unexpected_message;
              });
    set_down(false);
  }

 private:
  void apply(const LaneWork& work) {
    const auto began = std::chrono::steady_clock::now();
    builder_.fill(work, batch_);
    auto backoff = kBackoffFirst;
    while (running_) {
      auto outcome = writer_.apply(batch_);
      if (outcome) {
        config::failpoint("lane_done");
        set_down(false);
        if (work.insert_count + work.items.size() < few_rows_) rest_until(began + kFewRowsEvery);
        return report(work, *outcome);
      }
      give_up_if_final(outcome.error());
      set_down(true);
      pause(backoff);
      backoff = std::min(backoff * 2, kBackoffMax);
    }
  }

  void give_up_if_final(const storage::Error& error) {
    if (error.code == Errc::fenced) node_.fail(kExitOtherWriter, error.message);
    if (error.code == Errc::invalid) node_.fail(kExitConfig, error.message);
    if (error.message == last_error_) return;
    last_error_ = error.message;
    spdlog::warn("lane-{}: {}; trying again", start_.lane + storage::kFirstLane, error.message);
  }

  void report(const LaneWork& work, const storage::LaneOutcome& outcome) {
    auto failed = std::make_shared<std::vector<FailedCommand>>();
    for (const auto& failure : outcome.failures) {
      failed->push_back(failed_command(batch_, failure));
      spdlog::error("lane-{}: command {} failed: {}", start_.lane + storage::kFirstLane,
                    storage::to_text(failed->back().lsn), failure.message);
    }
    std::sort(failed->begin(), failed->end(),
              [](const auto& a, const auto& b) { return a.lsn < b.lsn; });
    send(core_, LaneDoneMail{work.lane, std::move(failed)});
  }

  void set_down(bool down) {
    if (down == down_) return;
    down_ = down;
    if (down)
      status_.lanes_down.fetch_add(1);
    else
      status_.lanes_down.fetch_sub(1);
    if (!down) last_error_.clear();
  }

  void rest_until(std::chrono::steady_clock::time_point end) {
    const auto left = end - std::chrono::steady_clock::now();
    if (left > left.zero()) pause(left);
  }

  void pause(caf::timespan time) {  // hears exit messages meanwhile; other mail waits
    receive([&](const caf::exit_msg&) { running_ = false; }, caf::after(time) >> [] {});
  }

  NodeRuntime& node_;
  BackendStatus& status_;
  LaneStart start_;
  caf::actor core_;
  storage::LaneWriter writer_;
  std::uint64_t few_rows_;  // a full batch is never few
  LaneBatchBuilder builder_;
  storage::LaneBatch batch_;
  std::string last_error_;
  bool down_ = false;
  bool running_ = true;
};

// Runs for as long as the database is away, then ends.
class Claimer : public SteadyActor {
 public:
  Claimer(caf::actor_config& config, NodeRuntime& node, ClaimStart start, caf::actor core)
      : SteadyActor(config), node_(node), start_(std::move(start)), core_(std::move(core)) {}

  void act() override {
    auto backoff = kBackoffFirst;
    std::string last_error;
    for (bool running = true; running && !node_.stopping();) {
      config::failpoint("claim");
      const auto claimed = claim_database(start_, config::wall_us());
      if (claimed) {
        config::failpoint("claimed");
        spdlog::info("database claimed for epoch {}", start_.epoch);
        return send(core_, ClaimedMail{});
      }
      const auto& error = claimed.error();
      if (const auto code = exit_code_of(error.code); code != 0) node_.fail(code, error.message);
      if (error.message != last_error) spdlog::warn("database: {}; trying again", error.message);
      last_error = error.message;
      receive([&](const caf::exit_msg&) { running = false; }, caf::after(backoff) >> [] {});
      backoff = std::min(backoff * 2, kBackoffMax);
    }
  }

 private:
  NodeRuntime& node_;
  ClaimStart start_;
  caf::actor core_;
};

}  // namespace

caf::actor spawn_lane(NodeRuntime& node, BackendStatus& status, LaneStart start, caf::actor core) {
  const auto number = std::to_string(start.lane + storage::kFirstLane);
  return node.spawn_actor<Lane>({"lane-" + number}, std::ref(node), std::ref(status),
                                std::move(start), std::move(core));
}

void spawn_claim(NodeRuntime& node, ClaimStart start, caf::actor core) {
  node.spawn_task<Claimer>("claim", std::ref(node), std::move(start), std::move(core));
}

}  // namespace stampede::actors
