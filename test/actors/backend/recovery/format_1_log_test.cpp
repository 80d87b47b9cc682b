// data/backend_v1 is a sale that a backend of format 1 has kept: 200 orders of one item, some
// thousands of another with a limit, of which most were rejected, one order that the database
// refused twice, a restart and a snapshot. Every later version must go on from it.

#include <doctest/doctest.h>

#include <filesystem>
#include <fstream>
#include <sstream>

#include "actors/backend/recovery/recovery.h"
#include "actors/backend/recovery/snapshot_builder.h"
#include "test/support/forgetful_disk.h"

using namespace stampede;
using namespace stampede::actors;
using namespace stampede::test;
using storage::Errc;
using storage::FeatureLevel;

namespace {

const std::string kLog = "/log";
constexpr std::string_view kHash = "d27f3a566b52c847ede8dbd3e17fab33";  // as format 1 made it
constexpr storage::Lsn kRefused = storage::make_lsn(1, 263);

void copy_log(ForgetfulDisk& disk) {
  const std::string golden = std::string(STAMPEDE_TEST_DATA) + "/backend_v1";
  for (const auto& file : std::filesystem::directory_iterator(golden)) {
    std::ifstream in(file.path(), std::ios::binary);
    std::ostringstream bytes;
    bytes << in.rdbuf();
    disk.overwrite(storage::path_in(kLog, file.path().filename().string()), bytes.str());
  }
}

storage::SnapshotEntry snapshot_of(storage::Disk& disk) {
  const auto all = storage::list_snapshots(disk, kLog);
  REQUIRE(all);
  REQUIRE(!all->empty());
  return all->front();
}

RecoveredLog recovered(storage::Disk& disk) {
  auto log = recover_log(disk, kLog, BackendLimits{}, [](const storage::BatchInfo&) {});
  if (!log) FAIL(log.error().message);
  return std::move(*log);
}

void check_sale(const RecoveredLog& log) {
  const OrderBook& book = log.core->book();
  CHECK(book.confirmed() == 200);
  CHECK(book.item(1)->left == 0);
  CHECK(book.item(2)->left == 0);
  CHECK(book.look_up("poisoned").answer.state == State::confirmed);
  CHECK(book.look_up("poisoned").answer.lsn == kRefused);
  CHECK(book.look_up("last").answer.reason == RejectReason::sold_out);
  const auto owed = log.fold.owed();
  REQUIRE(owed.orders.size() == 1);
  CHECK(owed.orders[0].lsn == kRefused);
  CHECK(owed.orders[0].tries == 1);  // once at least: format 1 does not count
}

storage::LogOptions small_options() {
  storage::LogOptions options;
  options.segment_bytes = options.start_segment_bytes = 256 << 10;
  return options;
}

// A start of today's program, which then decides an order and, if `rejects`, a rejection: another
// order of an item that is sold out. All of it may throw PowerCut.
void live(storage::Disk& disk, bool rejects) {
  auto log = recovered(disk);
  auto writer = storage::LogWriter::resume(disk, kLog, log.end, small_options());
  if (!writer) FAIL(writer.error().message);
  BackendCore& core = *log.core;
  const auto epoch = take_over_epoch(*writer, core, log.end, 1, 1);
  REQUIRE(epoch);
  core.set_phase(Phase::serving);
  Effects effects;
  const auto id = "late-" + std::to_string(*epoch);
  ItemRequest request;
  request.action = ItemAction::add;
  request.put.request_id = id;
  request.put.item = *epoch + 1000;
  request.put.terms = {"late", 5, 1, 0, 5};
  REQUIRE(core.import_item(request, effects).empty());
  if (rejects) {
    const auto id_of_no = id + "-no";
    Request order;
    order.kind = RequestKind::order;
    order.id = id_of_no;
    order.item = 1;
    order.user = "ann";
    order.qty = 1;
    std::string body;
    append_request(body, order);
    core.on_work({.count = 1, .broker = 1}, body, 0, effects);
  }
  core.flush(effects);
  for (const auto& append : effects.appends) {
    const std::string_view parts[] = {append->records};
    auto written =
        writer->append(parts, {*epoch, append->first_lsn, append->count, 0, 1, append->level});
    if (written) written = writer->sync();
    REQUIRE(written);
  }
}

}  // namespace

