// When a backend may start without its database: only once it has served, for a first start that
// was cut short may not have taken over the database's items.

#include "actors/backend/recovery/recovery.h"

#include <doctest/doctest.h>

#include "actors/backend/recovery/database_check.h"
#include "test/sim/sim_disk.h"
#include "test/sim/sim_server.h"

namespace stampede::sim {
namespace {

const std::string kDir = "log";

actors::RecoveredLog recover(SimDisk& disk) {
  auto log = actors::recover_log(disk, kDir, {}, [](const storage::BatchInfo&) {});
  REQUIRE(log);
  return std::move(*log);
}

storage::LogWriter open_writer(SimDisk& disk, const storage::LogEnd& end) {
  storage::LogOptions options;
  options.segment_bytes = storage::kSegmentBytesMin;
  auto writer = end.tail == storage::LogTail::empty
                    ? storage::LogWriter::create(disk, kDir, storage::LogUuid{1}, options)
                    : storage::LogWriter::resume(disk, kDir, end, options);
  REQUIRE(writer);
  return std::move(*writer);
}

std::vector<storage::ItemRow> one_item() {
  storage::ItemRow item;
  item.id = 7;
  item.terms.name = "seven";
  item.amount = item.terms.total = 10;
  item.terms.max_qty = 5;
  return {item};
}

}  // namespace

TEST_CASE("a log has served from its first order on, not from its first item") {
  SimDisk disk(1);
  auto writer = open_writer(disk, {});
  actors::BackendCore core(storage::LogUuid{}, {});
  const auto epoch = actors::take_over_epoch(writer, core, {}, 0, 1);
  REQUIRE(epoch);
  CHECK_FALSE(recover(disk).served);
  REQUIRE(actors::import_items(writer, core, one_item(), {*epoch, 0, 0, 0, 1}));
  CHECK_FALSE(recover(disk).served);

  core.set_phase(actors::Phase::serving);
  std::string body;
  actors::Request order;
  order.kind = actors::RequestKind::order;
  order.id = "first";
  order.item = 7;
  order.user = "ann";
  order.qty = 1;
  actors::append_request(body, order);
  actors::Effects effects;
  core.on_work({.count = 1, .broker = 1}, body, 0, effects);
  core.flush(effects);
  REQUIRE(effects.appends.size() == 1);
  const auto& append = *effects.appends[0];
  const std::string_view parts[] = {append.records};
  REQUIRE(writer.append(parts, {*epoch, append.first_lsn, append.count, 0, 1}));
  REQUIRE(writer.sync());
  CHECK(recover(disk).served);
}

TEST_CASE(
    "items that a cut-short first start left behind are named until a log owns the database") {
  SimServer server(1);
  server.put_row(server.tables().item, 7,
                 {{7, {}}, {0, "seven"}, {1, {}}, {10, {}}, {10, {}}, {}, {5, {}}, {}, {}});
  actors::ClaimStart claim;
  claim.database = server.options();
  claim.epoch = 1;
  const actors::BackendCore empty(storage::LogUuid{}, {});
  const auto fit = [&] {
    auto database = storage::Database::open(claim.database);
    return actors::fit_database(database, claim, empty);
  };
  const auto missing = fit();
  REQUIRE(missing);
  REQUIRE(missing->size() == 1);
  CHECK(missing->front().id == 7);

  server.away = true;
  CHECK_FALSE(fit());
  server.away = false;
  REQUIRE(actors::claim_database(claim, 0));
  const auto owned = fit();
  REQUIRE(owned);
  CHECK(owned->empty());
}

}  // namespace stampede::sim
