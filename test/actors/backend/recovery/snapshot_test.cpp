#include <doctest/doctest.h>

#include "actors/backend/recovery/recovery.h"
#include "actors/backend/recovery/snapshot_builder.h"
#include "storage/log/log_begin.h"
#include "storage/snapshot/snapshot_entries.h"
#include "test/actors/backend/recovery/random_backend.h"
#include "test/support/forgetful_disk.h"
#include "test/support/hex_text.h"
#include "test/support/random_run.h"

using namespace stampede;
using namespace stampede::actors;
using namespace stampede::test;
using storage::Errc;

namespace {

SnapshotOrder order_for(const RandomBackend& backend) {
  SnapshotOrder order;
  order.limits = backend.limits().book;
  return order;
}

storage::Result<std::optional<SnapshotMade>> make(storage::Disk& disk,
                                                  const RandomBackend& backend) {
  return make_snapshot(disk, kLogDir, order_for(backend));
}

storage::SnapshotHash hash_of(const LogFold& fold) {
  storage::LogPosition nowhere;
  nowhere.level = storage::kFeatureLevelKept;  // which holds all that there is
  storage::SnapshotHasher hasher(nowhere);
  fold.save(hasher);
  return hasher.finish();
}

// The state of the whole log: from its start, or from the newest snapshot.
struct WholeLog {
  storage::SnapshotHash hash{};
  std::string snapshot;
  std::uint64_t records = 0;
  std::size_t unusable = 0;
};
WholeLog state_of(storage::Disk& disk, const OrderBookLimits& limits, bool use_snapshots) {
  LoadedLog log;
  if (use_snapshots) {
    auto newest = load_newest(disk, kLogDir, limits);
    REQUIRE(newest);
    log = std::move(*newest);
  }
  FoldingReader reader(log, limits,
                       [](const storage::BatchInfo&) { return storage::Status(storage::Done{}); });
  const auto end = storage::read_log(disk, kLogDir, reader, log.position);
  if (!end) FAIL(end.error().message);
  return {hash_of(*log.fold), log.snapshot, end->records, log.unusable.size()};
}

// A history with two snapshots, a restart and an open segment behind them.
void live(ForgetfulDisk& disk, RandomBackend& backend, int rounds = 60) {
  REQUIRE(backend.start());
  for (int life = 0; life < 3; ++life) {
    for (int i = 0; i < rounds; ++i) REQUIRE(backend.round());
    if (life < 2) {
      const auto made = make(disk, backend);
      REQUIRE(made);
      CHECK(made->has_value());
    }
    backend.end_process();
    disk.kill_processes();
    REQUIRE(backend.start());
  }
  backend.end_process();
}

std::vector<storage::SnapshotEntry> snapshots(storage::Disk& disk) {
  auto all = storage::list_snapshots(disk, kLogDir);
  REQUIRE(all);
  return *all;
}

int half_made(const ForgetfulDisk& disk) {
  int files = 0;
  for (const auto& [path, bytes] : disk.contents())
    files += path.find("/snapshot-") != std::string::npos && path.ends_with(".tmp") ? 1 : 0;
  return files;
}

std::string flipped(std::string bytes, std::size_t at, unsigned bit) {
  bytes[at] = static_cast<char>(bytes[at] ^ (1u << bit));
  return bytes;
}

}  // namespace

TEST_CASE("recovery from a snapshot and from the whole log give the same state") {
  const auto seed = seed_of_run();
  std::uint64_t used = 0;
  for (std::uint64_t round = 0; round < rounds_of_run(60); ++round) {
    INFO("STAMPEDE_TEST_SEED=" << seed + round);
    ForgetfulDisk disk(seed + round);
    RandomBackend backend(disk, seed + round,
                          {.fail_percent = round % 2 == 0 ? 5u : 0u,
                           .promos = round % 4 >= 2,
                           .sessions = round % 3 != 0});
    REQUIRE(backend.start());
    for (int life = 0; life < 4; ++life) {
      const auto rounds = backend.below(80);
      for (std::uint64_t i = 0; i < rounds; ++i) {
        REQUIRE(backend.round());
        if (backend.below(15) != 0) continue;
        if (const auto made = make(disk, backend); !made) FAIL(made.error().message);
      }
      const auto with = state_of(disk, backend.limits().book, true);
      const auto without = state_of(disk, backend.limits().book, false);
      CHECK(with.hash == without.hash);
      CHECK(without.snapshot.empty());
      if (!with.snapshot.empty()) {
        ++used;
        CHECK(with.records < without.records);
      }
      CHECK(snapshots(disk).size() <= 2);
      const auto& sessions = backend.core().book().sessions();
      const auto ended = sessions.ended(), newest = sessions.newest();
      backend.end_process();
      REQUIRE(backend.start());
      CHECK(backend.core().book().sessions().ended() == ended);
      CHECK(backend.core().book().sessions().newest() == newest);
    }
    for (const auto& [id, lsn] : backend.confirmed) {
      const auto answer = backend.core().book().look_up(id);
      REQUIRE(answer.known);
      CHECK(answer.answer.lsn == lsn);
    }
  }
  CHECK(used > rounds_of_run(60));
}

