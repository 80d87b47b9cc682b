// What the trace holds after a process ended in the middle of a record.

#include "actors/backend/replay_trace_file.h"

#include <doctest/doctest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstdlib>
#include <functional>

#include "config/process/invariant.h"
#include "test/support/temp_log_dir.h"

using namespace stampede;
using namespace stampede::actors;

namespace {

// A process that applies lsn 7 and ends by `end`; what it leaves.
ReplayTrace left_by(const std::function<void(ReplayTrace&)>& end) {
  const test::TempDir temp;
  const pid_t child = ::fork();
  if (child == 0) {
    auto file = ReplayTraceFile::open(temp.path());
    if (!file) ::_exit(1);
    file->trace().applying = 7;
    end(file->trace());
    ::_exit(2);
  }
  int status = 0;
  REQUIRE(::waitpid(child, &status, 0) == child);
  const auto file = ReplayTraceFile::open(temp.path());
  REQUIRE(file);
  ReplayTrace left = const_cast<ReplayTraceFile&>(*file).trace();
  REQUIRE(left.applying == 7);
  return left;
}

}  // namespace

TEST_CASE("an end that the record brought about is written down, one from outside is not") {
  CHECK(left_by([](ReplayTrace&) { std::abort(); }).by_itself == 1);
  CHECK(left_by([](ReplayTrace&) { ::raise(SIGSEGV); }).by_itself == 1);
  CHECK(left_by([](ReplayTrace&) {
          STAMPEDE_ASSERT(::getpid() == 0, "the test breaks it");
        }).by_itself == 1);
  CHECK(left_by([](ReplayTrace&) { ::kill(::getpid(), SIGKILL); }).by_itself == 0);
  CHECK(left_by([](ReplayTrace&) { ::_exit(74); }).by_itself == 0);
  // Somebody else's signal: of the parent here.
  const auto by_another = left_by([](ReplayTrace&) {
    const pid_t victim = ::getpid();
    if (::fork() == 0) {
      ::kill(victim, SIGABRT);
      ::_exit(0);
    }
    for (;;) ::pause();
  });
  CHECK(by_another.by_itself == 0);
}

TEST_CASE("a replay that stands still at one record is seen, a process that does not run is not") {
  const test::TempDir temp;
  auto file = ReplayTraceFile::open(temp.path());
  REQUIRE(file);
  auto& trace = file->trace();
  StandingReplay standing;
  Micros now = kSeconds;
  const auto look = [&](int times, Micros every) {
    for (int i = 0; i < times; ++i) standing.look(now += every, kSeconds);
  };
  trace.applying = 7;
  look(10, kSeconds / 10);
  CHECK(trace.stood_at == 0);
  trace.applying = 8;
  look(10, kSeconds / 10);
  look(1, 60 * kSeconds);  // stopped for a minute
  look(9, kSeconds / 10);
  CHECK(trace.stood_at == 0);
  look(2, kSeconds / 10);
  CHECK(trace.stood_at == 8);
}
