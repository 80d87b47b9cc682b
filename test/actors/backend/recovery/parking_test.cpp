// Parked records: when one is parked, what passing over it leaves, and that nothing of it is lost.

#include <doctest/doctest.h>

#include <algorithm>
#include <stdexcept>

#include "actors/backend/recovery/replay_guard.h"
#include "actors/backend/recovery/retention.h"
#include "actors/backend/recovery/snapshot_builder.h"
#include "config/faults/failpoint.h"
#include "test/actors/backend/recovery/memory_rows.h"
#include "test/actors/backend/recovery/random_backend.h"
#include "test/support/forgetful_disk.h"
#include "test/support/random_run.h"

using namespace stampede;
using namespace stampede::actors;
using namespace stampede::test;
using storage::Errc;
using storage::ParkedRecord;
using Verdict = ReplayVerdict;

namespace {

// A replay that dies of what it applies; 0: between two records.
Verdict die(ReplayTrace& trace, Lsn at, const std::vector<ParkedRecord>& parked = {}) {
  trace.applying = at;
  trace.by_itself = 1;
  return judge_last_replay(trace, parked);
}

struct Decisions final : storage::LogVisitor {
  storage::Status on_record(const storage::BatchInfo&, const storage::RecordView& record) override {
    if (storage::is_decision(record.type)) lsns.push_back(record.lsn);
    return storage::Done{};
  }
  std::vector<Lsn> lsns;
};

std::vector<Lsn> decisions(storage::Disk& disk) {
  Decisions found;
  REQUIRE(storage::read_log(disk, kLogDir, found));
  return found.lsns;
}

// Every order that was ever confirmed has its answer.
void check_answers(const RandomBackend& backend) {
  for (const auto& [id, lsn] : backend.confirmed) {
    const auto known = backend.core().book().look_up(id);
    REQUIRE(known.known);
    CHECK(known.answer.lsn == lsn);
  }
}

}  // namespace

TEST_CASE("a record is parked when a replay died at it twice, whatever else happened meanwhile") {
  ReplayTrace trace;
  CHECK(judge_last_replay(trace, {}) == Verdict::go_on);
  CHECK(die(trace, 7) == Verdict::count);
  CHECK(die(trace, 0) == Verdict::go_on);  // killed between two records
  CHECK(die(trace, 7) == Verdict::park);
  CHECK(trace.crashed_at == 7);
  CHECK(die(trace, 9) == Verdict::count);
  CHECK(die(trace, 8) == Verdict::count);  // another one: chance
  CHECK(die(trace, 9) == Verdict::count);
}

TEST_CASE("a replay that was ended from outside proves nothing against the record it was at") {
  ReplayTrace trace;
  const std::vector<ParkedRecord> parked{{9, "why"}};
  for (int i = 0; i < 5; ++i) {
    trace.applying = 7;
    CHECK(judge_last_replay(trace, parked) == Verdict::outside);
    trace.applying = 9;
    CHECK(judge_last_replay(trace, parked) == Verdict::outside);
  }
  trace.applying = 8;
  trace.stood_at = 7;  // long ago; it went on
  CHECK(judge_last_replay(trace, parked) == Verdict::outside);
  // Whoever ends a replay that stands still: the record did it. And kills between count nothing.
  for (const auto verdict : {Verdict::count, Verdict::park}) {
    trace.applying = trace.stood_at = 7;
    CHECK(judge_last_replay(trace, {}) == verdict);
    trace.applying = 7;
    CHECK(judge_last_replay(trace, {}) == Verdict::outside);
  }
}

TEST_CASE("a replay that came to its end forgets what it died of before") {
  ReplayTrace trace;
  CHECK(die(trace, 7) == Verdict::count);
  ReplayGuard({}, trace).finish();
  CHECK(die(trace, 7) == Verdict::count);
}

TEST_CASE("twice at a record that is parked is for the operator, and then counts anew") {
  ReplayTrace trace;
  const std::vector<ParkedRecord> parked{{7, "why"}};
  CHECK(die(trace, 7, parked) == Verdict::count);
  CHECK(die(trace, 7, parked) == Verdict::unreadable);
  CHECK(die(trace, 7, parked) == Verdict::count);
}

