#include "actors/backend/recovery/database_check.h"

#include <algorithm>
#include <map>
#include <set>

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

Error lacks(const std::string& what, std::uint32_t lane) {
  return Error{Errc::corrupt, "the log calls " + what + " stored, by lane " +
                                  std::to_string(lane + storage::kFirstLane) +
                                  ", but the database does not have it: it was put back to an "
                                  "earlier state, or the row was removed; nothing was changed. " +
                                  storage::kHowToRewrite};
}

// `before`: how many rows there are before it.
Error lacks_yet(const std::string& what, std::uint32_t lane, std::uint64_t before) {
  return Error{
      Errc::corrupt,
      "the log calls " + what + " stored, by lane " + std::to_string(lane + storage::kFirstLane) +
          ", but the database does not have it, of rows before it " + std::to_string(before) +
          ": it was put back to an earlier state, or the row was removed; nothing was"
          " changed; " +
          storage::kHowToMendHalf,
      storage::kErrnumNoRow};
}

// A row that was written anew is there already.
Error is_older(const std::string& item, Lsn there, Lsn stored, std::uint32_t lane) {
  return Error{Errc::corrupt, "the log calls " + item + " of lsn " + storage::to_text(stored) +
                                  " stored, by lane " + std::to_string(lane + storage::kFirstLane) +
                                  ", but the database has it of lsn " + storage::to_text(there) +
                                  ": it was put back to an earlier state, or the row was replaced; "
                                  "nothing was changed. " +
                                  storage::kHowToRewrite};
}

Error half_a_database(const std::string& what) {
  return Error{Errc::not_found,
               "half of the database is missing (" + what +
                   "); orders are taken, and nothing is stored: " + storage::kHowToMendHalf,
               storage::kErrnumNoRow};
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

// A table that ends before a row that was stored may be in the middle of a restore: dumps fill it
// from its lowest key on. When the row's neighbours are there, only if rows still come, and not if
// younger ones are there: what was stored late is lost so. One that
// begins behind it had its oldest rows moved to an archive; a database that was put back has them
// all.
Status check_order(storage::Database& database, const ClaimStart& start, std::uint32_t lane,
                   Lsn order, const std::set<Lsn>& there) {
  if (order == 0 || there.contains(order)) return storage::Done{};
  const auto lowest = database.lowest_order();
  if (!lowest) return lowest.error();
  if (order < *lowest && order > start.last_stored.oldest_order) return storage::Done{};
  const auto highest = database.highest_order();
  if (!highest) return highest.error();
  const auto& newest = start.last_stored.newest_orders;
  const bool passed = std::any_of(newest.begin(), newest.end(),
                                  [&](Lsn neighbour) { return there.contains(neighbour); });
  if (*highest > order) return lacks("order " + storage::to_text(order), lane);
  if (passed) {
    const auto before = database.orders_below(order);
    return before ? lacks_yet("order " + storage::to_text(order), lane, *before) : before.error();
  }
  return half_a_database("`orders` ends at lsn " + storage::to_text(*highest) + ", before " +
                         storage::to_text(order));
}

Status check_orders(storage::Database& database, const ClaimStart& start) {
  const auto& by_lane = start.last_stored.by_lane;
  auto asked = start.last_stored.newest_orders;
  for (const auto& [lane, stored] : by_lane)
    if (stored.order != 0) asked.insert(stored.order);
  const auto there = database.orders_among(asked);
  if (!there) return there.error();
  for (const auto& [lane, stored] : by_lane)
    if (auto whole = check_order(database, start, lane, stored.order, *there); !whole) return whole;
  return storage::Done{};
}

// `guard`: of the item's row, nullptr: it has none.
Status check_item(storage::Database& database, std::uint32_t lane, const storage::ItemLsn& stored,
                  const Lsn* guard) {
  if (stored.lsn == 0 || (guard != nullptr && *guard >= stored.lsn)) return storage::Done{};
  const auto name = "item " + std::to_string(stored.item);
  if (guard != nullptr) return is_older(name, *guard, stored.lsn, lane);
  const auto highest = database.highest_item();
  if (!highest) return highest.error();
  if (*highest < stored.item) return half_a_database("`item` has no " + name);
  const auto before = database.items_below(stored.item);
  return before ? lacks_yet(name + " of lsn " + storage::to_text(stored.lsn), lane, *before)
                : before.error();
}

Status check_items_stored(storage::Database& database, const ClaimStart& start) {
  const auto& by_lane = start.last_stored.by_lane;
  std::set<std::uint64_t> asked;
  for (const auto& [lane, stored] : by_lane)
    for (const auto& one : {stored.put, stored.amount})
      if (one.lsn != 0) asked.insert(one.item);
  const auto there = database.guards_among(asked);
  if (!there) return there.error();
  const auto guard = [&](const storage::ItemLsn& stored, Lsn storage::Database::ItemGuards::*kind) {
    const auto row = there->find(stored.item);
    return row == there->end() ? nullptr : &(row->second.*kind);
  };
  using Guards = storage::Database::ItemGuards;
  for (const auto& [lane, stored] : by_lane) {
    auto whole = check_item(database, lane, stored.put, guard(stored.put, &Guards::put_lsn));
    if (whole)
      whole = check_item(database, lane, stored.amount, guard(stored.amount, &Guards::lsn));
    if (!whole) return whole;
  }
  return storage::Done{};
}

Status check_promos_stored(storage::Database& database, const ClaimStart& start) {
  const auto& by_lane = start.last_stored.by_lane;
  if (std::none_of(by_lane.begin(), by_lane.end(),
                   [](const auto& lane) { return lane.second.promo.lsn != 0; }))
    return storage::Done{};
  const auto rows = database.promos();
  if (!rows) return rows.error();
  std::map<std::uint64_t, Lsn> guards;
  for (const auto& row : *rows) guards[row.promo.put.promo] = row.put_lsn;
  for (const auto& [lane, stored] : by_lane) {
    const auto& [promo, lsn] = stored.promo;
    const auto row = guards.find(promo);
    if (lsn == 0 || (row != guards.end() && row->second >= lsn)) continue;
    const auto name = "promo " + std::to_string(promo);
    const bool passed = !guards.empty() && guards.rbegin()->first >= promo;
    return passed ? lacks(name + " of lsn " + storage::to_text(lsn), lane)
                  : half_a_database("`promo` has no " + name);
  }
  return storage::Done{};
}

// What was stored late lies below its lane's witness. All is asked of one moment: a table that is
// being restored would be empty for one question and whole for the next.
Status check_last_stored(storage::Database& database, const ClaimStart& start) {
  if (auto begun = database.begin_snapshot(); !begun) return begun;
  auto whole = check_orders(database, start);
  if (whole) whole = check_items_stored(database, start);
  if (whole) whole = check_promos_stored(database, start);
  const auto ended = database.end_snapshot();
  return whole ? ended : whole;
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
  storage::LaneLast last;
  last.oldest_order = last_stored.oldest_order;
  const auto stored = last_stored.by_lane.find(lane);
  if (stored == last_stored.by_lane.end()) return last;
  last.order = stored->second.order;
  last.amount = {stored->second.amount.item, stored->second.amount.lsn};
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
  return check_last_stored(database, start);
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
