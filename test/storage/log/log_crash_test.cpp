// Power cuts, kills and disk errors in random work, recovery included: no synced batch is ever
// lost, none is made up, no log is ever refused, nothing is acknowledged after an error.

#include <doctest/doctest.h>

#include <algorithm>
#include <optional>

#include "storage/log/log_writer.h"
#include "test/storage/log/log_fixture.h"
#include "test/support/forgetful_disk.h"
#include "test/support/random_run.h"

namespace stampede::test {
namespace {

using storage::Errc;
using storage::LogTail;
using storage::LogWriter;
using storage::Status;

constexpr std::uint64_t kSegment = 12 << 10;

// A log keeper's life over many processes, with a model of what must be in the log.
class Keeper {
 public:
  Keeper(ForgetfulDisk& disk, std::uint64_t seed) : disk_(disk), source_(seed) {}

  // As a node starts: lock, read, check against the model, resume, take over. False: an I/O error.
  bool start() {
    end_process();
    auto lock = storage::LogLock::take(disk_, kDir);
    if (!lock) return gone_with(lock.error());
    lock_.emplace(std::move(*lock));
    Recorder recorder;
    auto end = storage::read_log(disk_, kDir, recorder);
    if (!end) return gone_with(end.error());
    check_model(recorder.batches);
    const auto options = small_segments(kSegment, storage::kFeatureLevelFirst);
    auto writer = end->tail == LogTail::empty ? LogWriter::create(disk_, kDir, kUuid, options)
                                              : LogWriter::resume(disk_, kDir, *end, options);
    if (!writer) return gone_with(writer.error());
    certain_ = std::move(recorder.batches);  // resumed: the last one was made durable too
    in_flight_.reset();
    writer_.emplace(std::move(*writer));
    REQUIRE(writer_->level() >= level_);
    source_.may_use(writer_->level());
    if (!certain_.empty()) source_.continue_after(writer_->chain());
    return put(source_.takeover());
  }

  // One batch, perhaps a spare segment before it, perhaps with what the log could not hold so far.
  bool work() {
    if (writer_->wants_spare() && source_.below(3) == 0) {
      auto spare = writer_->segment_maker().make();
      if (spare) writer_->give_spare(std::move(*spare));
    }
    if (raises_ && source_.below(12) == 0 && needed_ < storage::kFeatureLevelRead)
      needed_ = static_cast<storage::FeatureLevel>(static_cast<unsigned>(needed_) + 1);
    source_.may_use(std::max(needed_, writer_->level()));
    return put(source_.below(6) == 0 ? source_.seal()
                                     : source_.next(source_.below(8) == 0 ? 2500 : 150));
  }

  bool work_again() { return put(*in_flight_); }

  void keep_level() { raises_ = false; }

  void end_process() {
    writer_.reset();
    lock_.reset();
  }

  [[nodiscard]] std::uint64_t acknowledged() const { return certain_.size(); }
  [[nodiscard]] bool serves() const { return writer_.has_value(); }
  LogWriter& writer() { return *writer_; }
  TestBatch another() { return source_.with_payload(10); }

 private:
  bool put(const TestBatch& batch) {
    in_flight_ = batch;
    if (!append_and_sync(*writer_, batch, needed_)) return false;
    REQUIRE(writer_->level() >= needed_);
    level_ = writer_->level();
    certain_.push_back(batch);
    in_flight_.reset();
    return true;
  }

  // Errors of the disk are allowed, a verdict of damage never is.
  static bool gone_with(const storage::Error& error) {
    INFO(error.message);
    REQUIRE(error.code == Errc::io);
    return false;
  }

  void check_model(const std::vector<TestBatch>& found) const {
    REQUIRE(found.size() >= certain_.size());
    REQUIRE(std::equal(certain_.begin(), certain_.end(), found.begin()));
    if (found.size() == certain_.size()) return;
    REQUIRE(found.size() == certain_.size() + 1);
    REQUIRE(in_flight_.has_value());
    REQUIRE(found.back() == *in_flight_);
  }