TEST_CASE("only so many records are parked by themselves") {
  ReplayTrace trace;
  std::vector<ParkedRecord> parked;
  for (Lsn lsn = 1; lsn <= kParkedByItselfMax; ++lsn) {
    CHECK(die(trace, lsn, parked) == Verdict::count);
    CHECK(die(trace, lsn, parked) == Verdict::park);
    parked.push_back({lsn, {}});
  }
  CHECK(die(trace, 100, parked) == Verdict::count);
  CHECK(die(trace, 100, parked) == Verdict::too_many);
  CHECK(die(trace, 100, parked) == Verdict::too_many);
}

TEST_CASE("a parking is there after a power cut, or was never said to be done") {
  const std::string dir = "/log";
  for (std::uint64_t cut = 1;; ++cut) {
    ForgetfulDisk disk(cut);
    REQUIRE(disk.make_dir(dir));
    disk.cut_power_in_change(cut);
    bool done = false;
    try {
      done = static_cast<bool>(storage::park_record(disk, dir, {42, "died twice"}));
    } catch (const PowerCut&) {
    }
    disk.lose_power(50);
    const auto parked = storage::list_parked(disk, dir);
    REQUIRE(parked);
    for (const auto& record : *parked) CHECK(record.why == "died twice");
    if (done) CHECK(storage::is_parked(*parked, 42));
    REQUIRE(storage::park_record(disk, dir, {42, "died twice"}));
    REQUIRE(storage::park_record(disk, dir, {storage::make_lsn(1, 5), "the operator\nsaid so"}));
    const auto both = storage::list_parked(disk, dir);
    REQUIRE(both);
    CHECK(storage::to_text(*both) == "0.42, 1.5");
    CHECK((*both)[1].why == "the operator");
    REQUIRE(storage::unpark_record(disk, dir, 42));
    CHECK(storage::unpark_record(disk, dir, 42).error().code == Errc::not_found);
    if (done) break;
  }
}

TEST_CASE("the guard's trace names the record of which the replay died") {
  ForgetfulDisk disk(1);
  RandomBackend backend(disk, 1, {});
  REQUIRE(backend.start());
  for (int i = 0; i < 5; ++i) REQUIRE(backend.round());
  backend.end_process();
  const auto poison = decisions(disk)[7];
  REQUIRE(config::arm_failpoints("replay_record:" + storage::to_text(poison) + "=throw").empty());
  ReplayTrace trace;
  const auto replay = [&](std::vector<ParkedRecord> parked) {
    ReplayGuard guard(std::move(parked), trace);
    return static_cast<bool>(recover_log(
        disk, kLogDir, backend.limits(), [](const storage::BatchInfo&) {}, [] {}, &guard));
  };
  CHECK_THROWS_AS(static_cast<void>(replay({})), std::runtime_error);
  CHECK(trace.applying == poison);
  CHECK(trace.by_itself == 1);
  CHECK(judge_last_replay(trace, {}) == Verdict::count);
  REQUIRE(config::arm_failpoints("replay_record:" + storage::to_text(poison) + "=throw").empty());
  CHECK(replay({{poison, {}}}));  // it is not even looked at
  CHECK(trace.applying == 0);
  CHECK(trace.crashes == 0);
  config::disarm_failpoints();
}

namespace {

struct Revokes final : storage::LogVisitor {
  storage::Status on_record(const storage::BatchInfo&, const storage::RecordView& record) override {
    if (record.type == storage::RecordType::revoke) lsns.push_back(record.lsn);
    return storage::Done{};
  }
  std::vector<Lsn> lsns;
};

}  // namespace

