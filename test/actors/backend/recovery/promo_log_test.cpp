// data/backend_v2 is a sale with promos that a backend of the first level that has them has kept:
// random orders, promos that came, changed and ended, rows that the database refused, a snapshot, a
// restart and what was decided since. Every later version must go on from it.
// STAMPEDE_WRITE_GOLDEN=DIR writes such a log into DIR/backend_v2.

#include <doctest/doctest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "actors/backend/recovery/recovery.h"
#include "actors/backend/recovery/snapshot_builder.h"
#include "test/actors/backend/recovery/random_backend.h"
#include "test/support/forgetful_disk.h"

using namespace stampede;
using namespace stampede::actors;
using namespace stampede::test;
using storage::FeatureLevel;

namespace {

constexpr std::string_view kHash = "8201dc204766ec2a710e61a907079173";  // of its snapshot

void copy_log(ForgetfulDisk& disk) {
  const std::string golden = std::string(STAMPEDE_TEST_DATA) + "/backend_v2";
  for (const auto& file : std::filesystem::directory_iterator(golden)) {
    std::ifstream in(file.path(), std::ios::binary);
    std::ostringstream bytes;
    bytes << in.rdbuf();
    disk.overwrite(storage::path_in(kLogDir, file.path().filename().string()), bytes.str());
  }
}

storage::SnapshotEntry snapshot_of(storage::Disk& disk) {
  const auto all = storage::list_snapshots(disk, kLogDir);
  REQUIRE(all);
  REQUIRE(all->size() == 1);
  return all->front();
}

RecoveredLog recovered(storage::Disk& disk) {
  auto log = recover_log(disk, kLogDir, BackendLimits{}, [](const storage::BatchInfo&) {});
  if (!log) FAIL(log.error().message);
  return std::move(*log);
}

void check_sale(const RecoveredLog& log) {
  CHECK(log.end.level == FeatureLevel::sale);
  const OrderBook& book = log.core->book();
  const auto books = book.books();
  CHECK(books.confirmed == 112);
  CHECK(books.sold == 222);
  CHECK(books.promos == 5);
  CHECK(books.promo_hash == 15525060443628181229U);
  CHECK(book.sale_time_us(0) == 1'700'000'130'010'873);
  const auto owed = log.fold.owed();
  CHECK(owed.orders.size() == 1);
  CHECK(owed.promos.empty());
}

}  // namespace

TEST_CASE("a log with promos is recovered, with its snapshot and without") {
  ForgetfulDisk disk(1);
  copy_log(disk);
  check_sale(recovered(disk));
  disk.erase(storage::path_in(kLogDir, snapshot_of(disk).name));
  check_sale(recovered(disk));
}

TEST_CASE("a snapshot of a log with promos is what it always was") {
  ForgetfulDisk disk(1);
  copy_log(disk);
  const auto golden = snapshot_of(disk);
  const auto facts = storage::check_snapshot(disk, kLogDir, golden.name);
  REQUIRE(facts);
  CHECK(storage::to_text(facts->hash) == kHash);
  CHECK(facts->header.position.level == FeatureLevel::sale);
  const auto loaded = load_newest(disk, kLogDir, {});
  REQUIRE(loaded);
  CHECK(loaded->fold->replay().counts().owed_promos == 3);
  const auto compared = compare_snapshots(disk, kLogDir);
  REQUIRE(compared);
  CHECK(storage::to_text(compared->replayed) == kHash);
}

TEST_CASE("a log with promos can be written where STAMPEDE_WRITE_GOLDEN says") {
  const char* dir = std::getenv("STAMPEDE_WRITE_GOLDEN");
  if (dir == nullptr) return;
  ForgetfulDisk disk(1);
  RandomBackend backend(disk, 21, {.segment_bytes = 8 << 10, .fail_percent = 5, .promos = true});
  REQUIRE(backend.start());
  for (int i = 0; i < 40; ++i) REQUIRE(backend.round());
  SnapshotOrder order;
  order.limits = backend.limits().book;
  const auto made = make_snapshot(disk, kLogDir, order);
  REQUIRE(made);
  REQUIRE(made->has_value());
  backend.end_process();
  disk.kill_processes();
  REQUIRE(backend.start());
  for (int i = 0; i < 15; ++i) REQUIRE(backend.round());
  const auto golden = std::filesystem::path(dir) / "backend_v2";
  std::filesystem::create_directories(golden);
  for (const auto& [path, bytes] : disk.contents()) {
    std::ofstream out(golden / std::filesystem::path(path).filename(), std::ios::binary);
    out << bytes;
  }
}
