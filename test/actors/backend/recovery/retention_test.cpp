#include "actors/backend/recovery/retention.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <set>

#include "actors/backend/recovery/snapshot_builder.h"
#include "storage/snapshot/snapshot_file.h"
#include "test/actors/backend/recovery/memory_rows.h"
#include "test/actors/backend/recovery/random_backend.h"
#include "test/support/forgetful_disk.h"
#include "test/support/random_run.h"

using namespace stampede;
using namespace stampede::actors;
using namespace stampede::test;
using storage::Errc;

namespace {

// The lsns of all EMITs from `from` on.
std::set<storage::Lsn> orders_in_log(storage::Disk& disk, const storage::LogPosition& from) {
  class Orders final : public storage::LogVisitor {
   public:
    storage::Status on_record(const storage::BatchInfo&, const storage::RecordView& r) override {
      if (r.type == storage::RecordType::emit) lsns.insert(r.lsn);
      return storage::Done{};
    }
    std::set<storage::Lsn> lsns;
  } orders;
  const auto end = storage::read_log(disk, kLogDir, orders, from);
  if (!end) FAIL(end.error().message);
  return orders.lsns;
}

struct RetainTest {
  explicit RetainTest(std::uint64_t seed, RandomBackend::Options options = {})
      : disk(seed), backend(disk, seed, options), rows(backend.tables) {
    REQUIRE(backend.start());
  }

  void rounds(int count) {
    for (int i = 0; i < count; ++i) REQUIRE(backend.round());
  }
  void snapshot() {
    const auto made = make_snapshot(disk, kLogDir, order());
    if (!made) FAIL(made.error().message);
  }
  SnapshotOrder order() const {
    SnapshotOrder out;
    out.limits = backend.limits().book;
    return out;
  }
  RetentionRules rules(std::int64_t retain_s = 0) const {
    RetentionRules out;
    out.retain_s = retain_s;
    out.now_ns = backend.now_us * 1000;
    out.rows_max = 10;
    return out;
  }
  RetentionReport retain(std::int64_t retain_s = 0) {
    const auto report = remove_old_segments(disk, kLogDir, rules(retain_s), rows);
    if (!report) FAIL(report.error().message);
    return *report;
  }
  std::vector<std::uint64_t> segments() {
    const auto numbers = storage::segment_numbers(disk, kLogDir);
    REQUIRE(numbers);
    return *numbers;
  }
  void restart() {
    backend.end_process();
    disk.kill_processes();
    REQUIRE(backend.start());
  }
  // What recovery would hold in memory and hand over.
  storage::SnapshotHash state() {
    auto log = load_newest(disk, kLogDir, backend.limits().book);
    REQUIRE(log);
    FoldingReader reader(*log, backend.limits().book, [](const storage::BatchInfo&) {
      return storage::Status(storage::Done{});
    });
    const auto end = storage::read_log(disk, kLogDir, reader, log->position);
    if (!end) FAIL(end.error().message);
    storage::SnapshotHasher hasher({});
    log->fold->save(hasher);
    return hasher.finish();
  }
  // The same when the newest snapshot turns out to have rotted.
  storage::SnapshotHash state_without_newest() {
    const auto all = storage::list_snapshots(disk, kLogDir);
    REQUIRE(all);
    if (all->empty()) return state();
    const std::string path = kLogDir + "/" + all->front().name;
    const std::string good = disk.bytes_of(path);
    disk.overwrite(path, good.substr(0, good.size() / 2));
    const auto hash = state();
    disk.overwrite(path, good);
    return hash;
  }
  // The decisions whose texts the log still has.
  std::set<storage::Lsn> texts() {
    const auto all = storage::list_snapshots(disk, kLogDir);
    REQUIRE(all);
    storage::LogPosition from;
    if (!all->empty()) {
      const auto facts = storage::check_snapshot(disk, kLogDir, all->front().name);
      REQUIRE(facts);
      const auto oldest = storage::oldest_position(disk, kLogDir, facts->header.position);
      REQUIRE(oldest);
      from = *oldest;
    }
    CHECK(segments().front() == from.seg_no);  // without a gap
    return orders_in_log(disk, from);
  }
  // Nothing that anybody may need again is gone: each confirmed order has its text in the log or
  // its row in the database.
  void check_nothing_lost() {
    const auto in_log = texts();
    for (const auto& [id, lsn] : backend.confirmed) {
      const bool there = in_log.contains(lsn) || backend.tables.orders.contains(lsn);
      if (!there) FAIL("order ", id, " lsn ", storage::to_text(lsn), " is nowhere");
    }
  }

  ForgetfulDisk disk;
  RandomBackend backend;
  MemoryRows rows;
};

}  // namespace

