// How long a restart takes, in CPU and wall time, and what a sale costs in memory:
//
//   recovery_bench DIR ORDERS [FLAGS]
//     Writes a log of ORDERS confirmed orders without rules, and of what the flags say, into the
//     empty directory DIR, recovers it, hands over what is owed, makes a snapshot, and recovers
//     from that. One line each; `rss` is what the step has in the end, `max` the most it had.
//   recovery_bench --memory N [--items N] [--promos N] [--bounded] [--long-ids]
//     What one of N of each kind takes, in a book with so many items and promos.
//
// Flags: --executed (all is in the database already), and those of the shape, see kCounts and
// kMarks below.

#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <functional>
#include <map>
#include <string>
#include <string_view>

#include "actors/backend/recovery/recovery.h"
#include "storage/disk/posix_disk.h"
#include "storage/log/log_writer.h"
#include "test/bench/recovery/sale_log.h"
#include "test/bench/recovery/sale_memory.h"

using namespace stampede;
using namespace stampede::actors;
using namespace stampede::bench;

namespace {

struct Arguments {
  std::string dir;  // empty: memory is measured
  std::uint64_t memory = 0;
  bool executed = false;
  SaleShape shape;
};

const std::map<std::string_view, std::uint64_t SaleShape::*> kCounts{
    {"--items", &SaleShape::items},     {"--promos", &SaleShape::promos},
    {"--held", &SaleShape::held},       {"--paid", &SaleShape::paid},
    {"--expired", &SaleShape::expired}, {"--tickets", &SaleShape::tickets},
    {"--lag", &SaleShape::lag},         {"--ticket-uses", &SaleShape::ticket_uses}};
const std::map<std::string_view, bool SaleShape::*> kMarks{{"--shuffled", &SaleShape::shuffled},
                                                           {"--limited", &SaleShape::limited},
                                                           {"--bounded", &SaleShape::bounded},
                                                           {"--long-ids", &SaleShape::long_ids}};

template <class T>
T must(storage::Result<T> result) {
  if (result) return std::move(*result);
  std::fprintf(stderr, "%s\n", result.error().message.c_str());
  std::exit(1);
}

// --- measuring ----------------------------------------------------------------------------------

double cpu_s() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  const auto seconds = [](const timeval& t) {
    return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_usec) / 1e6;
  };
  return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

// Of this process, in MiB: VmRSS and VmHWM.
std::uint64_t memory_mib(std::string_view field) {
  std::ifstream status("/proc/self/status");
  for (std::string line; std::getline(status, line);)
    if (line.starts_with(field))
      return std::strtoull(line.c_str() + field.size() + 1, nullptr, 10) / 1024;
  return 0;
}

class Stopwatch {
 public:
  void say(const char* what, std::uint64_t count) {
    const double cpu = cpu_s() - cpu_;
    const std::chrono::duration<double> wall = std::chrono::steady_clock::now() - wall_;
    std::printf(
        "%-28s %10llu  cpu %7.3f s  wall %7.3f s  %6.2f M/s of cpu  rss %llu max %llu MiB\n", what,
        static_cast<unsigned long long>(count), cpu, wall.count(),
        static_cast<double>(count) / cpu / 1e6,
        static_cast<unsigned long long>(memory_mib("VmRSS")),
        static_cast<unsigned long long>(memory_mib("VmHWM")));
    std::fflush(stdout);
  }

 private:
  double cpu_ = cpu_s();
  std::chrono::steady_clock::time_point wall_ = std::chrono::steady_clock::now();
};

// In a process of its own, so that memory is what this step takes and no other.
void apart(const std::function<void()>& step) {
  std::fflush(stdout);
  const auto child = fork();
  if (child == 0) {
    step();
    std::fflush(stdout);
    _exit(0);
  }
  int status = 0;
  if (child < 0 || waitpid(child, &status, 0) != child || status != 0) std::exit(1);
}

// --- a log --------------------------------------------------------------------------------------

class LogSink final : public DecisionSink {
 public:
  LogSink(storage::LogWriter& writer, bool executed) : writer_(writer), executed_(executed) {}

  Lsn emit(std::string_view payload) override {
    records_.add(storage::RecordType::emit, payload);
    const auto lsn = lsn_++;
    if (records_.decisions >= kDecisionsPerBatch || records_.records.size() >= kBytesPerBatch)
      close();
    return lsn;
  }
  void close() {
    if (records_.count == 0) return;
    if (executed_) execute();
    const std::string_view parts[] = {records_.records};
    must(writer_.append(parts, {1, first_, records_.count, 1, 1, storage::FeatureLevel::sale}));
    must(writer_.sync());
    records_ = {};
    first_ = lsn_;
  }

 private:
  static constexpr std::uint32_t kDecisionsPerBatch = 4000;
  static constexpr std::size_t kBytesPerBatch = 900'000;