TEST_CASE("the newer snapshot is what the older one and the log between them give") {
  const auto seed = seed_of_run();
  INFO("STAMPEDE_TEST_SEED=" << seed);
  ForgetfulDisk disk(seed);
  RandomBackend backend(disk, seed, {});
  CHECK(compare_snapshots(disk, kLogDir).error().code == Errc::not_found);
  live(disk, backend);
  const auto all = snapshots(disk);
  REQUIRE(all.size() == 2);
  auto compared = compare_snapshots(disk, kLogDir);
  REQUIRE(compared);
  CHECK(compared->newer == all[0].name);
  CHECK(compared->older == all[1].name);
  CHECK(compared->carried == compared->replayed);
  CHECK(compared->batches > 0);
  // Alone it is compared with the log's beginning.
  disk.erase(kLogDir + "/" + all[1].name);
  compared = compare_snapshots(disk, kLogDir);
  REQUIRE(compared);
  CHECK(compared->older.empty());
  CHECK(compared->carried == compared->replayed);
}

TEST_CASE("a snapshot that is whole but wrong is found by comparing") {
  const auto seed = seed_of_run();
  INFO("STAMPEDE_TEST_SEED=" << seed);
  ForgetfulDisk disk(seed);
  RandomBackend backend(disk, seed, {});
  live(disk, backend);
  const auto all = snapshots(disk);
  auto log = load_snapshot(disk, kLogDir, all[0].name, backend.limits().book);
  REQUIRE(log);
  // The same once more, but one price is wrong, as a faulty program would leave it.
  class OneLess final : public storage::SnapshotSink {
   public:
    explicit OneLess(storage::SnapshotSink& to) : SnapshotSink(to.level()), to_(to) {}
    void add(storage::SnapshotSection section, std::string_view entry) override {
      std::string copy(entry);
      if (section == storage::SnapshotSection::items && !done_) {
        --copy[8];
        done_ = true;
      }
      to_.add(section, copy);
    }

   private:
    storage::SnapshotSink& to_;
    bool done_ = false;
  };
  disk.erase(kLogDir + "/" + all[0].name);
  storage::SnapshotWriter writer(disk, kLogDir, {log->position, 0});
  OneLess less(writer);
  log->fold->save(less);
  REQUIRE(writer.install());
  CHECK(storage::check_snapshot(disk, kLogDir, all[0].name));
  const auto compared = compare_snapshots(disk, kLogDir);
  REQUIRE(compared);
  CHECK(compared->carried != compared->replayed);
}

TEST_CASE(
    "with any bit of the newest snapshot flipped the older one is used, with the same state") {
  const auto seed = seed_of_run();
  INFO("STAMPEDE_TEST_SEED=" << seed);
  ForgetfulDisk disk(seed);
  RandomBackend backend(disk, seed, {.rejections_max = 5});
  live(disk, backend, 40);
  const auto all = snapshots(disk);
  REQUIRE(all.size() == 2);
  const std::string path = kLogDir + "/" + all[0].name;
  const std::string good = disk.bytes_of(path);
  const auto expected = state_of(disk, backend.limits().book, true);
  REQUIRE(expected.snapshot == all[0].name);
  for (std::size_t at = 0; at < good.size(); ++at) {
    disk.overwrite(path, flipped(good, at, static_cast<unsigned>((seed + at) % 8)));
    INFO("byte " << at);
    const auto checked = storage::check_snapshot(disk, kLogDir, all[0].name);
    REQUIRE_FALSE(checked);
    REQUIRE(checked.error().code == Errc::corrupt);
    REQUIRE(checked.error().message.find(all[0].name) != std::string::npos);
    auto loaded = load_newest(disk, kLogDir, backend.limits().book);
    REQUIRE(loaded);
    REQUIRE(loaded->snapshot == all[1].name);
    REQUIRE(loaded->unusable.size() == 1);
    if (at % 97 == 0) {
      const auto now = state_of(disk, backend.limits().book, true);
      CHECK(now.hash == expected.hash);
    }
  }
  for (std::size_t size = 0; size < good.size(); size += 1 + size / 3) {
    disk.overwrite(path, good.substr(0, size));
    CHECK_FALSE(storage::check_snapshot(disk, kLogDir, all[0].name));
  }
  disk.overwrite(path, good + '\0');
  CHECK_FALSE(storage::check_snapshot(disk, kLogDir, all[0].name));
}