TEST_CASE("a segment goes when two snapshots, age, outcomes and rows all allow it, and no sooner") {
  RetainTest t(7);
  t.rounds(80);
  CHECK(t.retain().kept == "there is no snapshot yet");
  REQUIRE(t.backend.drain());
  t.rounds(40);
  REQUIRE(t.backend.drain());
  t.snapshot();
  CHECK(t.retain().kept == "there is only one snapshot");
  t.rounds(80);
  REQUIRE(t.backend.drain());
  t.snapshot();
  const auto all = storage::list_snapshots(t.disk, kLogDir);
  REQUIRE(all);
  REQUIRE(all->size() == 2);
  const auto before = t.segments();
  const auto state = t.state();

  CHECK(t.retain(-1).kept == "log.retain_s keeps all for ever");
  CHECK(t.retain(1'000'000).kept.find("younger than log.retain_s") != std::string::npos);
  t.rows.uuid = storage::LogUuid{1};
  CHECK(t.retain().kept == "the database is not this log's");
  t.rows.uuid.reset();
  CHECK(t.retain().kept == "the database is not this log's");
  t.rows.uuid = kLogUuid;
  t.rows.away = true;
  CHECK(remove_old_segments(t.disk, kLogDir, t.rules(), t.rows).error().code == Errc::unavailable);
  t.rows.away = false;
  CHECK(t.segments() == before);

  // One row is not as it was sent: it keeps its segment and all behind it.
  auto& row = t.backend.tables.orders.begin()->second;
  std::swap(row.user, row.request_id);
  const auto alarmed = t.retain();
  CHECK(alarmed.differing.size() == 1);
  CHECK(alarmed.removed == 0);
  std::swap(row.user, row.request_id);
  // An item's row that is behind its commands as well.
  auto& item = t.backend.tables.items.begin()->second;
  const auto lsn = std::exchange(item.put_lsn, 0);
  CHECK(t.retain().differing.size() == 1);
  item.put_lsn = lsn;

  const auto done = t.retain();
  CHECK(done.kept.empty());
  CHECK(done.removed == all->back().seg_no - 1);
  CHECK(done.oldest.seg_no == all->back().seg_no);
  CHECK(t.segments().front() == all->back().seg_no);
  CHECK(t.state() == state);
  CHECK(t.state_without_newest() == state);
  CHECK(t.retain().removed == 0);
  t.restart();
  t.rounds(20);
  t.check_nothing_lost();
}

TEST_CASE("a promo outlives the segments that put it, which go when its row is stored") {
  RetainTest t(17, {.promos = true});
  for (int i = 0; i < 3; ++i) {
    t.rounds(80);
    REQUIRE(t.backend.drain());
    t.snapshot();
  }
  auto& promos = t.backend.tables.promos;
  REQUIRE(promos.size() > 2);
  const auto state = t.state();
  const auto lsn = std::exchange(promos.begin()->second.put_lsn, 1);
  const auto kept = t.retain();
  CHECK(kept.kept.find("promo rows are behind") != std::string::npos);
  CHECK(kept.differing.size() == 1);
  promos.begin()->second.put_lsn = lsn;
  CHECK(t.retain().removed > 0);
  CHECK(t.state() == state);
  t.restart();
  const auto& book = t.backend.core().book();
  CHECK(book.promos().size() == promos.size());
  for (const auto& [id, row] : promos) {
    REQUIRE(book.promos().find(id) != nullptr);
    CHECK(book.promos().find(id)->put_lsn == row.put_lsn);
    CHECK(same_terms(book.promos().find(id)->terms(), row.promo.view()));
  }
}

// A command that is made up for by a newer one is no longer owed, while the newer one still is.
TEST_CASE("rows that are behind because their newest change is on its way are no alarm") {
  RetainTest t(23);
  for (int i = 0; i < 2; ++i) {
    t.rounds(80);
    REQUIRE(t.backend.drain());
    t.snapshot();
  }
  t.rounds(3);
  t.snapshot();
  const auto newest = load_newest(t.disk, kLogDir, t.backend.limits().book);
  REQUIRE(newest);
  const auto owed = newest->fold->replay().owed();
  std::set<std::uint64_t> on_their_way;
  for (const auto& put : owed.puts) on_their_way.insert(put.item);
  for (const auto& amount : owed.amounts) on_their_way.insert(amount.item);
  REQUIRE(!on_their_way.empty());

  auto& items = t.backend.tables.items;
  const auto stored = items;
  for (const auto item : on_their_way) items[item].put_lsn = items[item].lsn = 0;
  const auto waits = t.retain();
  CHECK(waits.kept.find("item rows are behind") != std::string::npos);
  CHECK(waits.differing.empty());
  CHECK(waits.removed == 0);
  // One of which nothing is on its way is an alarm.
  for (auto& [id, row] : items)
    if (!on_their_way.contains(id)) row.put_lsn = 0;
  CHECK(t.retain().differing.size() == items.size() - on_their_way.size());
  items = stored;
  CHECK(t.retain().removed > 0);
}

