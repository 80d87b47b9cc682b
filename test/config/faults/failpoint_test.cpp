#include "config/faults/failpoint.h"

#include <doctest/doctest.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <functional>
#include <new>
#include <stdexcept>
#include <string>
#include <thread>

#include "config/process/exit_codes.h"
#include "config/process/invariant.h"

namespace stampede::config {
namespace {

// How a child process that runs `body` ends, as waitpid() tells it.
int status_of_child(const std::function<void()>& body) {
  const auto child = ::fork();
  if (child == 0) {
    ::close(STDERR_FILENO);
    body();
    ::_exit(0);
  }
  int status = 0;
  REQUIRE(::waitpid(child, &status, 0) == child);
  return status;
}

TEST_CASE("a point that is not armed does nothing") {
  CHECK(arm_failpoints("other_point=eio").empty());
  CHECK_FALSE(failpoint("never_armed"));
}

TEST_CASE("of a text that is wrong nothing is armed") {
  CHECK(arm_failpoints("first_of_two=eio;second=kill@-1") == "'-1' is not a number from 1");
  CHECK_FALSE(failpoint_armed("first_of_two"));
}

TEST_CASE("an operator names points that there are") {
  for (const char* text : {"decided=kill@3", "news=on;in_replay=eio", "actor:port=throw",
                           "replay_record:1.5=kill", "disk_full=on"})
    CHECK(wrong_failpoints(text).empty());
  CHECK(wrong_failpoints("decided=kill;zz=kill") == "there is no point zz");
  CHECK(wrong_failpoints("decided:1=kill") == "there is no point decided:1");
  CHECK(wrong_failpoints("decided=kill@-1") == "'-1' is not a number from 1");
  CHECK(wrong_failpoints("decided").ends_with("has no '='"));
  CHECK_FALSE(failpoint_armed("decided"));
}

TEST_CASE("eio fires at the named pass and only there") {
  CHECK(arm_failpoints("third_pass=eio@3").empty());
  CHECK_FALSE(failpoint("third_pass"));
  CHECK_FALSE(failpoint("third_pass"));
  CHECK(failpoint("third_pass"));
  CHECK_FALSE(failpoint("third_pass"));
}

TEST_CASE("a point that is on reports true from its pass on until it is disarmed") {
  CHECK(arm_failpoints("lasting=on@2").empty());
  CHECK_FALSE(failpoint("lasting"));
  for (int i = 0; i < 3; ++i) CHECK(failpoint("lasting"));
  disarm_failpoints();
  CHECK_FALSE(failpoint("lasting"));
}

TEST_CASE(
    "a point with a label is one of its own, and the label costs nothing when none is armed") {
  disarm_failpoints();
  int made = 0;
  const auto label = [&](const char* text) {
    return [&made, text] { return ++made, std::string(text); };
  };
  CHECK_FALSE(failpoint("record", label("1.5")));
  CHECK(made == 0);
  CHECK(arm_failpoints("record:1.5=eio").empty());
  CHECK_FALSE(failpoint("record", label("1.4")));
  CHECK(failpoint("record", label("1.5")));
}

TEST_CASE("a thread that hangs never comes back, a slow one does each time") {
  const auto hung = status_of_child([] {
    arm_failpoints("stuck=hang");
    ::alarm(1);
    static_cast<void>(failpoint("stuck"));
  });
  CHECK(WIFSIGNALED(hung));
  CHECK(WTERMSIG(hung) == SIGALRM);
  CHECK(arm_failpoints("late=slow@2").empty());
  const auto begin = std::chrono::steady_clock::now();
  for (int i = 0; i < 3; ++i) CHECK_FALSE(failpoint("late"));
  CHECK(std::chrono::steady_clock::now() - begin >= std::chrono::milliseconds(200));
  disarm_failpoints();
}

TEST_CASE("several points are armed by one text") {
  CHECK(arm_failpoints("one=eio;two=throw@1;").empty());
  CHECK(failpoint("one"));
  CHECK_THROWS_AS(static_cast<void>(failpoint("two")), std::runtime_error);
}

TEST_CASE("kill ends the process with SIGKILL, exit with code 1") {
  const auto killed = status_of_child([] {
    arm_failpoints("die=kill@2");
    static_cast<void>(failpoint("die"));
    static_cast<void>(failpoint("die"));
  });
  CHECK(WIFSIGNALED(killed));
  CHECK(WTERMSIG(killed) == SIGKILL);
  const auto left = status_of_child([] {
    arm_failpoints("leave=exit");
    static_cast<void>(failpoint("leave"));
  });
  CHECK(WEXITSTATUS(left) == 1);
}

TEST_CASE("no thread goes on behind a point at which another one ends the process") {
  struct Seen {
    std::atomic<int> ready, behind;
  };
  void* memory =
      ::mmap(nullptr, sizeof(Seen), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  REQUIRE(memory != MAP_FAILED);
  Seen& seen = *new (memory) Seen{};
  for (int round = 0; round < 300; ++round) {
    seen.ready = 0;
    status_of_child([&] {
      arm_failpoints("last=kill");
      const auto pass = [&] {
        for (++seen.ready; seen.ready < 2;) {
        }
        static_cast<void>(failpoint("last"));
        ++seen.behind;
      };
      std::thread other(pass);
      pass();
      ::pause();
    });
  }
  CHECK(seen.behind.load() == 0);
  ::munmap(memory, sizeof(Seen));
}

TEST_CASE("text that names no point or action is refused and quoted") {
  CHECK(arm_failpoints("nothing").find("'nothing'") != std::string::npos);
  CHECK(arm_failpoints("p=explode").find("'explode'") != std::string::npos);
  CHECK(arm_failpoints("p=kill@0").find("'0'") != std::string::npos);
  CHECK(arm_failpoints("p=kill@x").find("'x'") != std::string::npos);
  CHECK(arm_failpoints("").empty());
}

TEST_CASE("a broken invariant ends the process with code 70, a kept one does not") {
  const auto broken = status_of_child([] { STAMPEDE_ASSERT(1 + 1 == 3, "sums hold"); });
  CHECK(WIFEXITED(broken));
  CHECK(WEXITSTATUS(broken) == kExitInvariant);
  const auto kept = status_of_child([] { STAMPEDE_ASSERT(1 + 1 == 2, "sums hold"); });
  CHECK(WEXITSTATUS(kept) == 0);
}

}  // namespace
}  // namespace stampede::config
