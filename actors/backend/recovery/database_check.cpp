#include "actors/backend/recovery/database_check.h"

#include <algorithm>
#include <map>
#include <set>

#include "actors/backend/recovery/stored_check.h"
#include "storage/log/log_segment.h"

namespace stampede::actors {

using storage::Errc;
using storage::Error;
using storage::Status;

int exit_code_of(Errc code) {
  switch (code) {
    case Errc::corrupt:
      return kExitCorrupt;
    case Errc::locked:
    case Errc::fenced:
      return kExitOtherWriter;
    case Errc::version:
    case Errc::invalid:
      return kExitConfig;
    case Errc::io:
    case Errc::full:
      return kExitIo;
    case Errc::unavailable:
    case Errc::not_found:
      break;
  }
  return 0;
}

Status refuse_wiped_log(storage::Database& database, const std::string& log_dir) {
  const auto uuid = database.log_uuid();
  if (!uuid) return uuid.error();
  if (!*uuid) return storage::Done{};
  return Error{Errc::corrupt, "the log directory " + log_dir +
                                  " is empty but the database belongs to log " +
                                  storage::to_text(**uuid) +
                                  ": the log was wiped or log.dir is wrong; nothing was changed."
                                  " Restore the log directory, or use an empty database"};
}

Status refuse_foreign_orders(storage::Database& database) {
  const auto orders = database.order_count();
  if (!orders) return orders.error();
  if (*orders == 0) return storage::Done{};
  return Error{Errc::corrupt, "the database names no log but holds " + std::to_string(*orders) +
                                  " orders, which this log does not know; nothing was"
                                  " changed. Restore the log that they are from, or use an empty"
                                  " database"};
}

namespace {

using Lanes = std::vector<storage::LaneRow>;

Error put_back(Lsn executed, const std::string& where, Lsn witness) {
  return Error{Errc::corrupt,
               "the log calls lsn " + storage::to_text(executed) +
                   " executed but the database ends at " + storage::to_text(witness) + where +
                   ": it was restored or replaced; nothing was changed. " + storage::kHowToRewrite};
}

// A database that was put back to whatever earlier moment lacks the last commit of a lane, and with
// it that lane's witness.
Status check_witnesses(const Lanes& lanes, const ClaimStart& start) {
  Lsn witness = 0;
  std::map<std::uint32_t, Lsn> by_lane;
  for (const auto& row : lanes) {
    witness = std::max(witness, row.applied_lsn);
    if (row.applied_lsn == 0 && row.batches == 0) continue;
    by_lane[static_cast<std::uint32_t>(row.lane - storage::kFirstLane)] = row.applied_lsn;
  }
  if (witness > start.last_lsn)
    return Error{Errc::corrupt, "the database holds lsn " + storage::to_text(witness) +
                                    " but the log ends at " + storage::to_text(start.last_lsn) +
                                    ": the log has lost decisions; nothing was changed. Restore"
                                    " the log directory"};
  if (witness < start.max_executed) return put_back(start.max_executed, "", witness);
  for (const auto& [lane, executed] : start.executed_by_lane) {
    // A database that was made anew with fewer lanes has none of this one's witness: what it has
    // stored last is looked for below.
    const auto row = by_lane.find(lane);
    if (row != by_lane.end() && row->second < executed)
      return put_back(executed, " in lane " + std::to_string(lane + storage::kFirstLane),
                      row->second);
  }
  return storage::Done{};
}

// The operator's word that this log is the one to go on with.
constexpr const char* kHowToOwn =
    "; nothing was changed. If no other backend is to run on this database, `scripts/stop_all.sh"
    " --keep-db` and `stampede log replay --all` make this log its owner";

Error of_another_place(const storage::LaneRow& row, const ClaimStart& start) {
  constexpr std::int64_t kNsPerSecond = 1'000'000'000;
  return Error{Errc::fenced, "the database is owned by a log directory that was made " +
                                 std::to_string(row.place / kNsPerSecond) +
                                 " s after 1970, this one was made " +
                                 std::to_string(start.owner.place / kNsPerSecond) +
                                 " s after it (stat -c %W): it is a copy, or was moved to another"
                                 " file system" +
                                 kHowToOwn};
}

bool knows(const ClaimStart& start, const storage::LaneRow& row) {
  if (row.epoch == start.epoch) return row.owner == start.owner.start;
  if (row.epoch > start.log_epoch) return false;
  const auto minted = start.log_owners.find(row.epoch);
  return minted == start.log_owners.end() || minted->second == row.owner;
}

// Asked first: what a copy lacks is no loss.
Status check_place(const Lanes& lanes, const ClaimStart& start) {
  for (const auto& row : lanes) {
    if (row.epoch == 0) continue;  // nobody
    if (row.place != 0 && start.owner.place != 0 && row.place != start.owner.place)
      return of_another_place(row, start);
  }
  return storage::Done{};
}

// Whoever owns the lanes, this start or one before it: the log knows it, or it was a copy's.
Status check_owner(const Lanes& lanes, const ClaimStart& start) {
  for (const auto& row : lanes) {
    if (row.epoch == 0) continue;  // nobody
    if (row.owner == 0) continue;  // a program that wrote none
    if (knows(start, row)) continue;
    return Error{Errc::fenced, "the database is owned by epoch " + std::to_string(row.epoch) +
                                   ", start " + std::to_string(row.owner) +
                                   ", which this log does not have; it ends in epoch " +
                                   std::to_string(start.log_epoch) +
                                   ": another backend writes to it, or this log is a copy or an"
                                   " old one" +
                                   kHowToOwn};
  }
  return storage::Done{};
}

// Once the log has served, whatever keeps it out may be put right: a schema that is not there, a
// user who is not let in, a database that is gone. Not so an unreadable url.
Error not_opened(const ClaimStart& start, const Error& error) {
  if (!start.served || !storage::parse_db_url(start.database.url)) return error;
  auto passing = error;
  passing.code = Errc::unavailable;
  return passing;
}

Error still_to_come(Error error) {
  error.code = Errc::not_found;
  return error;
}

}  // namespace

storage::LaneLast ClaimStart::last_of(std::uint32_t lane) const {
  using storage::LastKind;
  storage::LaneLast last;
  last.oldest_order = last_stored.oldest_order;
  last.oldest_stock = last_stored.oldest_stock;
  const auto found = last_stored.by_lane.find(lane);
  if (found == last_stored.by_lane.end()) return last;
  const auto& stored = found->second;
  last[LastKind::order] = {stored.order, stored.order};
  last[LastKind::update] = {stored.update.item, stored.update.lsn};
  last[LastKind::amount] = {stored.amount.item, stored.amount.lsn};
  last[LastKind::promo] = {stored.promo.item, stored.promo.lsn};
  last[LastKind::grant] = {stored.grant.item, stored.grant.lsn};
  last[LastKind::stock] = {stored.stock, stored.stock};
  return last;
}

bool may_be_filling(const Error& error) {
  return error.code == Errc::corrupt && error.sql_number == storage::kErrnumNoRow;
}

Status check_database(storage::Database& database, const ClaimStart& start) {
  const auto uuid = database.log_uuid();
  if (!uuid) return uuid.error();
  if (*uuid && **uuid != start.log_uuid)
    return Error{Errc::corrupt, "the database belongs to log " + storage::to_text(**uuid) +
                                    ", this log is " + storage::to_text(start.log_uuid) +
                                    "; nothing was changed. Point log.dir or db.url at the pair"
                                    " that belongs together"};
  const auto lanes = database.lanes();
  if (!lanes) return lanes.error();
  if (*uuid) {
    if (auto same = check_place(*lanes, start); !same) return same;
  }
  if (start.max_executed > 0 && uuid->has_value() == lanes->empty())
    return half_a_database(*uuid ? "`lane` has no row" : "`meta` has no row");
  if (auto whole = check_witnesses(*lanes, start); !whole) return whole;
  if (!*uuid) return refuse_foreign_orders(database);
  if (auto owned = check_owner(*lanes, start); !owned) return owned;
  return check_last_stored(database, start.last_stored);
}

storage::Result<std::vector<storage::ItemRow>> fit_database(
    storage::Result<storage::Database>& database, const ClaimStart& start,
    const BackendCore& core) {
  if (!database) return not_opened(start, database.error());
  if (auto fits = check_database(*database, start); !fits) {
    const bool wait = start.served && may_be_filling(fits.error());
    return wait ? still_to_come(fits.error()) : fits.error();
  }
  const auto uuid = database->log_uuid();
  if (!uuid) return uuid.error();
  std::vector<storage::ItemRow> missing;
  if (*uuid) return missing;
  auto items = database->items(start.progress);
  if (!items) return items.error();
  for (auto& item : *items)
    if (!core.book().item(item.id)) missing.push_back(std::move(item));
  return missing;
}

Status claim_database(const ClaimStart& start, std::int64_t now_us,
                      const std::function<bool(const Error&)>& lost) {
  auto database = storage::Database::open(start.database);
  if (!database) return not_opened(start, database.error());
  if (auto fits = check_database(*database, start); !fits) {
    const auto& error = fits.error();
    const bool wait = start.served && may_be_filling(error) && !lost(error);
    return wait ? still_to_come(error) : error;
  }
  if (auto adopted = database->adopt(start.log_uuid, now_us, start.progress); !adopted)
    return adopted;
  return database->claim(start.epoch, start.database.lanes, start.owner);
}

}  // namespace stampede::actors
