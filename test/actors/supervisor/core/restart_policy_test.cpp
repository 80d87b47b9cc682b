#include "actors/supervisor/core/restart_policy.h"

#include <doctest/doctest.h>

#include <string>
#include <vector>

using namespace stampede::actors;
using Action = RestartPolicy::Action;

namespace {

RestartOptions options() {
  RestartOptions made;
  made.backoff_min = 100;
  made.backoff_max = 1'600;
  made.beat_limit = 2'000;
  made.start_limit = 15'000;
  made.stall_limit = 5'000;
  made.stop_limit = 35'000;
  made.calm = 500;
  return made;
}

Beat beat(Phase phase, bool work = false, std::uint64_t progress = 0, bool disk = false) {
  return {phase, work, disk, progress};
}

// A policy with a process that is ready at `now`.
RestartPolicy ready_at(Ms now) {
  RestartPolicy policy(options());
  policy.want_running(now);
  policy.started(now);
  policy.heard(now, beat(Phase::serving));
  return policy;
}

}  // namespace

TEST_CASE("a wanted node is started at once") {
  RestartPolicy policy(options());
  CHECK(policy.due(0) == Action::none);
  CHECK(policy.state() == NodeState::stopped);
  policy.want_running(1'000);
  CHECK(policy.due(1'000) == Action::start);
  policy.started(1'000);
  CHECK(policy.state() == NodeState::starting);
  CHECK(policy.due(1'000) == Action::none);
  CHECK(policy.restarts() == 0);
}

TEST_CASE("the state follows the heartbeats") {
  RestartPolicy policy(options());
  policy.want_running(0);
  policy.started(0);
  const std::vector<std::pair<Phase, NodeState>> table{
      {Phase::starting, NodeState::starting}, {Phase::replaying, NodeState::replaying},
      {Phase::serving, NodeState::ready},     {Phase::draining, NodeState::draining},
      {Phase::stopped, NodeState::draining},  {Phase::invalid, NodeState::starting}};
  for (const auto& [phase, state] : table) {
    policy.heard(1, beat(phase));
    CHECK(policy.state() == state);
  }
}

TEST_CASE("the wait doubles from the least to the most, for ever") {
  RestartPolicy policy(options());
  policy.want_running(0);
  Ms now = 0;
  std::vector<Ms> waits;
  for (int i = 0; i < 8; ++i) {
    policy.started(now);
    now += 10;
    policy.ended(now, 1);
    CHECK(policy.state() == NodeState::backing_off);
    waits.push_back(policy.start_at() - now);
    CHECK(policy.due(policy.start_at() - 1) == Action::none);
    now = policy.start_at();
    CHECK(policy.due(now) == Action::start);
  }
  CHECK(waits == std::vector<Ms>{100, 200, 400, 800, 1600, 1600, 1600, 1600});
  CHECK(policy.restarts() == 7);
}

TEST_CASE("a node that stayed ready begins with the least wait again") {
  RestartPolicy policy = ready_at(0);
  policy.ended(100, std::nullopt);  // ready too short to count as calm
  CHECK(policy.start_at() == 200);
  policy.started(200);
  policy.heard(200, beat(Phase::serving));
  policy.ended(300, std::nullopt);
  CHECK(policy.start_at() == 500);  // doubled
  policy.started(500);
  policy.heard(500, beat(Phase::serving));
  policy.ended(1'000, std::nullopt);
  CHECK(policy.start_at() == 1'100);
}

TEST_CASE("a node that the operator asked for begins with the least wait again") {
  RestartPolicy policy = ready_at(0);
  for (Ms now = 0; now < 5'000; now += 1'000) {
    policy.ended(now, std::nullopt);
    policy.started(now);
  }
  policy.want_running(6'000);
  CHECK(policy.due(6'000) == Action::none);  // it has a process
  policy.ended(6'000, std::nullopt);
  CHECK(policy.start_at() == 6'100);
}

TEST_CASE("exit codes decide whether starting again can help") {
  for (const int code : {65, 75, 78}) {
    RestartPolicy policy = ready_at(0);
    policy.ended(10, code);
    CHECK(policy.state() == NodeState::waiting_operator);
    CHECK(policy.due(10'000'000) == Action::none);
    policy.want_running(10'000'000);
    CHECK(policy.due(10'000'000) == Action::start);
  }
  for (const int code : {0, 1, 6, 70, 74}) {
    RestartPolicy policy = ready_at(0);
    policy.ended(10, code);
    CHECK(policy.state() == NodeState::backing_off);
  }
}

TEST_CASE("silence is a hang") {
  RestartPolicy policy = ready_at(0);
  CHECK(policy.due(1'999) == Action::none);
  CHECK(policy.due(2'000) == Action::kill);
  CHECK(policy.kill_reason() == "no heartbeat for 2.0 s");
  CHECK(policy.due(2'500) == Action::none);  // the end takes a moment
  CHECK(policy.due(3'000) == Action::kill);
  policy.ended(3'001, std::nullopt);
  CHECK(policy.state() == NodeState::backing_off);
}

TEST_CASE("a process gets longer for its first heartbeat") {
  RestartPolicy policy(options());
  policy.want_running(0);
  policy.started(0);
  CHECK(policy.due(14'999) == Action::none);
  CHECK(policy.due(15'000) == Action::kill);
}

TEST_CASE("a supervisor that was asleep itself kills nobody") {
  RestartPolicy policy = ready_at(0);
  policy.forgive(60'000);
  CHECK(policy.due(60'100) == Action::none);
  CHECK(policy.due(62'000) == Action::kill);
}

TEST_CASE("waiting work without progress is a hang") {
  RestartPolicy policy = ready_at(0);
  for (Ms now = 0; now <= 4'900; now += 100) {
    policy.heard(now, beat(Phase::serving, true, 7));
    CHECK(policy.due(now) == Action::none);
  }
  policy.heard(5'000, beat(Phase::serving, true, 7));
  CHECK(policy.due(5'000) == Action::kill);
  CHECK(policy.kill_reason() == "work waits and nothing moved for 5.0 s");
}

TEST_CASE("no hang: progress, no work, or a disk that everybody would wait for") {
  struct Row {
    bool work;
    bool moves;
    bool disk;
  };
  for (const Row row : {Row{true, true, false}, Row{false, false, false}, Row{true, false, true}}) {
    RestartPolicy policy = ready_at(0);
    for (Ms now = 0; now <= 60'000; now += 100) {
      const auto progress = row.moves ? static_cast<std::uint64_t>(now / 4'000) : 7;
      policy.heard(now, beat(Phase::serving, row.work, progress, row.disk));
      CHECK(policy.due(now) == Action::none);
    }
  }
}

TEST_CASE("work that begins to wait has all of its time before it") {
  RestartPolicy policy = ready_at(0);
  for (Ms now = 0; now < 20'000; now += 100) policy.heard(now, beat(Phase::serving));
  policy.heard(20'000, beat(Phase::serving, true));
  CHECK(policy.due(20'000) == Action::none);
}

TEST_CASE("a replay that stands still is a hang") {
  RestartPolicy policy(options());
  policy.want_running(0);
  policy.started(0);
  for (Ms now = 0; now < 5'000; now += 100) policy.heard(now, beat(Phase::replaying, false, 3));
  CHECK(policy.due(4'900) == Action::none);
  policy.heard(5'000, beat(Phase::replaying, false, 3));
  CHECK(policy.due(5'000) == Action::kill);
}

TEST_CASE("a replay may last for ever as long as it moves, however slowly") {
  RestartPolicy policy(options());
  policy.want_running(0);
  policy.started(0);
  for (Ms now = 0; now < 600'000; now += 100) {
    policy.heard(now, beat(Phase::replaying, false, static_cast<std::uint64_t>(now / 4'900)));
    CHECK(policy.due(now) == Action::none);
  }
}

TEST_CASE("a stopped node stays stopped, and is killed when it does not stop") {
  RestartPolicy policy = ready_at(0);
  policy.want_stopped(1'000);
  for (Ms now = 1'000; now < 36'000; now += 500) {
    policy.heard(now, beat(Phase::draining));
    CHECK(policy.due(now) == Action::none);
  }
  policy.heard(36'000, beat(Phase::draining));
  CHECK(policy.due(36'000) == Action::kill);
  policy.ended(36'001, std::nullopt);
  CHECK(policy.state() == NodeState::stopped);
  CHECK(policy.due(1'000'000) == Action::none);
}

TEST_CASE("a node that waits is stopped without a process") {
  RestartPolicy policy = ready_at(0);
  policy.ended(0, 65);
  policy.want_stopped(1);
  CHECK(policy.state() == NodeState::stopped);
}
