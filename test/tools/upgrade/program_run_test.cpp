// Programs that are asked what they are, and processes as the kernel shows them.

#include "tools/upgrade/program_run.h"

#include <doctest/doctest.h>
#include <unistd.h>

#include <chrono>

using namespace stampede::tools;
using std::chrono::milliseconds;

namespace {

constexpr milliseconds kWithin{5'000};

}  // namespace

TEST_CASE("a program runs to its end in another's place") {
  const ProcessWords as{{"sh", "-c", "pwd; echo $GIVEN >&2; exit 7"}, {"GIVEN=words"}, "/proc"};
  const auto end = run_to_end("/bin/sh", as, kWithin);
  CHECK(end.fault.empty());
  CHECK(end.exit == 7);
  CHECK(end.output == "/proc\n");
  CHECK(end.errors == "words\n");
}

TEST_CASE("a program that cannot run, is killed or does not end says so") {
  CHECK(run_to_end("/nowhere", {{"x"}, {}, "/"}, kWithin).fault ==
        "/nowhere cannot be started: No such file or directory");
  CHECK(run_to_end("/bin/sh", {{"sh", "-c", "kill -9 $$"}, {}, "/"}, kWithin).exit == 128 + 9);
  const auto late =
      run_to_end("/bin/sh", {{"sh", "-c", "while :; do :; done"}, {}, "/"}, milliseconds(50));
  CHECK(late.fault.find("does not say what it is") != std::string::npos);
}

TEST_CASE("a process is known by its words") {
  const auto own = words_of_process(::getpid());
  REQUIRE_FALSE(own.words.empty());
  CHECK(has_word(own, own.words.front()));
  CHECK_FALSE(has_word(own, "--guard"));
  CHECK(variable_of(own, "PATH") == ::getenv("PATH"));
  CHECK(variable_of(own, "NO_SUCH_NAME").empty());
  CHECK(parent_of(::getpid()) == ::getppid());
  CHECK(program_path(::getpid()).ends_with("tools_upgrade_test"));
  CHECK(words_of_process(0).words.empty());
}