TEST_CASE("a snapshot of another log, or ahead of the log's end, is refused") {
  const auto seed = seed_of_run();
  INFO("STAMPEDE_TEST_SEED=" << seed);
  ForgetfulDisk disk(seed);
  RandomBackend backend(disk, seed, {});
  live(disk, backend);
  const auto all = snapshots(disk);
  SUBCASE("segments are missing at the log's end") {
    for (const auto& [path, bytes] : disk.contents()) {
      const auto name = storage::parse_segment_name(path.substr(kLogDir.size() + 1));
      if (name && name->seg_no >= all[0].seg_no) disk.erase(path);
    }
    CHECK_FALSE(backend.start());
    CHECK(backend.error().code == Errc::corrupt);
    CHECK(backend.error().message.find(" is missing in ") != std::string::npos);
  }
  SUBCASE("all segments are missing") {
    for (const auto& [path, bytes] : disk.contents())
      if (path.ends_with(".seg")) disk.erase(path);
    CHECK_FALSE(backend.start());
    CHECK(backend.error().code == Errc::corrupt);
  }
  SUBCASE("it belongs to another log") {
    auto log = load_snapshot(disk, kLogDir, all[0].name, backend.limits().book);
    REQUIRE(log);
    log->position.uuid[3] ^= 1;
    disk.erase(kLogDir + "/" + all[0].name);
    storage::SnapshotWriter writer(disk, kLogDir, {log->position, 0});
    log->fold->save(writer);
    REQUIRE(writer.install());
    CHECK_FALSE(backend.start());
    CHECK(backend.error().code == Errc::corrupt);
    CHECK(backend.error().message.find("another log") != std::string::npos);
    CHECK(backend.error().message.find(all[0].name) != std::string::npos);
  }
  SUBCASE("the log's start is missing, and no snapshot is whole") {
    for (const auto& [path, bytes] : disk.contents())
      if (path.find("/0000000000000001-") != std::string::npos) disk.erase(path);
    CHECK(backend.start());  // not needed as long as a snapshot is there
    backend.end_process();
    for (const auto& one : all) disk.overwrite(kLogDir + "/" + one.name, "rot");
    CHECK_FALSE(backend.start());
    CHECK(backend.error().code == Errc::corrupt);
    CHECK(backend.error().message.find("segment 1 is missing") != std::string::npos);
    CHECK(backend.error().message.find(all[0].name) != std::string::npos);
  }
}

TEST_CASE("a crash or an error in any disk operation of a snapshot harms nothing") {
  const auto seed = seed_of_run();
  for (const bool power : {true, false}) {
    bool hit = true;
    std::uint64_t steps = 0;
    for (std::uint64_t n = 1; hit; ++n) {
      INFO("STAMPEDE_TEST_SEED=" << seed << (power ? ", power cut in change " : ", operation ")
                                 << n);
      ForgetfulDisk disk(seed);
      RandomBackend backend(disk, seed, {});
      live(disk, backend, 45);
      REQUIRE(backend.start());
      const auto before = state_of(disk, backend.limits().book, false);
      power ? disk.cut_power_in_change(n) : disk.fail_operation(n);
      bool made = false;
      try {
        const auto result = make(disk, backend);
        made = result && result->has_value();
        hit = power ? false : disk.fault_hit();
      } catch (const PowerCut&) {
        hit = true;
      }
      steps = n;
      if (!power) CHECK(half_made(disk) == 0);  // a failure gives its room back
      backend.end_process();
      disk.lose_power(static_cast<unsigned>((seed + n) % 5 * 25));
      const auto after = state_of(disk, backend.limits().book, true);
      CHECK(after.hash == before.hash);
      CHECK(after.unusable == 0);  // whatever carries a snapshot's name is whole
      CHECK_FALSE(after.snapshot.empty());
      CHECK(state_of(disk, backend.limits().book, false).hash == before.hash);
      REQUIRE(backend.start());
      // And the next one succeeds, leaving two and nothing half made.
      for (int i = 0; i < 40; ++i) REQUIRE(backend.round());
      const auto again = make(disk, backend);
      REQUIRE(again);
      CHECK(again->has_value());
      CHECK(snapshots(disk).size() == 2);
      CHECK(half_made(disk) == 0);
      if (!hit) CHECK(made);
    }
    CHECK(steps > 8);
  }
}

