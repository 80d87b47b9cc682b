// What runs another program gives way as a whole before a node of this one starts.

#include "actors/supervisor/core/program_handover.h"

#include <doctest/doctest.h>

using stampede::actors::OtherProgram;
using stampede::actors::ProgramHandover;
using Step = ProgramHandover::Step;

namespace {

constexpr OtherProgram kNothing{};
constexpr OtherProgram kGuardAndNodes{true, 2, 2};
constexpr OtherProgram kNodes{false, 2, 2};
constexpr OtherProgram kBackEnd{false, 0, 2};

}  // namespace

TEST_CASE("where nothing runs another program nodes start at once") {
  ProgramHandover handover;
  CHECK(handover.may_start_nodes());
  handover.begin(0);
  CHECK(handover.look(0, kNothing) == Step::none);
  CHECK(handover.over());
}

TEST_CASE("the guard first, then webapps, then the rest") {
  ProgramHandover handover;
  handover.begin(0);
  CHECK(handover.look(0, kGuardAndNodes) == Step::tell_guard);
  CHECK(handover.look(20, kGuardAndNodes) == Step::tell_guard);
  CHECK(handover.look(40, kNodes) == Step::end_webapps);
  CHECK(handover.look(60, kNodes) == Step::none);
  CHECK(handover.look(80, kBackEnd) == Step::kill_nodes);
  CHECK(handover.look(100, kNothing) == Step::none);
  CHECK(handover.over());
}

TEST_CASE("no node starts while one of another program lives") {
  ProgramHandover handover;
  handover.begin(0);
  for (const auto& left :
       {kGuardAndNodes, kNodes, kBackEnd, OtherProgram{false, 1, 0}, OtherProgram{false, 0, 1}}) {
    handover.look(10, left);
    CHECK_FALSE(handover.may_start_nodes());
  }
  handover.look(20, kNothing);
  CHECK(handover.may_start_nodes());
}

TEST_CASE("who does not go in time is killed, and a guard that does not hear is passed over") {
  ProgramHandover handover;
  handover.begin(0);
  CHECK(handover.look(ProgramHandover::kGuardWithin - 1, kGuardAndNodes) == Step::tell_guard);
  const auto at = ProgramHandover::kGuardWithin;
  CHECK(handover.look(at, kGuardAndNodes) == Step::end_webapps);
  CHECK(handover.look(at + ProgramHandover::kWebappsWithin - 1, kNodes) == Step::none);
  CHECK(handover.look(at + ProgramHandover::kWebappsWithin, kNodes) == Step::kill_nodes);
  CHECK(handover.look(at + ProgramHandover::kWebappsWithin + 20, kBackEnd) == Step::kill_nodes);
  CHECK_FALSE(handover.over());
}

TEST_CASE("a guard alone is changed, too") {
  ProgramHandover handover;
  handover.begin(5);
  CHECK(handover.look(5, {true, 0, 0}) == Step::tell_guard);
  CHECK_FALSE(handover.over());
  CHECK(handover.look(25, kNothing) == Step::none);
  CHECK(handover.over());
}
