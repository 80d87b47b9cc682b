#include "actors/supervisor/core/recovery_list.h"

#include <doctest/doctest.h>

#include <deque>
#include <utility>

using stampede::actors::RecoveryList;

TEST_CASE("a recovery lasts from the end of a process until its node serves") {
  RecoveryList list;
  list.ended("backend-1", "SIGKILL", 1'000, 5'000'000);
  REQUIRE(list.all().size() == 1);
  CHECK(list.all()[0].duration_ms == -1);
  list.replays("backend-1", 1'150);
  list.replays("backend-1", 1'200);
  list.ready("backend-1", 1'400);
  list.ready("backend-1", 9'000);  // it stays ready
  const auto& recovery = list.all()[0];
  CHECK(recovery.node == "backend-1");
  CHECK(recovery.cause == "SIGKILL");
  CHECK(recovery.ended_ms == 5'000'000);
  CHECK(recovery.duration_ms == 400);
  CHECK(recovery.replay_ms == 250);
}

TEST_CASE("who ends again before he serves is still recovering, for the newest cause") {
  RecoveryList list;
  list.ended("broker-1", "exit 70", 0, 100);
  list.ended("broker-1", "SIGKILL", 500, 600);
  list.ready("broker-1", 700);
  REQUIRE(list.all().size() == 1);
  CHECK(list.all()[0].cause == "SIGKILL");
  CHECK(list.all()[0].duration_ms == 700);
  CHECK(list.all()[0].replay_ms == -1);
  list.ended("broker-1", "exit 70", 900, 1000);
  CHECK(list.all().size() == 2);
}

TEST_CASE("what webapps ask again counts from the end until shortly after, of each process") {
  RecoveryList list;
  list.asked_again("webapp-1", 7, 40, 0);
  list.ended("backend-1", "SIGKILL", 1'000, 1);
  list.asked_again("webapp-1", 7, 40, 1'100);
  list.asked_again("webapp-1", 7, 43, 1'200);
  list.ready("backend-1", 1'300);
  list.asked_again("webapp-1", 7, 50, 2'000);
  list.asked_again("webapp-1", 8, 2, 2'500);  // another process counts from 0
  CHECK(list.all()[0].asked_again == 12);
  list.asked_again("webapp-1", 8, 2, 1'300 + RecoveryList::kCountedAfterMs + 1);
  list.asked_again("webapp-1", 8, 90, 9'000);
  CHECK(list.all()[0].asked_again == 12);
}

TEST_CASE("a node that is not to run any more leaves no open recovery") {
  RecoveryList list;
  list.ended("webapp-2", "exit 0", 0, 1);
  list.given_up("webapp-2");
  CHECK(list.all().empty());
  list.ready("webapp-2", 5);
  CHECK(list.all().empty());
}

TEST_CASE("the newest hundred are kept") {
  RecoveryList list;
  for (int i = 0; i < 250; ++i) {
    list.ended("broker-1", "exit " + std::to_string(i), 10 * i, i);
    list.ready("broker-1", 10 * i + 5);
  }
  REQUIRE(list.all().size() == RecoveryList::kKept);
  CHECK(list.all().front().cause == "exit 150");
  CHECK(list.all().back().duration_ms == 5);
}

TEST_CASE("those of earlier supervisors stand before its own, and each change is told") {
  RecoveryList list;
  std::deque<stampede::actors::Recovery> earlier(RecoveryList::kKept);
  earlier.back().node = "broker-1";
  list.restore(earlier);
  auto seen = list.changes();
  const auto changed = [&] { return std::exchange(seen, list.changes()) != seen; };
  list.add({"supervisor-1", "SIGKILL", 100, 20});
  CHECK(changed());
  REQUIRE(list.all().size() == RecoveryList::kKept);
  CHECK(list.all()[RecoveryList::kKept - 2].node == "broker-1");
  list.ended("backend-1", "SIGKILL", 1'000, 5'000);
  CHECK(changed());
  list.ready("backend-1", 1'400);
  CHECK(changed());
  CHECK(list.all().back().duration_ms == 400);
  list.ready("backend-1", 1'500);
  list.asked_again("webapp-1", 7, 0, 1'600);
  CHECK_FALSE(changed());
  list.asked_again("webapp-1", 7, 3, 1'700);
  CHECK(changed());
}
