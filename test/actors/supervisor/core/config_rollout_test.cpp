#include "actors/supervisor/core/config_rollout.h"

#include <doctest/doctest.h>

using namespace stampede::actors;
using Step = ConfigRollout::Step;
using Stage = ConfigRollout::Stage;

namespace {

ConfiguredNode node(NodeState state, bool follows, const char* last_exit = "") {
  return {"backend-1", state, follows, last_exit};
}

const std::vector<ConfiguredNode> kDone{node(NodeState::ready, true)};
const std::vector<ConfiguredNode> kOld{node(NodeState::ready, false)};
const std::vector<ConfiguredNode> kReplays{node(NodeState::replaying, true)};
const std::vector<ConfiguredNode> kGaveUp{node(NodeState::waiting_operator, false, "exit 78")};

}  // namespace

TEST_CASE("a change is finished when every node is ready with the new text") {
  ConfigRollout rollout;
  CHECK(rollout.look(0, kDone) == Step::wait);  // none was begun
  rollout.begin(1'000);
  CHECK(rollout.look(1'000, kOld) == Step::wait);
  CHECK(rollout.look(1'500, kReplays) == Step::wait);
  CHECK(rollout.look(1'600, {kDone[0], kOld[0]}) == Step::wait);
  CHECK(rollout.look(1'700, kDone) == Step::finished);
  rollout.end();
  CHECK(rollout.stage() == Stage::idle);
}

TEST_CASE("a node that drains is where it shall be") {
  ConfigRollout rollout;
  rollout.begin(0);
  CHECK(still_on_the_way({node(NodeState::draining, true)}).empty());
  CHECK(rollout.look(0, {node(NodeState::draining, true)}) == Step::finished);
}

TEST_CASE("a system without nodes is ready at once") {
  ConfigRollout rollout;
  rollout.begin(0);
  CHECK(rollout.look(0, {}) == Step::finished);
}

TEST_CASE("a node that is not ready in time, or waits for the operator, turns it back") {
  ConfigRollout rollout;
  rollout.begin(1'000);
  CHECK(rollout.look(10'999, kReplays) == Step::wait);
  CHECK(rollout.look(11'000, kReplays) == Step::go_back);
  CHECK(rollout.look(1'100, {kDone[0], kGaveUp[0]}) == Step::go_back);
  // Who is ready in the very last moment counts.
  CHECK(rollout.look(11'000, kDone) == Step::finished);
}

TEST_CASE("the way back ends when all are back, or after the same time") {
  ConfigRollout rollout;
  rollout.begin(0);
  rollout.go_back(10'000);
  CHECK(rollout.stage() == Stage::back);
  CHECK(rollout.look(10'100, kGaveUp) == Step::wait);
  CHECK(rollout.look(10'200, kDone) == Step::gone_back);
  CHECK(rollout.look(20'000, kReplays) == Step::gone_back);
}

TEST_CASE("who is not ready is named with why") {
  CHECK(laggards(kDone).empty());
  CHECK(laggards({kReplays[0], kGaveUp[0]}) ==
        "backend-1 is replaying, backend-1 is waiting_operator (exit 78)");
  CHECK(laggards(kOld) == "backend-1 runs with another text");
}

TEST_CASE("a change does not begin while a node is on its way") {
  CHECK(still_on_the_way({kDone[0], kGaveUp[0], node(NodeState::backing_off, false)}).empty());
  CHECK(still_on_the_way(kReplays) == "backend-1 is replaying");
  CHECK(still_on_the_way({node(NodeState::starting, false)}) == "backend-1 is starting");
}

TEST_CASE("while either text may be in use the longer limit counts") {
  RestartOptions quick;
  quick.beat_limit = 80;
  quick.stall_limit = 9'000;
  RestartOptions slow;
  slow.beat_limit = 80'000;
  slow.stall_limit = 500;
  CHECK(widest(quick, slow).beat_limit == 80'000);
  CHECK(widest(slow, quick).beat_limit == 80'000);
  CHECK(widest(quick, slow).stall_limit == 9'000);
}