TEST_CASE("a log of format 1 is recovered, with its snapshot and without") {
  ForgetfulDisk disk(1);
  copy_log(disk);
  check_sale(recovered(disk));
  disk.erase(storage::path_in(kLog, snapshot_of(disk).name));
  check_sale(recovered(disk));
}

TEST_CASE("a snapshot of a log of format 1 is what it always was") {
  ForgetfulDisk disk(1);
  copy_log(disk);
  const auto golden = snapshot_of(disk);
  const auto facts = storage::check_snapshot(disk, kLog, golden.name);
  REQUIRE(facts);
  CHECK(storage::to_text(facts->hash) == kHash);
  CHECK(facts->header.position.level == FeatureLevel::format_1);
  const auto compared = compare_snapshots(disk, kLog);
  REQUIRE(compared);
  CHECK(storage::to_text(compared->replayed) == kHash);

  const std::string bytes = disk.bytes_of(storage::path_in(kLog, golden.name));
  disk.erase(storage::path_in(kLog, golden.name));
  SnapshotOrder order;
  order.created_ns = facts->header.created_ns;
  const auto made = make_snapshot(disk, kLog, order);
  REQUIRE(made);
  REQUIRE(made->has_value());
  CHECK((*made)->name == golden.name);
  CHECK(disk.bytes_of(storage::path_in(kLog, golden.name)) == bytes);
}

TEST_CASE("a log of format 1 stays one as long as it holds nothing that needs format 2") {
  ForgetfulDisk disk(1);
  copy_log(disk);
  for (int start = 0; start < 3; ++start) {
    live(disk, false);
    const auto log = recovered(disk);
    CHECK(log.end.level == FeatureLevel::format_1);
    check_sale(log);
  }
}

TEST_CASE("a log of format 1 goes on in format 2 from a rejection on, with snapshots of both") {
  ForgetfulDisk disk(1);
  copy_log(disk);
  const auto old = snapshot_of(disk).name;
  live(disk, true);
  auto log = recovered(disk);
  CHECK(log.end.level == FeatureLevel::format_2);
  CHECK(log.end.hash_key == log.end.uuid);
  check_sale(log);
  live(disk, true);  // closes a segment of format 2
  const auto made = make_snapshot(disk, kLog, {});
  REQUIRE(made);
  REQUIRE(made->has_value());
  CHECK((*made)->base == old);
  CHECK((*made)->header.position.level == FeatureLevel::format_2);
  const auto compared = compare_snapshots(disk, kLog);
  REQUIRE(compared);
  CHECK(compared->carried == compared->replayed);
  log = recovered(disk);
  CHECK(log.snapshot == (*made)->name);
  check_sale(log);
}

TEST_CASE("a power cut at any place of the step to format 2 leaves a log that takes it again") {
  for (std::uint64_t change = 1;; ++change) {
    INFO("cut in change " << change);
    ForgetfulDisk disk(change);
    copy_log(disk);
    disk.cut_power_in_change(change);
    bool cut = false;
    try {
      live(disk, true);
    } catch (const PowerCut&) {
      cut = true;
      disk.lose_power(static_cast<unsigned>(change % 3 * 50));
    }
    if (!cut) break;
    live(disk, true);
    check_sale(recovered(disk));
    CHECK(recovered(disk).end.level == FeatureLevel::format_2);
  }
}

TEST_CASE("a backend refuses a log of a higher level by the name of what it lacks") {
  ForgetfulDisk disk(1);
  copy_log(disk);
  const auto log = recovered(disk);
  auto writer = storage::LogWriter::resume(disk, kLog, log.end, small_options());
  REQUIRE(writer);
  storage::LogAppend seal;
  seal.add(storage::RecordType::seal, std::string(1, '\x90'));
  const std::string_view parts[] = {seal.records};
  storage::BatchHead head{.epoch = log.end.chain.epoch, .first_lsn = log.end.chain.next_lsn};
  head.count = 1;
  head.level = FeatureLevel::ha;
  REQUIRE(writer->append(parts, head));
  REQUIRE(writer->sync());
  const auto before = disk.contents();
  const auto refused = recover_log(disk, kLog, BackendLimits{}, [](const storage::BatchInfo&) {});
  REQUIRE_FALSE(refused);
  CHECK(refused.error().code == Errc::version);
  CHECK(refused.error().message.find("feature level 3 (high availability)") != std::string::npos);
  CHECK(disk.contents() == before);
}
