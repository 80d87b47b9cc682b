// The command log: building a frame and appending it (to memory, and to a file with fdatasync),
// and reading a log back as a recovery does. bytes/item is bytes per record.

#include <benchmark/benchmark.h>
#include <unistd.h>

#include <filesystem>

#include "actors/backend/recovery/recovery.h"
#include "storage/commands/command.h"
#include "storage/disk/posix_disk.h"
#include "storage/log/log_writer.h"
#include "test/bench/micro/memory_disk.h"
#include "test/bench/micro/rates.h"

namespace stampede::bench {
namespace {

using namespace storage;

constexpr LogUuid kUuid{7};

// The records of `orders` confirmed orders.
std::string order_records(std::uint64_t orders) {
  std::string records, payload;
  for (std::uint64_t n = 0; n < orders; ++n) {
    const auto id = "b1-4f81a2c0-" + std::to_string(1'000'000'000 + n);
    payload.clear();
    encode_order_set(payload, {id, 1 + n % 1000, "u000012345", 1, 1999, 1'795'257'721'203'118},
                     {1 + n % 1000, 1'000'000});
    append_record(records, RecordType::emit, payload);
  }
  return records;
}

class Log {
 public:
  Log(Disk& disk, const std::string& dir)
      : writer_(std::move(*LogWriter::create(disk, dir, kUuid, {}))) {}

  bool append(std::string_view records, std::uint32_t count) {
    const BatchHead head{1, next_, count, 1'795'257'721'203'118'000, 1};
    next_ += count;
    return writer_.append({&records, 1}, head) && writer_.sync();
  }

 private:
  LogWriter writer_;
  Lsn next_ = make_lsn(1, 1);
};

void log_append_memory(benchmark::State& state) {
  const auto orders = static_cast<std::uint32_t>(state.range(0));
  const auto records = order_records(orders);
  MemoryDisk disk;
  Log log(disk, "log");
  for (auto _ : state) {
    if (!log.append(records, orders)) state.SkipWithError("the log took nothing");
    disk.forget_old_files();
  }
  report(state, orders, records.size());
}
BENCHMARK(log_append_memory)->Arg(1)->Arg(256)->Arg(4096);

// TMPDIR chooses the disk.
void log_append_fdatasync(benchmark::State& state) {
  const auto orders = static_cast<std::uint32_t>(state.range(0));
  const auto records = order_records(orders);
  const auto dir = (std::filesystem::temp_directory_path() /
                    ("stampede-microbench-" + std::to_string(::getpid())))
                       .string();
  std::filesystem::create_directory(dir);
  {
    PosixDisk disk;
    Log log(disk, dir);
    for (auto _ : state)
      if (!log.append(records, orders)) state.SkipWithError("the log took nothing");
  }
  std::filesystem::remove_all(dir);
  report(state, orders, records.size());
}
BENCHMARK(log_append_fdatasync)->Arg(1)->Arg(256)->Arg(4096)->UseRealTime();

class NothingKept : public LogVisitor {
 public:
  Status on_record(const BatchInfo&, const RecordView& record) override {
    benchmark::DoNotOptimize(record.payload.data());
    return Done{};
  }
};

constexpr std::uint32_t kReplayBatch = 1000;

// Frames, checksums and records of 64 MB, then the same with memory rebuilt from them.
class ReplayLog {
 public:
  static ReplayLog& get() {
    static ReplayLog log;
    return log;
  }
  MemoryDisk disk;
  std::uint64_t records = 0;
  std::uint64_t bytes = 0;

 private:
  ReplayLog() {
    Log log(disk, "log");
    if (!log.append(items(), kItems)) std::abort();
    for (std::uint64_t batch = 0; batch < 500; ++batch) {
      const auto text = orders(batch);
      if (!log.append(text, kReplayBatch)) std::abort();
      records += kReplayBatch;
      bytes += text.size();
    }
  }
  static constexpr std::uint32_t kItems = 1000;
  static std::string items() {
    std::string out, payload;
    for (std::uint64_t item = 1; item <= kItems; ++item) {
      const auto id = "put-" + std::to_string(item);
      payload.clear();
      encode_item_set(payload, {id, item, "Phone", 1999, 1'000'000, 0, 5, 1}, {item, 1'000'000});
      append_record(out, RecordType::emit, payload);
    }
    return out;
  }
  static std::string orders(std::uint64_t batch) {
    std::string out, payload;
    for (std::uint64_t n = 0; n < kReplayBatch; ++n) {
      const auto id = "b1-4f81a2c0-" + std::to_string(batch * kReplayBatch + n);
      const auto item = 1 + n % kItems;  // each batch sells one of every item
      payload.clear();
      encode_order_set(payload, {id, item, "u000012345", 1, 1999, 1'795'257'721'203'118},
                       {item, static_cast<std::int64_t>(999'999 - batch)});
      append_record(out, RecordType::emit, payload);
    }
    return out;
  }
};

void log_scan(benchmark::State& state) {
  auto& log = ReplayLog::get();
  for (auto _ : state) {
    NothingKept visitor;
    if (!read_log(log.disk, "log", visitor)) state.SkipWithError("the log cannot be read");
  }
  report(state, log.records, log.bytes);
}
BENCHMARK(log_scan)->Unit(benchmark::kMillisecond);

void log_recovery(benchmark::State& state) {
  auto& log = ReplayLog::get();
  for (auto _ : state) {
    const auto recovered = actors::recover_log(log.disk, "log", {}, [](const BatchInfo&) {});
    if (!recovered) state.SkipWithError(recovered.error().message.c_str());
  }
  report(state, log.records, log.bytes);
}
BENCHMARK(log_recovery)->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace stampede::bench
