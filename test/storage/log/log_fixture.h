#pragma once

// The vocabulary of the log's tests: batches as plain values, a log read into values, a log written
// from values, random ones.

#include <cstdint>
#include <random>
#include <string>
#include <vector>

#include "storage/disk/disk.h"
#include "storage/log/log_format.h"
#include "storage/log/log_reader.h"
#include "storage/log/log_writer.h"

namespace stampede::test {

inline const std::string kDir = "/log";
inline constexpr storage::LogUuid kUuid = {0x5a, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};

struct TestRecord {
  storage::RecordType type{};
  std::string payload;
  friend bool operator==(const TestRecord&, const TestRecord&) = default;
};

struct TestBatch {
  std::uint64_t epoch = 1;
  storage::Lsn first_lsn = 0;
  std::int64_t wall_ns = 0;
  std::vector<TestRecord> records;
  friend bool operator==(const TestBatch&, const TestBatch&) = default;
};

std::uint32_t decisions_of(const TestBatch& batch);

// Keeps everything it is shown, and where each batch lay.
class Recorder final : public storage::LogVisitor {
 public:
  struct Place {
    std::string file;
    std::uint64_t offset{};
    std::uint64_t bytes{};
  };
  std::vector<TestBatch> batches;
  std::vector<Place> places;
  std::vector<storage::Lsn> lsns;  // of every decision

  storage::Status on_batch(const storage::BatchInfo& info) override;
  storage::Status on_record(const storage::BatchInfo& info,
                            const storage::RecordView& record) override;
};

// Makes batches that follow one another, of all types and many sizes.
class BatchSource {
 public:
  explicit BatchSource(std::uint64_t seed) : random_(seed) {}
  TestBatch next(std::size_t payload_bytes_max);
  TestBatch with_payload(std::size_t bytes);  // one EMIT of that size
  TestBatch seal();
  TestBatch takeover();                                 // the next epoch
  void continue_after(const storage::LogChain& chain);  // as a new process would
  void may_use(storage::FeatureLevel level) { level_ = level; }
  std::uint64_t below(std::uint64_t bound) { return random_() % bound; }

 private:
  TestBatch batch_of(std::vector<TestRecord> records);
  std::string payload(std::size_t bytes);

  std::mt19937_64 random_;
  storage::FeatureLevel level_ = storage::FeatureLevel::format_1;
  std::uint64_t epoch_ = 1;
  storage::Lsn next_lsn_ = storage::make_lsn(1, 1);
  std::uint64_t made_ = 0;  // makes every payload unlike every other
};

// One batch in several parts, as several actors would hand them in, that needs `level`.
storage::Status append_batch(storage::LogWriter& writer, const TestBatch& batch,
                             storage::FeatureLevel level = storage::FeatureLevel::format_1);
storage::Status append_and_sync(storage::LogWriter& writer, const TestBatch& batch,
                                storage::FeatureLevel level = storage::FeatureLevel::format_1);

storage::LogOptions small_segments(std::uint64_t bytes,
                                   storage::FeatureLevel level = storage::kFeatureLevelMade);

}  // namespace stampede::test