TEST_CASE("what is owed or failed keeps its segment") {
  RetainTest t(11, {.fail_percent = 3});
  for (int i = 0; i < 4; ++i) {
    t.rounds(50);
    (void)t.backend.drain();
    t.snapshot();
  }
  const auto failed = t.backend.core().projection().failed();
  REQUIRE(failed > 0);
  const auto report = t.retain();
  CHECK(report.kept.find("still owed") != std::string::npos);
  t.check_nothing_lost();
}

TEST_CASE("a damaged snapshot of the two keeps everything") {
  for (const std::size_t which : {0u, 1u}) {
    RetainTest t(13);
    for (int i = 0; i < 3; ++i) {
      t.rounds(60);
      REQUIRE(t.backend.drain());
      t.snapshot();
    }
    const auto all = storage::list_snapshots(t.disk, kLogDir);
    REQUIRE(all);
    const std::string path = kLogDir + "/" + (*all)[which].name;
    std::string bytes = t.disk.bytes_of(path);
    bytes[bytes.size() / 2] = static_cast<char>(bytes[bytes.size() / 2] + 1);
    t.disk.overwrite(path, bytes);
    const auto report = t.retain();
    CHECK(report.removed == 0);
    CHECK(report.kept.find("damaged") != std::string::npos);
  }
}

TEST_CASE("random histories with snapshots, retention, restarts and lost rows lose nothing") {
  const auto seed = seed_of_run();
  std::uint64_t removed = 0;
  for (std::uint64_t round = 0; round < rounds_of_run(40); ++round) {
    INFO("STAMPEDE_TEST_SEED=" << seed + round);
    RetainTest t(seed + round, {.segment_bytes = 8u << 10,
                                .fail_percent = round % 3 == 0 ? 1u : 0u,
                                .promos = round % 2 == 0});
    for (int step = 0; step < 40; ++step) {
      switch (t.backend.below(6)) {
        case 0:
          (void)t.backend.drain();
          break;
        case 1:
        case 2:
          t.snapshot();
          break;
        case 3:
          removed += t.retain(static_cast<std::int64_t>(t.backend.below(3) * 60)).removed;
          break;
        case 4:
          t.restart();
          break;
        default:
          // A row vanishes from the database while its text is still in the log: then the text
          // must stay there. It comes back (somebody replays the log) some time later.
          if (const auto last = t.backend.tables.orders.rbegin();
              last != t.backend.tables.orders.rend() && t.texts().contains(last->first)) {
            const auto row = *last;
            t.backend.tables.orders.erase(row.first);
            t.rounds(10);
            t.snapshot();
            removed += t.retain().removed;
            t.check_nothing_lost();
            t.backend.tables.orders.insert(row);
          }
      }
      t.rounds(static_cast<int>(t.backend.below(20)));
      const auto state = t.state();
      CHECK(t.state_without_newest() == state);
      t.check_nothing_lost();
    }
    t.restart();
    for (const auto& [id, lsn] : t.backend.confirmed)
      CHECK(t.backend.core().book().look_up(id).answer.lsn == lsn);
  }
  CHECK(removed > rounds_of_run(40));
}

TEST_CASE("a crash or an error in any disk operation of retention loses nothing that is needed") {
  const auto seed = seed_of_run();
  for (const bool power : {true, false}) {
    bool hit = true;
    std::uint64_t steps = 0;
    for (std::uint64_t n = 1; hit; ++n) {
      INFO("STAMPEDE_TEST_SEED=" << seed << (power ? ", power cut in change " : ", operation ")
                                 << n);
      RetainTest t(seed, {.segment_bytes = 8u << 10});
      for (int i = 0; i < 3; ++i) {
        t.rounds(40);
        REQUIRE(t.backend.drain());
        t.snapshot();
      }
      const auto state = t.state();
      power ? t.disk.cut_power_in_change(n) : t.disk.fail_operation(n);
      try {
        (void)remove_old_segments(t.disk, kLogDir, t.rules(), t.rows);
        hit = power ? false : t.disk.fault_hit();
      } catch (const PowerCut&) {
        hit = true;
      }
      steps = n;
      t.backend.end_process();
      t.disk.lose_power(static_cast<unsigned>((seed + n) % 5 * 25));
      CHECK(t.state() == state);
      CHECK(t.state_without_newest() == state);
      t.check_nothing_lost();
      REQUIRE(t.backend.start());
      t.rounds(5);
      CHECK(t.retain().kept.empty());
      t.check_nothing_lost();
    }
    CHECK(steps > 4);
  }
}