TEST_CASE("a parked REVOKE closes no item, and what it ended goes on") {
  ForgetfulDisk disk(3);
  RandomBackend backend(disk, 3, {.sessions = true});
  REQUIRE(backend.start());
  for (int i = 0; i < 60; ++i) REQUIRE(backend.round());
  backend.end_process();
  Revokes revokes;
  REQUIRE(storage::read_log(disk, kLogDir, revokes));
  REQUIRE(revokes.lsns.size() > 5);
  std::vector<ParkedRecord> parked;
  for (const auto lsn : revokes.lsns) parked.push_back({lsn, "test"});
  ReplayTrace trace;
  const auto recovered = [&](std::vector<ParkedRecord> of, ReplayGuard& guard) {
    auto log = recover_log(
        disk, kLogDir, backend.limits(), [](const storage::BatchInfo&) {}, [] {}, &guard);
    if (!log) FAIL(log.error().message);
    CHECK(guard.passed_over().size() == of.size());
    for (const auto& over : guard.passed_over()) CHECK(over.item == storage::kNoNumber);
    return std::move(*log);
  };
  ReplayGuard none({}, trace);
  const auto with = recovered({}, none);
  ReplayGuard all(parked, trace);
  const auto without = recovered(parked, all);
  CHECK(with.core->book().sessions().newest() + with.core->book().sessions().ended() > 0);
  CHECK(without.core->book().sessions().newest() == 0);
  CHECK(without.core->book().sessions().ended() == 0);
  CHECK(without.core->book().books().hash == with.core->book().books().hash);
  CHECK(without.end.last_lsn == with.end.last_lsn);
}

TEST_CASE("while a record is parked no snapshot is made and no segment removed") {
  ForgetfulDisk disk(2);
  RandomBackend backend(disk, 2, {});
  REQUIRE(backend.start());
  MemoryRows rows(backend.tables);
  SnapshotOrder order;
  order.limits = backend.limits().book;
  for (int life = 0; life < 3; ++life) {
    for (int i = 0; i < 60; ++i) REQUIRE(backend.round());
    REQUIRE(backend.drain());
    if (life < 2) REQUIRE(make_snapshot(disk, kLogDir, order));
    REQUIRE(backend.start());
  }
  RetentionRules rules;
  rules.retain_s = 0;
  rules.now_ns = backend.now_us * 1000;
  REQUIRE(storage::park_record(disk, kLogDir, {decisions(disk).back(), "test"}));
  const auto made = make_snapshot(disk, kLogDir, order);
  REQUIRE_FALSE(made);
  CHECK(made.error().message.find("parked") != std::string::npos);
  const auto kept = remove_old_segments(disk, kLogDir, rules, rows);
  REQUIRE(kept);
  CHECK(kept->removed == 0);
  CHECK(kept->kept.find("parked") != std::string::npos);
  REQUIRE(storage::unpark_record(disk, kLogDir, decisions(disk).back()));
  CHECK(make_snapshot(disk, kLogDir, order));
  const auto removed = remove_old_segments(disk, kLogDir, rules, rows);
  REQUIRE(removed);
  CHECK(removed->removed > 0);
}

TEST_CASE("a sale goes on beside any parked record, and unparking finds nothing amiss") {
  const auto seed = seed_of_run();
  std::uint64_t sold_beside = 0;
  for (std::uint64_t round = 0; round < 60; ++round) {
    INFO("STAMPEDE_TEST_SEED=" << seed + round);
    ForgetfulDisk disk(seed + round);
    RandomBackend backend(disk, seed + round, {});
    REQUIRE(backend.start());
    for (std::uint64_t i = 0; i < 5 + backend.below(30); ++i) REQUIRE(backend.round());
    backend.end_process();
    const auto all = decisions(disk);
    for (std::uint64_t n = 0; n <= backend.below(3); ++n)
      backend.parked.push_back({all[backend.below(all.size())], "test"});
    for (int life = 0; life < 2; ++life) {
      if (!backend.start()) FAIL(backend.error().message);
      check_answers(backend);
      const auto before = backend.confirmed.size();
      for (int i = 0; i < 20; ++i) REQUIRE(backend.round());
      sold_beside += backend.confirmed.size() - before;
      backend.end_process();
      disk.kill_processes();
    }
    // The log says nothing that a replay of all of it would contradict: no unit was sold twice.
    backend.parked.clear();
    if (!backend.start()) FAIL(backend.error().message);
    REQUIRE(backend.drain());
    check_answers(backend);
    for (const auto& [id, lsn] : backend.confirmed) CHECK(backend.tables.orders.count(lsn) == 1);
    for (const auto& [id, row] : backend.tables.items) {
      const auto item = backend.core().book().item(id);
      REQUIRE(item);
      CHECK(item->left == row.amount);
      CHECK(item->left >= 0);
    }
  }
  CHECK(sold_beside > 60);
}
