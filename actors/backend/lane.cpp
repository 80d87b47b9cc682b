#include "actors/backend/lane.h"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <chrono>

#include "actors/backend/agents/claim_agent.h"
#include "actors/backend/agents/lane_agent.h"
#include "actors/backend/monotonic.h"
#include "actors/node/steady_actor.h"
#include "config/process/wall_clock.h"

namespace stampede::actors {

namespace {

// An actor that asks the database again and again.
class DatabaseActor : public SteadyActor {
 public:
  DatabaseActor(caf::actor_config& config, NodeRuntime& node, BackendStatus& status,
                std::string name)
      : SteadyActor(config), node_(node), status_(status), name_(std::move(name)) {}

 protected:
  // One attempt, whose end the status knows.
  template <class Ask>
  Attempt ask(Ask attempt) {
    status_.database.asks(name_, monotonic_us());
    auto made = attempt();
    if (made.kind == Attempt::Kind::done)
      status_.database.answered(name_);
    else
      status_.database.failed(name_, made.error, monotonic_us());
    return made;
  }

  // Ends the process when trying again cannot help; else says why and waits.
  void wait_after(const Attempt& attempt) {
    if (attempt.kind == Attempt::Kind::final) node_.fail(attempt.exit_code, attempt.error.message);
    if (attempt.news) spdlog::warn("{}: {}; trying again", name_, attempt.error.message);
    pause(attempt.wait);
  }

  void pause(Micros wait) {  // hears exit messages meanwhile; other mail waits
    if (wait <= 0) return;
    receive([&](const caf::exit_msg&) { running_ = false; },
            caf::after(std::chrono::microseconds(wait)) >> [] {});
  }

  NodeRuntime& node_;
  BackendStatus& status_;
  std::string name_;  // as in the log and the status
  bool running_ = true;
};

constexpr std::chrono::seconds kIdleLookEvery{1};

class Lane : public DatabaseActor {
 public:
  Lane(caf::actor_config& config, NodeRuntime& node, BackendStatus& status, const LaneStart& start,
       caf::actor core)
      : DatabaseActor(config, node, status,
                      "lane-" + std::to_string(start.lane + storage::kFirstLane)),
        core_(std::move(core)),
        agent_(start.database, static_cast<int>(start.lane) + storage::kFirstLane, start.epoch,
               node.config().db.batch_rows_max, start.owner, start.last) {}

  void act() override {
    while (running_)
      receive([&](LaneWorkMail& mail) { apply(std::move(*mail.work)); },
              [&](ClaimedMail&) { agent_.claimed(); },
              [&](const caf::exit_msg&) { running_ = false; },
              caf::others >> [](caf::message_view&) -> caf::result<caf::message> {
                return caf::sec::unexpected_message;
              },
              caf::after(kIdleLookEvery) >> [&] { look(); });
    show_down(false);
    status_.database.leaves(name_);
  }

 private:
  void apply(LaneWork work) {
    agent_.take(std::move(work), monotonic_us());
    while (running_) {
      const auto began = monotonic_us();
      const auto attempt = ask([this] { return agent_.attempt(); });
      show_down(agent_.down());
      if (attempt.kind == Attempt::Kind::done) {
        status_.batch_us.add(monotonic_us() - began);
        pause(agent_.rest_until() - monotonic_us());
        return report();
      }
      wait_after(attempt);
    }
  }

  void look() {
    while (running_) {
      const auto attempt = ask([this] { return agent_.look(); });
      show_down(agent_.down());
      if (attempt.kind == Attempt::Kind::done) return;
      wait_after(attempt);
      // A row that is missing is looked for until it is there, or lost.
      if (attempt.error.sql_number != storage::kErrnumNoRow) return;
    }
  }

  void report() {
    for (const auto& reason : agent_.reasons()) spdlog::error("{}: {}", name_, reason);
    send(core_, LaneDoneMail{agent_.number(),
                             std::make_shared<std::vector<FailedCommand>>(agent_.failed())});
  }

  void show_down(bool down) {
    if (std::exchange(down_, down) == down) return;
    if (down)
      status_.lanes_down.fetch_add(1);
    else
      status_.lanes_down.fetch_sub(1);
  }

  caf::actor core_;
  LaneAgent agent_;
  bool down_ = false;  // as shown
};

// Runs for as long as the database is away, then ends.
class Claimer : public DatabaseActor {
 public:
  Claimer(caf::actor_config& config, NodeRuntime& node, BackendStatus& status, ClaimStart start,
          caf::actor core)
      : DatabaseActor(config, node, status, "database"),
        core_(std::move(core)),
        agent_(std::move(start)) {}

  void act() override {
    while (running_ && !node_.stopping()) {
      const auto attempt = ask([this] { return agent_.attempt(config::wall_us()); });
      if (attempt.kind == Attempt::Kind::done) {
        spdlog::info("database claimed for epoch {}", agent_.epoch());
        return send(core_, ClaimedMail{});
      }
      wait_after(attempt);
    }
  }

 private:
  caf::actor core_;
  ClaimAgent agent_;
};

}  // namespace

caf::actor spawn_lane(NodeRuntime& node, BackendStatus& status, LaneStart start, caf::actor core) {
  const auto number = std::to_string(start.lane + storage::kFirstLane);
  return node.spawn_actor<Lane>({"lane-" + number}, std::ref(node), std::ref(status),
                                std::move(start), std::move(core));
}

void spawn_claim(NodeRuntime& node, BackendStatus& status, ClaimStart start, caf::actor core) {
  node.spawn_task<Claimer>("claim", std::ref(node), std::ref(status), std::move(start),
                           std::move(core));
}

}  // namespace stampede::actors
