// The log on real files: locks, reading beside a writer, misuse.

#include <doctest/doctest.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <filesystem>
#include <fstream>
#include <functional>
#include <iterator>
#include <map>
#include <thread>

#include "config/faults/failpoint.h"
#include "config/process/exit_codes.h"
#include "config/process/invariant.h"
#include "storage/disk/posix_disk.h"
#include "storage/log/log_writer.h"
#include "test/storage/log/log_fixture.h"
#include "test/support/eventually.h"
#include "test/support/temp_log_dir.h"

namespace stampede::test {
namespace {

using storage::Errc;
using storage::LogTail;
using storage::LogWriter;
using storage::PosixDisk;

constexpr std::uint64_t kSegment = 256 << 10;

std::map<std::string, std::string> files_of(const std::string& dir) {
  std::map<std::string, std::string> files;
  for (const auto& entry : std::filesystem::directory_iterator(dir)) {
    std::ifstream in(entry.path(), std::ios::binary);
    files[entry.path().filename()] = std::string(std::istreambuf_iterator<char>(in), {});
  }
  return files;
}

int status_of_child(const std::function<void()>& body) {
  const auto child = ::fork();
  REQUIRE(child >= 0);
  if (child == 0) {
    ::close(STDERR_FILENO);
    body();
    ::_exit(0);
  }
  int status = 0;
  REQUIRE(::waitpid(child, &status, 0) == child);
  return status;
}

LogWriter new_log(PosixDisk& disk, const std::string& dir) {
  auto writer = LogWriter::create(disk, dir, kUuid, small_segments(kSegment));
  if (!writer) FAIL(writer.error().message);
  return std::move(*writer);
}

}  // namespace

TEST_CASE("a log written on real files is read, verified and resumed") {
  TempDir temp;
  PosixDisk disk;
  BatchSource source(1);
  std::vector<TestBatch> written;
  {
    auto writer = new_log(disk, temp.log());
    for (int i = 0; i < 300; ++i) {
      written.push_back(source.next(4000));
      REQUIRE(append_and_sync(writer, written.back()));
      if (i % 50 == 0 && writer.wants_spare()) {
        auto spare = writer.segment_maker().make();
        REQUIRE(spare);
        writer.give_spare(std::move(*spare));
      }
    }
  }
  const auto before = files_of(temp.log());
  Recorder recorder;
  const auto end = storage::read_log(disk, temp.log(), recorder);
  if (!end) FAIL(end.error().message);
  CHECK(recorder.batches == written);
  CHECK(end->segments > 5);
  CHECK(files_of(temp.log()) == before);
  REQUIRE(LogWriter::resume(disk, temp.log(), *end, small_segments(kSegment)));
  for (const auto& [name, bytes] : before) {
    if (storage::looks_like_segment(name)) CHECK(files_of(temp.log())[name] == bytes);
  }
}

TEST_CASE("reading creates nothing, not even where there is no directory") {
  TempDir temp;
  PosixDisk disk;
  Recorder recorder;
  const auto end = storage::read_log(disk, temp.log(), recorder);
  REQUIRE(end);
  CHECK(end->tail == LogTail::empty);
  CHECK_FALSE(std::filesystem::exists(temp.log()));
}

TEST_CASE("the second opener of a log is told so, until the first one is gone") {
  TempDir temp;
  PosixDisk disk;
  {
    auto first = storage::LogLock::take(disk, temp.log());
    REQUIRE(first);
    CHECK(storage::LogLock::take(disk, temp.log()).error().code == Errc::locked);
    CHECK(::unlink((temp.log() + "/LOCK").c_str()) == 0);
    CHECK(storage::LogLock::take(disk, temp.log()).error().code == Errc::locked);
    const int status = status_of_child([&] {
      const auto second = storage::LogLock::take(disk, temp.log());
      ::_exit(!second && second.error().code == Errc::locked ? 75 : 1);
    });
    CHECK(WEXITSTATUS(status) == 75);
  }
  CHECK(storage::LogLock::take(disk, temp.log()));
}

TEST_CASE("a child process does not keep the lock of the parent that is gone") {
  TempDir temp;
  PosixDisk disk;
  int ready[2];
  REQUIRE(::pipe(ready) == 0);
  ::pid_t grandchild = 0;
  const int status = status_of_child([&] {
    const auto lock = storage::LogLock::take(disk, temp.log());
    // As nodes are started: it returns when the program runs. (ThreadSanitizer's vfork does not.)
    ::pid_t started = 0;
    std::string name = "sleep";
    std::string seconds = "60";
    char* arguments[] = {name.data(), seconds.data(), nullptr};
    if (::posix_spawn(&started, "/bin/sleep", nullptr, nullptr, arguments, environ) != 0)
      ::_exit(1);
    if (::write(ready[1], &started, sizeof started) != sizeof started) ::_exit(1);
    ::kill(::getpid(), SIGKILL);
  });
  CHECK(WTERMSIG(status) == SIGKILL);
  REQUIRE(::read(ready[0], &grandchild, sizeof grandchild) == sizeof grandchild);
  // The kernel lets the parent of a vfork go on just before it closes what an exec closes.
  CHECK(test::eventually([&] { return bool(storage::LogLock::take(disk, temp.log())); }));
  ::kill(grandchild, SIGKILL);
  ::close(ready[0]);
  ::close(ready[1]);
}

TEST_CASE("a log is read again and again while it is written, and never refused") {
  TempDir temp;
  PosixDisk disk;
  BatchSource source(1);
  std::vector<TestBatch> to_write;
  for (int i = 0; i < 1500; ++i) to_write.push_back(source.next(2000));
  auto writer = new_log(disk, temp.log());
  std::atomic<bool> written{false};
  std::thread writing([&] {
    for (const auto& batch : to_write) {
      if (!append_and_sync(writer, batch)) break;
    }
    written = true;
  });
  std::size_t seen = 0;
  std::string refused;
  for (bool last_look = false; !last_look && refused.empty();) {
    last_look = written;
    Recorder recorder;
    const auto end = storage::read_log(disk, temp.log(), recorder);
    if (!end) refused = end.error().message;
    if (recorder.batches.size() < seen) refused = "batches have gone";
    seen = recorder.batches.size();
    if (!std::equal(recorder.batches.begin(), recorder.batches.end(), to_write.begin())) {
      refused = "other batches than were written";
    }
  }
  writing.join();
  CHECK(refused == "");
  CHECK(seen == to_write.size());
}

TEST_CASE("errors of the file system name the file and end as I/O errors") {
  PosixDisk disk;
  Recorder recorder;
  const auto end = storage::read_log(disk, "/proc/self/status/log", recorder);
  CHECK(end.error().code == Errc::io);
  CHECK(end.error().message.find("/proc/self/status/log") != std::string::npos);
  const auto writer = LogWriter::create(disk, "/proc/log", kUuid, small_segments(kSegment));
  CHECK(writer.error().code == Errc::io);
  CHECK(disk.create_zeroed("/proc/x", 4096).error().code == Errc::io);
}

TEST_CASE("an existing file is neither made anew nor renamed over") {
  TempDir temp;
  PosixDisk disk;
  REQUIRE(disk.make_dir(temp.log()));
  REQUIRE(disk.create_zeroed(temp.log() + "/a", 4096));
  REQUIRE(disk.create_zeroed(temp.log() + "/b", 5000));
  CHECK_FALSE(disk.create_zeroed(temp.log() + "/a", 4096));
  CHECK_FALSE(disk.rename(temp.log() + "/a", temp.log() + "/b"));
  CHECK(files_of(temp.log())["b"] == std::string(5000, '\0'));
  CHECK(disk.remove(temp.log() + "/a"));
  CHECK(disk.remove(temp.log() + "/a"));
}

TEST_CASE("misuse of the writer ends the process") {
  const auto misuse = [](const std::function<void(LogWriter&, BatchSource&)>& act) {
    TempDir temp;
    const int status = status_of_child([&] {
      PosixDisk disk;
      BatchSource source(1);
      auto writer = new_log(disk, temp.log());
      (void)append_and_sync(writer, source.takeover());
      act(writer, source);
    });
    return WEXITSTATUS(status) == kExitInvariant;
  };
  CHECK(misuse([](auto& writer, auto& source) {  // two batches in flight
    (void)append_batch(writer, source.seal());
    (void)append_batch(writer, source.seal());
  }));
  CHECK(misuse([](auto& writer, auto&) { (void)writer.sync(); }));
  CHECK(misuse([](auto& writer, auto& source) {  // the epoch goes back
    auto batch = source.seal();
    batch.epoch = 1;
    (void)append_batch(writer, batch);
  }));
  CHECK(misuse([](auto& writer, auto& source) {  // the lsn goes back
    auto batch = source.seal();
    batch.first_lsn -= 1;
    (void)append_batch(writer, batch);
  }));
  CHECK(misuse([](auto& writer, auto& source) {  // an empty batch
    auto batch = source.seal();
    batch.records.clear();
    (void)append_batch(writer, batch);
  }));
  CHECK(misuse([](auto&, auto&) {  // a record too large
    storage::LogAppend append;
    append.add(storage::RecordType::emit, std::string(storage::kRecordBytesMax, 'x'));
  }));
  CHECK_FALSE(
      misuse([](auto& writer, auto& source) { (void)append_and_sync(writer, source.seal()); }));
}

TEST_CASE("a kill at each of the log's crash points keeps what was synced") {
  for (const std::string point : {"before_log", "after_write", "after_log", "in_rotate"}) {
    INFO(point);
    TempDir temp;
    int synced[2];
    REQUIRE(::pipe(synced) == 0);
    const int status = status_of_child([&] {
      PosixDisk disk;
      BatchSource source(1);
      auto writer = new_log(disk, temp.log());
      (void)config::arm_failpoints(point + "=kill@" + (point == "in_rotate" ? "2" : "9"));
      while (append_and_sync(writer, source.next(4000))) {
        if (::write(synced[1], "x", 1) != 1) ::_exit(1);
      }
    });
    REQUIRE(WIFSIGNALED(status));
    CHECK(WTERMSIG(status) == SIGKILL);
    ::close(synced[1]);
    std::size_t said = 0;
    for (char c = 0; ::read(synced[0], &c, 1) == 1;) ++said;
    ::close(synced[0]);

    PosixDisk disk;
    Recorder recorder;
    const auto end = storage::read_log(disk, temp.log(), recorder);
    if (!end) FAIL(end.error().message);
    CHECK(recorder.batches.size() >= said);
    CHECK(recorder.batches.size() <= said + 1);
    BatchSource source(1);
    for (const auto& batch : recorder.batches) REQUIRE(batch == source.next(4000));
    CHECK(LogWriter::resume(disk, temp.log(), *end, small_segments(kSegment)));
  }
}

}  // namespace stampede::test