  // What has no command of a kind at that place does not mind to be named.
  void execute() {
    using storage::CommandKind;
    const auto done = [&](CommandKind kind, std::uint32_t position) {
      std::string payload;
      storage::encode_outcome(payload, {1, kind, position, {first_, lsn_ - 1}});
      records_.add(storage::RecordType::exec, payload);
    };
    done(CommandKind::item_put, 0);
    done(CommandKind::promo_put, 0);
    done(CommandKind::ticket_grant, 0);
    done(CommandKind::order_insert, 0);
    done(CommandKind::item_amount_update, 1);
    done(CommandKind::order_update, 0);
    done(CommandKind::stock_change, 2);
  }

  storage::LogWriter& writer_;
  bool executed_;
  storage::LogAppend records_;
  Lsn lsn_ = storage::make_lsn(1, 1);
  Lsn first_ = lsn_;
};

void generate(storage::Disk& disk, const Arguments& arguments) {
  auto writer = must(storage::LogWriter::create(disk, arguments.dir, LogUuid{1, 2, 3}, {}));
  LogSink sink(writer, arguments.executed);
  SaleLog(arguments.shape, sink).write();
  sink.close();
}

void scan(storage::Disk& disk, const std::string& dir) {
  storage::LogVisitor nobody;
  Stopwatch watch;
  const auto end = must(storage::read_log(disk, dir, nobody));
  watch.say("scan the log", end.records);
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

// Closes the last segment, as the start of a backend does.
void close_segment(storage::Disk& disk, const std::string& dir) {
  storage::LogVisitor nobody;
  const auto end = must(storage::read_log(disk, dir, nobody));
  (void)must(storage::LogWriter::resume(disk, dir, end, {}));
}

void take_snapshot(storage::Disk& disk, const std::string& dir) {
  Stopwatch watch;
  const SnapshotOrder order;
  const auto made = must(make_snapshot(disk, dir, order));
  watch.say("make a snapshot of bytes", made ? made->bytes : 0);
}

void measure_restart(const Arguments& arguments) {
  storage::PosixDisk disk;
  const auto& dir = arguments.dir;
  must(disk.make_dir(dir));
  if (must(storage::segment_numbers(disk, dir)).empty()) apart([&] { generate(disk, arguments); });
  apart([&] { scan(disk, dir); });
  apart([&] { recover(disk, dir, "recover from the log"); });
  apart([&] { close_segment(disk, dir); });
  apart([&] { take_snapshot(disk, dir); });
  apart([&] { recover(disk, dir, "recover from the snapshot"); });
}

// --- memory -------------------------------------------------------------------------------------

BookMemory book_memory_apart(const SaleShape& shape) {
  int ends[2] = {-1, -1};
  if (pipe(ends) != 0) std::exit(1);
  BookMemory memory;
  apart([&] {
    memory = book_memory(shape);
    if (write(ends[1], &memory, sizeof memory) != sizeof memory) _exit(1);
  });
  if (read(ends[0], &memory, sizeof memory) != sizeof memory) std::exit(1);
  close(ends[0]);
  close(ends[1]);
  return memory;
}

void measure_memory(const Arguments& arguments) {
  std::printf("%-22s %12s %12s %8s\n", "bytes of each", "by tables", "resident", "bound");
  for (const auto& one : kind_memory(arguments.shape, arguments.memory, book_memory_apart))
    std::printf("%-22s %12.1f %12.1f %8.0f\n", std::string(one.kind).c_str(), one.by_tables,
                one.by_kernel, one.bound);
}

// --- the command line ---------------------------------------------------------------------------

[[noreturn]] void usage(const char* program) {
  std::fprintf(stderr, "usage: %s DIR ORDERS [FLAGS] | --memory N [FLAGS]\n  --executed\n",
               program);
  for (const auto& [name, count] : kCounts) std::fprintf(stderr, "  %s N\n", name.data());
  for (const auto& [name, mark] : kMarks) std::fprintf(stderr, "  %s\n", name.data());
  std::exit(2);
}

Arguments read_arguments(int argc, char** argv) {
  Arguments arguments;
  if (argc < 3) usage(argv[0]);
  const bool memory = std::string_view(argv[1]) == "--memory";
  if (!memory) arguments.dir = argv[1];
  (memory ? arguments.memory : arguments.shape.plain) = std::strtoull(argv[2], nullptr, 10);
  for (int i = 3; i < argc; ++i) {
    const std::string_view name = argv[i];
    if (name == "--executed") {
      arguments.executed = true;
    } else if (const auto mark = kMarks.find(name); mark != kMarks.end()) {
      arguments.shape.*mark->second = true;
    } else if (const auto count = kCounts.find(name); count != kCounts.end() && i + 1 < argc) {
      arguments.shape.*count->second = std::strtoull(argv[++i], nullptr, 10);
    } else {
      usage(argv[0]);
    }
  }
  if (memory && arguments.shape.promos == 0) arguments.shape.promos = arguments.shape.items;
  return arguments;
}

}  // namespace

int main(int argc, char** argv) {
  const auto arguments = read_arguments(argc, argv);
  if (arguments.dir.empty())
    measure_memory(arguments);
  else
    measure_restart(arguments);
  return 0;
}