TEST_CASE(
    "orders_max holds after a restart from a snapshot: overloaded, and nothing is forgotten") {
  const auto seed = seed_of_run();
  INFO("STAMPEDE_TEST_SEED=" << seed);
  ForgetfulDisk disk(seed);
  RandomBackend backend(disk, seed, {});
  live(disk, backend);
  auto log = load_newest(disk, kLogDir, backend.limits().book);
  REQUIRE(log);
  REQUIRE_FALSE(log->snapshot.empty());
  storage::SnapshotSummary summary;
  log->fold->book().count(summary);
  const OrderBookLimits full{summary.known, 20};
  auto again = load_snapshot(disk, kLogDir, log->snapshot, full);
  REQUIRE(again);
  const OrderBook& book = again->fold->book();
  const Request fresh{RequestKind::order, "a-new-id", 1, "ann", 1, {}, 0};
  CHECK(book.decide_order(fresh).error == Code::overloaded);
  std::uint64_t known = 0;
  for (const auto& [id, lsn] : backend.confirmed) {
    if (lsn > again->position.last_lsn) continue;
    CHECK(book.look_up(id).answer.lsn == lsn);
    ++known;
  }
  CHECK(known > 50);
}

TEST_CASE("the bytes of an item in a snapshot") {
  storage::SnapshotItem item;
  item.id = 7;
  item.terms = {"Phone 名", 1999, 300'000, 2, 5};
  item.amount = 299'998;
  item.put_lsn = storage::make_lsn(1, 7);
  item.lsn = storage::make_lsn(1, 9);
  storage::EntryWriter writer;
  const std::string bytes(encode(writer, item));
  CHECK(hex_of(bytes) ==
        "0700000000000000"
        "cf07000000000000"
        "e093040000000000"
        "de93040000000000"
        "0700000000010000"
        "0900000000010000"
        "02000000"
        "0500"
        "0900"
        "50686f6e6520e5908d");
  storage::EntryReader reader(bytes);
  storage::SnapshotItem back;
  REQUIRE(decode(reader, back));
  CHECK(std::string(encode(writer, back)) == bytes);
}

TEST_CASE("segments that a snapshot stands for are judged at each start") {
  const auto make = [](ForgetfulDisk& disk) {
    RandomBackend backend(disk, 3, {});
    REQUIRE(backend.start());
    SnapshotOrder order;
    order.limits = backend.limits().book;
    for (int life = 0; life < 4; ++life) {
      for (int i = 0; i < 40; ++i) REQUIRE(backend.round());
      REQUIRE(backend.drain());
      if (life == 3) REQUIRE(make_snapshot(disk, kLogDir, order));
      REQUIRE(backend.start());
    }
    backend.end_process();
  };
  const auto segments = [](const ForgetfulDisk& disk) {
    std::vector<std::string> found;
    for (const auto& [path, bytes] : disk.contents())
      if (storage::looks_like_segment(path)) found.push_back(path);
    return found;
  };
  const auto judged = [](ForgetfulDisk& disk) {
    RandomBackend backend(disk, 3, {});
    return recover_log(disk, kLogDir, backend.limits(), [](const storage::BatchInfo&) {});
  };
  ForgetfulDisk whole(3);
  make(whole);
  const auto all = segments(whole);
  REQUIRE(all.size() >= 4);
  REQUIRE(storage::remember_begin(whole, kLogDir, 1));
  const auto before = judged(whole);
  REQUIRE(before);
  CHECK(before->first_segment == 1);
  CHECK(before->notes.empty());
  whole.overwrite(kLogDir + std::string("/core.123\x1b"), "?");
  CHECK(judged(whole)->notes.at(0) == kLogDir + std::string("/core.123? is no file of a log"));
  // What its snapshot stands for goes, is cut, is of another log, is there twice.
  for (std::size_t i = 0; i < 3; ++i) {
    const auto bytes = whole.bytes_of(all[i]);
    const auto check_corrupt = [&] {
      const auto damaged = judged(whole);
      REQUIRE_FALSE(damaged);
      CHECK(damaged.error().code == Errc::corrupt);
      whole.overwrite(all[i], bytes);
      REQUIRE(judged(whole));
    };
    whole.erase(all[i]);
    check_corrupt();
    whole.overwrite(all[i], bytes.substr(0, 5000));
    check_corrupt();
    whole.overwrite(all[i], bytes.substr(0, 100));
    check_corrupt();
    whole.overwrite(all[i], std::string(bytes.size(), '\0'));
    check_corrupt();
    const auto second = storage::path_in(kLogDir, storage::segment_name(i + 1, 9999));
    whole.overwrite(second, bytes);
    CHECK_FALSE(judged(whole));
    whole.erase(second);
  }
  // Removed on purpose is another thing, and an old log does not know.
  whole.erase(all[0]);
  REQUIRE(storage::remember_begin(whole, kLogDir, 2));
  CHECK(judged(whole)->first_segment == 2);
  for (const auto& [path, bytes] : whole.contents())
    if (path.find("begins-") != std::string::npos) whole.erase(path);
  const auto unknown = judged(whole);
  REQUIRE(unknown);
  CHECK_FALSE(unknown->begin_known);
  CHECK(unknown->notes.size() == 2);
}
