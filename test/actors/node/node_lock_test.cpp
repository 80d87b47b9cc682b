#include "actors/node/node_lock.h"

#include <doctest/doctest.h>
#include <poll.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>

#include "actors/node/exit_note.h"
#include "actors/supervisor/process_watch.h"

using namespace stampede::actors;

namespace {

struct Directory {
  Directory() {
    std::string text = (std::filesystem::temp_directory_path() / "stampede-XXXXXX").string();
    REQUIRE(::mkdtemp(text.data()) != nullptr);
    path = text;
  }
  ~Directory() { std::filesystem::remove_all(path); }
  std::filesystem::path path;
};

// A child that does nothing until it is killed.
pid_t idle_child() {
  const pid_t pid = ::fork();
  if (pid == 0) {
    for (;;) ::pause();
  }
  return pid;
}

}  // namespace

TEST_CASE("the lock is taken once and names its holder") {
  Directory run;
  const auto file = lock_file(run.path, "broker-1");
  CHECK(!lock_holder(file));
  {
    const auto lock = NodeLock::take(file, 77, 0);
    REQUIRE(std::holds_alternative<NodeLock>(lock));
    const auto holder = lock_holder(file);
    REQUIRE(holder);
    CHECK(holder->process.pid == ::getpid());
    CHECK(holder->process.start_time == start_time_of(::getpid()));
    CHECK(holder->instance == 77);
    const auto second = NodeLock::take(file, 78, 50);
    REQUIRE(std::holds_alternative<std::string>(second));
    const auto& reason = std::get<std::string>(second);
    CHECK(reason.find(file.string()) != std::string::npos);
    CHECK(reason.find("process " + std::to_string(::getpid())) != std::string::npos);
  }
  CHECK(!lock_holder(file));  // the content is stale, the lock decides
  CHECK(std::holds_alternative<NodeLock>(NodeLock::take(file, 79, 0)));
}

TEST_CASE("a lock whose file was taken away is found again under its name") {
  Directory run;
  const auto file = lock_file(run.path, "broker-1");
  auto taken = NodeLock::take(file, 77, 0);
  REQUIRE(std::holds_alternative<NodeLock>(taken));
  auto& lock = std::get<NodeLock>(taken);
  lock.restore();
  std::filesystem::remove(file);
  CHECK(!lock_holder(file));
  lock.restore();
  CHECK(lock_holder(file)->instance == 77);
  std::filesystem::remove(file);
  {
    const auto other = NodeLock::take(file, 78, 0);
    REQUIRE(std::holds_alternative<NodeLock>(other));
    lock.restore();  // not under somebody who holds it
    CHECK(lock_holder(file)->instance == 78);
  }
  lock.restore();
  CHECK(lock_holder(file)->instance == 77);
  std::filesystem::rename(run.path, run.path.string() + "-away");
  lock.restore();  // nowhere to be; and again
  std::filesystem::rename(run.path.string() + "-away", run.path);
  lock.restore();
  CHECK(lock_holder(file)->instance == 77);
}

TEST_CASE("who holds a lock hears when its file or its directory goes") {
  Directory run;
  const auto file = lock_file(run.path, "broker-1");
  auto taken = NodeLock::take(file, 77, 0);
  REQUIRE(std::holds_alternative<NodeLock>(taken));
  auto& lock = std::get<NodeLock>(taken);
  const auto heard = [&] {
    pollfd watch{lock.watch(), POLLIN, 0};
    REQUIRE(watch.fd >= 0);
    return ::poll(&watch, 1, 0) == 1;
  };
  CHECK_FALSE(heard());
  CHECK(lock.restore());
  std::filesystem::remove(file);
  CHECK(heard());
  CHECK_FALSE(lock.restore());  // it was not
  CHECK_FALSE(heard());
  CHECK(lock.restore());
  std::filesystem::rename(run.path, run.path.string() + "-away");
  CHECK(heard());
  CHECK_FALSE(lock.restore());
  std::filesystem::rename(run.path.string() + "-away", run.path);
  CHECK(lock.restore());
  CHECK_FALSE(heard());
}

TEST_CASE("a held lock whose content names nobody is still held") {
  Directory run;
  const auto file = lock_file(run.path, "broker-1");
  const auto lock = NodeLock::take(file, 77, 0);
  REQUIRE(std::holds_alternative<NodeLock>(lock));
  for (const char* text : {"", "{", "[]", R"({"pid":"x"})", R"({"pid":1,"start":1})"}) {
    std::ofstream(file, std::ios::trunc) << text;
    const auto holder = lock_holder(file);
    REQUIRE(holder);
    CHECK(holder->process.pid == 0);
  }
}

TEST_CASE("the start time tells a process from a later one with its number") {
  const pid_t child = idle_child();
  const auto start = start_time_of(child);
  REQUIRE(start);
  CHECK(!WatchedProcess::adopt({child, *start + 1}));
  auto watched = WatchedProcess::adopt({child, *start});
  REQUIRE(watched);
  CHECK(!watched->ended());
  watched->signal(SIGKILL);
  CHECK(::waitpid(child, nullptr, 0) == child);
  CHECK(watched->ended());
  CHECK(!start_time_of(child));
  CHECK(!WatchedProcess::adopt({child, *start}));
}

TEST_CASE("a zombie is no running process") {
  const pid_t child = idle_child();
  REQUIRE(start_time_of(child));
  ::kill(child, SIGKILL);
  siginfo_t info{};
  REQUIRE(::waitid(P_PID, static_cast<id_t>(child), &info, WEXITED | WNOWAIT) == 0);
  CHECK(!start_time_of(child));
  ::waitpid(child, nullptr, 0);
}

TEST_CASE("an exit note is read as it was written") {
  Directory run;
  CHECK(!read_exit_note(run.path, "backend-1"));
  write_exit_note(run.path, "backend-1", {65, "log \"x\"\ndamaged at 118", 4711});
  const auto note = read_exit_note(run.path, "backend-1");
  REQUIRE(note);
  CHECK(note->code == 65);
  CHECK(note->reason == "log \"x\"\ndamaged at 118");
  CHECK(note->pid == 4711);
  remove_exit_note(run.path, "backend-1");
  CHECK(!read_exit_note(run.path, "backend-1"));
}

TEST_CASE("an end is told in the words that people know") {
  CHECK(to_text(ProcessEnd{70, {}}) == "exit 70");
  CHECK(to_text(ProcessEnd{{}, SIGKILL}) == "SIGKILL");
  CHECK(to_text(ProcessEnd{{}, {}}) == "killed or crashed");
}