  ForgetfulDisk& disk_;
  BatchSource source_;
  storage::FeatureLevel level_ = storage::kFeatureLevelFirst;  // of what is certain
  storage::FeatureLevel needed_ =
      storage::kFeatureLevelFirst;  // by a batch, perhaps in vain so far
  bool raises_ = true;
  std::optional<storage::LogLock> lock_;
  std::optional<LogWriter> writer_;
  std::vector<TestBatch> certain_;      // synced and said so
  std::optional<TestBatch> in_flight_;  // begun, never said to be durable
};

// Works until `batches` are written or something breaks.
bool live(Keeper& keeper, std::uint64_t batches) {
  if (!keeper.start()) return false;
  for (std::uint64_t i = 0; i < batches; ++i) {
    if (!keeper.work()) return false;
  }
  return true;
}

}  // namespace

TEST_CASE("power cuts anywhere, also in recovery, lose no synced batch and never refuse") {
  const std::uint64_t seed = seed_of_run();
  const std::uint64_t rounds = rounds_of_run(2'000);
  std::uint64_t cuts = 0;
  std::uint64_t acknowledged = 0;
  for (std::uint64_t round = 0; round < rounds; ++round) {
    INFO("STAMPEDE_TEST_SEED=" << seed + round);
    ForgetfulDisk disk(seed + round);
    Keeper keeper(disk, seed + round);
    BatchSource chance(~(seed + round));
    for (int life = 0; life < 12; ++life) {
      // Short lives are cut while they start: recoveries of recoveries.
      disk.cut_power_in_change(1 + chance.below(chance.below(2) == 0 ? 9 : 120));
      try {
        live(keeper, 60);
      } catch (const PowerCut&) {
        ++cuts;
      }
      keeper.end_process();
      if (chance.below(4) == 0) {
        disk.kill_processes();  // only killed: the page cache survives until the next power cut
      } else {
        disk.lose_power(static_cast<unsigned>(chance.below(5) * 25));
      }
    }
    REQUIRE(live(keeper, 5));
    acknowledged += keeper.acknowledged();
  }
  CHECK(cuts > rounds * 8);
  MESSAGE("rounds " << rounds << ", power cuts " << cuts << ", batches checked " << acknowledged);
}

TEST_CASE("an error in any one operation latches the writer, and the next start has it all") {
  const std::uint64_t seed = seed_of_run();
  INFO("STAMPEDE_TEST_SEED=" << seed);
  std::uint64_t broken_lives = 0;
  for (std::uint64_t repeat = 0; repeat < rounds_of_run(20); ++repeat) {
    bool hit = true;
    for (std::uint64_t n = 1; hit; ++n) {
      INFO("repeat " << repeat << ", operation " << n);
      ForgetfulDisk disk(seed + repeat * 1000 + n);
      Keeper keeper(disk, seed + repeat);
      REQUIRE(live(keeper, 4));
      disk.fail_operation(n);
      const bool lived = live(keeper, 30);
      hit = disk.fault_hit();
      if (!lived) ++broken_lives;
      // The first error comes back for ever and the disk is not touched again.
      if (!lived && keeper.serves()) {
        REQUIRE(keeper.writer().latched());
        const auto operations = disk.operations();
        CHECK_FALSE(append_batch(keeper.writer(), keeper.another()));
        CHECK_FALSE(keeper.writer().sync());
        CHECK_FALSE(keeper.writer().wants_spare());
        CHECK(disk.operations() == operations);
      }
      keeper.end_process();
      if (n % 2 == 0) {
        disk.kill_processes();
      } else {
        disk.lose_power(50);
      }
      // The next start sees pages that the disk may lack: what it trusts must survive this too.
      REQUIRE(live(keeper, 0));
      keeper.end_process();
      disk.lose_power(0);
      REQUIRE(live(keeper, 3));
    }
  }
  CHECK(broken_lives > 20);
}

TEST_CASE("errors, kills and power cuts mixed at random lose no synced batch") {
  const std::uint64_t seed = seed_of_run();
  const std::uint64_t rounds = rounds_of_run(2'000);
  for (std::uint64_t round = 0; round < rounds; ++round) {
    INFO("STAMPEDE_TEST_SEED=" << seed + round);
    ForgetfulDisk disk(seed + round);
    Keeper keeper(disk, seed + round);
    BatchSource chance(~(seed + round));
    for (int life = 0; life < 12; ++life) {
      if (chance.below(2) == 0) disk.fail_operation(1 + chance.below(60));
      if (chance.below(2) == 0) disk.cut_power_in_change(1 + chance.below(80));
      try {
        live(keeper, chance.below(30));
      } catch (const PowerCut&) {
      }
      keeper.end_process();
      if (chance.below(2) == 0) {
        disk.kill_processes();
      } else {
        disk.lose_power(static_cast<unsigned>(chance.below(5) * 25));
      }
    }
    REQUIRE(live(keeper, 2));
  }
}

TEST_CASE("a full disk stops the spare segment first, then the writer, and both come back") {
  ForgetfulDisk disk(1);
  Keeper keeper(disk, 1);
  REQUIRE(live(keeper, 0));
  disk.set_capacity(kSegment);
  CHECK_FALSE(keeper.writer().segment_maker().make());
  CHECK_FALSE(keeper.writer().latched());
  // What is left of the segment can still be used: outcomes have room.
  CHECK(keeper.writer().segment_room() > 1000);
  while (keeper.work()) {
  }
  CHECK_FALSE(keeper.writer().latched());
  CHECK(keeper.writer().segment_no() == 1);
  disk.set_capacity(ForgetfulDisk::kNever);
  CHECK(keeper.work_again());  // the very batch that found no room
  CHECK(keeper.work());
  CHECK(live(keeper, 10));
}

TEST_CASE(
    "where a whole segment finds no room a smaller one is made, and a spare leaves some free") {
  ForgetfulDisk disk(1);
  auto options = small_segments(16 * kSegment);
  options.start_segment_bytes = kSegment;
  auto made = LogWriter::create(disk, kDir, kUuid, options);
  REQUIRE(made);
  auto& writer = *made;
  const auto maker = writer.segment_maker();
  disk.set_capacity(kSegment + options.segment_bytes + maker.kept_free() - 1);
  CHECK(maker.make().error().code == Errc::full);
  disk.set_capacity(4 * kSegment);
  BatchSource source(1);
  REQUIRE(append_and_sync(writer, source.takeover()));
  while (writer.segment_no() < 3) REQUIRE(append_and_sync(writer, source.next(150)));
  Recorder recorder;
  CHECK(storage::read_log(disk, kDir, recorder));
}

TEST_CASE("nothing is promised in a segment whose name leads elsewhere") {
  for (const bool replaced : {false, true}) {
    ForgetfulDisk disk(1);
    Keeper keeper(disk, 1);
    keeper.keep_level();
    REQUIRE(live(keeper, 3));
    const auto path = storage::path_in(kDir, storage::segment_name(1, 1));
    const auto bytes = disk.bytes_of(path);
    disk.erase(path);
    if (replaced) disk.overwrite(path, bytes);
    CHECK_FALSE(keeper.work());
    CHECK(keeper.writer().latched());
  }
}

TEST_CASE("the lock lies on the directory, too: a removed lock file lets nobody in") {
  ForgetfulDisk disk(1);
  const auto lock = storage::LogLock::take(disk, kDir);
  REQUIRE(lock);
  disk.erase(storage::path_in(kDir, storage::kLockName));
  CHECK(storage::LogLock::take(disk, kDir).error().code == Errc::locked);
}

TEST_CASE("the last batch is copied before it is trusted when its sync had failed") {
  std::uint64_t only_in_memory = 0;
  for (std::uint64_t seed = 1; seed <= 40; ++seed) {
    ForgetfulDisk disk(seed);
    BatchSource source(seed);
    auto writer = LogWriter::create(disk, kDir, kUuid, small_segments(kSegment));
    REQUIRE(writer);
    REQUIRE(append_and_sync(*writer, source.with_payload(100)));
    REQUIRE(append_batch(*writer, source.with_payload(2000)));
    disk.fail_operation(1);
    REQUIRE_FALSE(writer->sync());
    disk.kill_processes();
    Recorder before;
    const auto end = storage::read_log(disk, kDir, before);
    REQUIRE(end);
    REQUIRE(LogWriter::resume(disk, kDir, *end, small_segments(kSegment)));
    disk.lose_power(0);
    Recorder after;
    REQUIRE(storage::read_log(disk, kDir, after));
    CHECK(after.batches == before.batches);
    only_in_memory += before.batches.size() == 2 ? 1 : 0;
  }
  CHECK(only_in_memory > 5);
}

}  // namespace stampede::test
