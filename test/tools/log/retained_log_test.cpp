// The tools on a log whose oldest segments are gone.

#include <doctest/doctest.h>

#include <nlohmann/json.hpp>
#include <sstream>

#include "actors/backend/recovery/snapshot_builder.h"
#include "storage/disk/posix_disk.h"
#include "test/actors/backend/recovery/memory_rows.h"
#include "test/actors/backend/recovery/random_backend.h"
#include "test/tools/log/log_sample.h"
#include "tools/books/ledger.h"
#include "tools/log/log_beginning.h"
#include "tools/log/log_tool.h"

using namespace stampede;
using namespace stampede::test;
using namespace stampede::tools;
using nlohmann::json;

namespace {

// A backend that has lived, made two snapshots, and let its oldest segments go.
struct RetainedLog {
  RetainedLog() {
    REQUIRE(disk.make_dir(dir));
    REQUIRE(backend.start());
    for (int life = 0; life < 4; ++life) {
      for (int i = 0; i < 60; ++i) REQUIRE(backend.round());
      REQUIRE(backend.drain());
      actors::SnapshotOrder order;
      order.limits = backend.limits().book;
      REQUIRE(actors::make_snapshot(disk, dir, order));
    }
    for (int i = 0; i < 20; ++i) REQUIRE(backend.round());
    REQUIRE(backend.drain());
    MemoryRows rows(backend.tables);
    actors::RetentionRules rules;
    rules.retain_s = 0;
    rules.now_ns = backend.now_us * 1000;
    const auto report = actors::remove_old_segments(disk, dir, rules, rows);
    REQUIRE(report);
    REQUIRE(report->removed > 0);
    oldest = report->oldest;
  }

  template <class Tool, class... Arguments>
  json report(Tool tool, const Arguments&... arguments) {
    std::ostringstream out;
    std::ostringstream err;
    exit = tool(options_for(dir, true), arguments..., out, err);
    said = err.str();
    return json::parse(out.str());
  }

  TemporaryDir temporary;
  std::string dir = temporary.path("log");
  storage::PosixDisk disk;
  RandomBackend backend{disk, 5, {.dir = dir}};
  storage::LogPosition oldest;
  int exit = -1;
  std::string said;
};

}  // namespace

TEST_CASE_FIXTURE(RetainedLog, "the log's beginning is found, and reading goes on from it") {
  const auto beginning = log_beginning(disk, dir);
  REQUIRE(beginning);
  CHECK(beginning->position == oldest);
  CHECK_FALSE(beginning->is_start());
  storage::LogVisitor nobody;
  const auto end = storage::read_log(disk, dir, nobody, beginning->position);
  REQUIRE(end);
  CHECK(end->chain.next_lsn > beginning->speaks_from());
  // Nobody stands for what is gone: then it is missing.
  const auto snapshots = storage::list_snapshots(disk, dir);
  REQUIRE(snapshots);
  for (const auto& one : *snapshots) REQUIRE(disk.remove(storage::path_in(dir, one.name)));
  const auto none = log_beginning(disk, dir);
  REQUIRE(none);
  CHECK(none->is_start());
  const auto failed = storage::read_log(disk, dir, nobody, none->position);
  CHECK(failed.error().message.find("segment 1 is missing") != std::string::npos);
}

TEST_CASE_FIXTURE(RetainedLog,
                  "verify, dump, dry run and snapshot verify say where the log begins") {
  const auto checked = report(run_log_verify, std::string());
  CHECK(exit == 0);
  CHECK(checked["ok"] == true);
  CHECK(checked["speaks_from"] == storage::to_text(oldest.chain.next_lsn));
  CHECK(checked["pending"] == 0);
  REQUIRE(checked["snapshots"].size() == 2);
  CHECK(checked["snapshots"][0]["ok"] == true);
  CHECK(said.find("the log speaks from lsn") != std::string::npos);
  CHECK(report(run_log_replay_dry_run, std::string())["would_apply"] == 0);
  CHECK(report(run_snapshot_verify, std::string())["ok"] == true);
  CHECK(exit == 0);
  std::ostringstream out;
  std::ostringstream err;
  CHECK(run_log_dump(options_for(dir, false), {}, {}, out, err) == 0);
  CHECK(out.str().find("[EMIT]OrderInsert") != std::string::npos);
}

