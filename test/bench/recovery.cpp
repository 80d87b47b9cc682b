// How long a restart takes, in CPU and wall time: recovery_bench DIR ORDERS [--executed]
//
// Writes a log of ORDERS confirmed orders into the empty directory DIR (--executed: all of them are
// in the database already), recovers it, hands over what is owed, makes a snapshot, and recovers
// from that. One line each.

#include "actors/backend/recovery/recovery.h"

#include <sys/resource.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>

#include "storage/disk/posix_disk.h"
#include "storage/log/log_writer.h"

using namespace stampede;
using namespace stampede::actors;

namespace {

constexpr std::uint64_t kUsers = 100'000;
constexpr std::uint64_t kOrdersPerBatch = 4000;

template <class T>
T must(storage::Result<T> result) {
  if (result) return std::move(*result);
  std::fprintf(stderr, "%s\n", result.error().message.c_str());
  std::exit(1);
}

double cpu_s() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  const auto seconds = [](const timeval& t) {
    return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_usec) / 1e6;
  };
  return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

class Stopwatch {
 public:
  void say(const char* what, std::uint64_t count) {
    const double cpu = cpu_s() - cpu_;
    const std::chrono::duration<double> wall = std::chrono::steady_clock::now() - wall_;
    rusage usage{};
    getrusage(RUSAGE_SELF, &usage);
    std::printf("%-28s %10llu  cpu %7.3f s  wall %7.3f s  %6.2f M/s of cpu  rss max %ld MiB\n",
                what, static_cast<unsigned long long>(count), cpu, wall.count(),
                static_cast<double>(count) / cpu / 1e6, usage.ru_maxrss / 1024);
    std::fflush(stdout);
  }

 private:
  double cpu_ = cpu_s();
  std::chrono::steady_clock::time_point wall_ = std::chrono::steady_clock::now();
};

void append(storage::LogWriter& writer, const storage::LogAppend& records, Lsn first) {
  const std::string_view parts[] = {records.records};
  must(writer.append(parts, {1, first, records.count, 1, 1}));
  must(writer.sync());
}

void generate(storage::Disk& disk, const std::string& dir, std::uint64_t orders, bool executed) {
  auto writer = must(storage::LogWriter::create(disk, dir, LogUuid{1, 2, 3}, {}));
  std::string payload;
  Lsn lsn = storage::make_lsn(1, 1);
  const auto total = static_cast<std::int64_t>(orders) + 7;
  storage::LogAppend records;
  storage::encode_item_set(payload, {"put-1", 1, {"Phone", 100, total, 0, 5}, 1}, {1, total});
  records.add(storage::RecordType::emit, payload);
  append(writer, records, lsn++);
  for (std::uint64_t i = 0; i < orders;) {
    records = {};
    const Lsn first = lsn;
    for (std::uint64_t n = 0; n < kOrdersPerBatch && i < orders; ++n, ++i) {
      const auto id = "bench-run-" + std::to_string(1'000'000'000 + i);
      const auto user = "user-" + std::to_string(i % kUsers);
      payload.clear();
      storage::encode_order_set(
          payload, {id, 1, user, 1, 100, 1'700'000'000'000'000 + static_cast<std::int64_t>(i)},
          {1, total - static_cast<std::int64_t>(i) - 1});
      records.add(storage::RecordType::emit, payload);
      ++lsn;
    }
    if (executed) {
      payload.clear();
      storage::encode_outcome(payload,
                              {1, storage::CommandKind::order_insert, 0, {first, lsn - 1}});
      records.add(storage::RecordType::exec, payload);
    }
    append(writer, records, first);
  }
}

void recover(storage::Disk& disk, const std::string& dir, const char* what) {
  const BackendLimits limits;
  Stopwatch watch;
  ReplayTrace trace;
  ReplayGuard guard({}, trace);
  auto log = must(recover_log(
      disk, dir, limits, [](const storage::BatchInfo&) {}, [] {}, &guard));
  watch.say(what, log.core->book().confirmed());
  Stopwatch owed;
  hand_over_owed(*log.core, log.fold, 5000);
  owed.say("  hand over what is owed", log.core->projection().owed());
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 3) {
    std::fprintf(stderr, "usage: %s DIR ORDERS [--executed]\n", argv[0]);
    return 2;
  }
  const std::string dir = argv[1];
  const std::uint64_t orders = std::strtoull(argv[2], nullptr, 10);
  storage::PosixDisk disk;
  must(disk.make_dir(dir));
  if (must(storage::segment_numbers(disk, dir)).empty())
    generate(disk, dir, orders, argc > 3 && std::string_view(argv[3]) == "--executed");
  {
    storage::LogVisitor nobody;
    Stopwatch watch;
    const auto end = must(storage::read_log(disk, dir, nobody));
    watch.say("scan the log", end.records);
  }
  recover(disk, dir, "recover from the log");
  {
    // Closes the last segment, as the start of a backend does.
    storage::LogVisitor nobody;
    const auto end = must(storage::read_log(disk, dir, nobody));
    (void)must(storage::LogWriter::resume(disk, dir, end, {}));
  }
  Stopwatch watch;
  SnapshotOrder order;
  const auto made = must(make_snapshot(disk, dir, order));
  watch.say("make a snapshot", made ? made->bytes : 0);
  recover(disk, dir, "recover from the snapshot");
  return 0;
}