TEST_CASE_FIXTURE(RetainedLog,
                  "a segment removed between two looks is no damage: reading begins anew") {
  auto beginning = log_beginning(disk, dir);
  REQUIRE(beginning);
  CHECK_FALSE(begins_later_now(disk, dir, *beginning));
  const auto gone = storage::segment_name(oldest.seg_no, oldest.chain.next_batch);
  REQUIRE(disk.remove_segment(storage::path_in(dir, gone)));
  storage::LogVisitor nobody;
  CHECK_FALSE(storage::read_log(disk, dir, nobody, beginning->position));
  REQUIRE(begins_later_now(disk, dir, *beginning));
  CHECK(beginning->position.seg_no == oldest.seg_no + 1);
  CHECK(storage::read_log(disk, dir, nobody, beginning->position));
}

TEST_CASE_FIXTURE(RetainedLog, "log snapshot makes one, and says so when there is nothing to do") {
  backend.end_process();
  REQUIRE(backend.start());  // closes the segment
  const auto made = report(run_log_snapshot, std::string());
  CHECK(exit == 0);
  CHECK(made["made"] == true);
  CHECK(report(run_snapshot_verify, std::string())["newer"] == made["name"]);
  CHECK(report(run_log_snapshot, std::string())["made"] == false);
  const auto lock = actors::lock_snapshots(disk, dir);
  REQUIRE(lock);
  std::ostringstream out;
  std::ostringstream err;
  CHECK(run_log_snapshot(options_for(dir, true), {}, out, err) == 6);
}

TEST_CASE_FIXTURE(RetainedLog, "a snapshot that is damaged, or of another place, is a violation") {
  const auto snapshots = storage::list_snapshots(disk, dir);
  REQUIRE(snapshots);
  auto log = actors::load_snapshot(disk, dir, (*snapshots)[0].name, backend.limits().book);
  REQUIRE(log);
  log->position.chain.last_crc ^= 1;
  REQUIRE(disk.remove(storage::path_in(dir, (*snapshots)[0].name)));
  storage::SnapshotWriter writer(disk, dir, {log->position, 0});
  log->fold->save(writer);
  REQUIRE(writer.install());
  const auto checked = report(run_log_verify, std::string());
  CHECK(exit == 4);
  CHECK(checked["snapshots"][0]["ok"] == false);
  CHECK(checked["violations"][0].get<std::string>().find("does not fit") != std::string::npos);
}

TEST_CASE_FIXTURE(RetainedLog,
                  "the books add up from the snapshot on, and every old row is compared") {
  const auto snapshots = storage::list_snapshots(disk, dir);
  REQUIRE(snapshots);
  auto before = read_snapshot(disk, dir, snapshots->back().name);
  REQUIRE(before);
  const auto position = before->header.position;
  const auto remembered = before->orders.size();
  Ledger ledger(~storage::Lsn{0});
  ledger.begin_with(std::move(*before));
  REQUIRE(storage::read_log(disk, dir, ledger, position));
  ledger.close();
  CHECK(ledger.findings().count() == 0);
  const auto books = backend.core().book().books();
  CHECK(ledger.orders().size() == books.confirmed);
  std::uint64_t hash = 0;
  for (const auto& [id, item] : ledger.items())
    hash += actors::books_hash(id, item.amount, item.terms.total - item.amount);
  CHECK(hash == books.hash);

  REQUIRE(ledger.orders().size() == backend.tables.orders.size());
  CHECK(remembered > 50);
  auto expected = ledger.orders().begin();
  for (const auto& [lsn, order] : backend.tables.orders) {
    storage::StoredOrder row{lsn,       order.request_id, order.item,
                             order.qty, order.user,       order.unit_price_cents};
    CHECK(expected->lsn == lsn);
    CHECK(ledger.content_of(row) == expected->content);
    row.user += "x";
    CHECK(ledger.content_of(row) != expected->content);
    ++expected;
  }
}
